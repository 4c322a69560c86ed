"""The seeds of the fuzzer, replayed: what was once found is not found again. Fuzzing itself is no part of the gate."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz import seeds
from tests.fuzz.targets import TARGETS


@pytest.mark.parametrize("target", TARGETS)
def test_no_seed_breaks_its_target(target: str) -> None:
    """Each is small, and there are some."""
    kept = seeds.read(target)

    for seed in kept:
        TARGETS[target](seed)

    assert 0 < len(kept) <= seeds.KEPT
    assert len(set(kept)) == len(kept)


@pytest.mark.parametrize("target", TARGETS)
@given(data=st.data())
def test_no_change_of_a_seed_breaks_its_target(target: str, data: st.DataObject) -> None:
    """A part of one in the place of a part of another."""
    one, other = (data.draw(st.sampled_from(seeds.read(target))) for _ in range(2))
    start, end = sorted(data.draw(st.tuples(st.integers(0, len(one)), st.integers(0, len(one)))))

    TARGETS[target](one[:start] + other[start : start + data.draw(st.integers(0, 40))] + one[end:])
