"""What readers may wait, of the time that passes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.pipeline.allowance import MOST_S, SHARE, Allowance


def test_what_is_spent_comes_back_with_time() -> None:
    allowance = Allowance()
    assert allowance.left(0.0)
    allowance.spent(MOST_S)
    assert not allowance.left(0.0)

    assert allowance.left(1.0)


@given(st.lists(st.floats(0.0, 0.2), max_size=200), st.floats(0.0, 0.2))
def test_no_more_is_spent_than_its_share_of_the_time(waits: list[float], apart_s: float) -> None:
    """But for what may be spent at once, and the last wait, of which nobody knows how long it will be."""
    allowance, now_s, spent = Allowance(), 0.0, 0.0
    for wait_s in waits:
        now_s += apart_s
        if allowance.left(now_s):
            now_s += wait_s
            spent += wait_s
            allowance.spent(wait_s)

    assert spent <= MOST_S + SHARE * now_s + 0.2 or spent == pytest.approx(MOST_S + SHARE * now_s + 0.2)
