"""A standstill is one only while there is work, the broker answers, and nothing has a reason to wait."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.pipeline.watch import Sight, Watch

STUCK_S = 60.0
DUE = "records are not read"


def test_work_that_does_not_move_for_a_minute_is_a_standstill() -> None:
    """The cause says what, and for how long."""
    watch = Watch(STUCK_S)

    causes = [watch.see(Sight(moved=7, due=DUE), answers=True, now_s=second) for second in (0, 5, 64, 65)]

    assert [None, None, None, f"{DUE}, and nothing of it has moved for 60 s"] == causes


@pytest.mark.parametrize(
    ("sight", "answers"),
    [
        (Sight(moved=7, due=None), True),
        (Sight(moved=7, due=DUE, held=True), True),
        (Sight(moved=8, due=DUE), True),
        (Sight(moved=7, due=DUE), False),
    ],
    ids=["nothing to do", "a reason to wait", "it moves", "a broker that does not answer"],
)
def test_the_minute_begins_anew_after(sight: Sight, answers: bool) -> None:  # noqa: FBT001
    """However long the standstill had lasted before."""
    watch = Watch(STUCK_S)
    for second in (0, 1, 59):
        watch.see(Sight(moved=7, due=DUE), answers=True, now_s=second)

    assert watch.see(sight, answers=answers, now_s=60) is None
    still = Sight(moved=sight.moved, due=DUE)
    assert watch.see(still, answers=True, now_s=61) is None
    assert watch.see(still, answers=True, now_s=120) is None
    assert watch.see(still, answers=True, now_s=121) is not None


sights = st.builds(Sight, moved=st.integers(0, 3), due=st.none() | st.just(DUE), held=st.booleans())


@given(st.lists(st.tuples(sights, st.booleans(), st.floats(0.1, 40)), max_size=60))
def test_whatever_is_seen(seen: list[tuple[Sight, bool, float]]) -> None:
    """It barks only when for a whole minute every look showed work, an answering broker, no reason and no move."""
    watch, now_s, quiet_since, before = Watch(STUCK_S), 0.0, 0.0, -1
    for sight, answers, pause_s in seen:
        now_s += pause_s
        if sight.moved != before or sight.due is None or sight.held or not answers:
            quiet_since = now_s
            assert watch.see(sight, answers=answers, now_s=now_s) is None
        else:
            cause = watch.see(sight, answers=answers, now_s=now_s)
            assert cause is None or now_s - quiet_since >= STUCK_S
        before = sight.moved
