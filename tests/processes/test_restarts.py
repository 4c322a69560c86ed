"""When a worker is started again, how soon, and when all are stopped."""

import signal

from hypothesis import given
from hypothesis import strategies as st

from relay.pipeline.watch import STUCK_S
from relay.pipeline.watchdog import CLOSE_S, EXIT_STATUS, LOOK_S
from relay.processes.restarts import FRESH_S, PAUSES_S, GiveUp, Reason, Restart, after_end, as_shell, together

QUIET = (0, -signal.SIGTERM, -signal.SIGINT, 130)
statuses = st.integers(-64, 255)
other_statuses = statuses.filter(lambda status: status != 2)
soon = st.floats(0, FRESH_S, exclude_max=True)
late = st.floats(FRESH_S, 1e9)
deaths_before = st.integers(0, len(PAUSES_S))


def test_five_deaths_in_a_row_are_enough() -> None:
    """At once after the first, then each time later; the fifth is the last."""
    deaths, pauses = 0, []
    while isinstance(verdict := after_end(1, ran_s=0.5, deaths=deaths), Restart):
        deaths = verdict.deaths
        pauses.append(verdict.after_s)

    assert [0.0, 1.0, 2.0, 4.0] == pauses
    assert GiveUp(status=1, because=Reason.KEEPS_DYING) == verdict


def test_a_worker_that_always_sticks_is_given_up() -> None:
    """It lives for as long as the watchdog is patient and it takes to end: that is no good run."""
    ran_s = STUCK_S + 2 * LOOK_S + CLOSE_S

    assert Restart(after_s=1.0, deaths=2) == after_end(EXIT_STATUS, ran_s=ran_s, deaths=1)
    assert GiveUp(status=EXIT_STATUS, because=Reason.KEEPS_DYING) == after_end(EXIT_STATUS, ran_s=ran_s, deaths=4)


@given(status=other_statuses, ran_s=late, deaths=deaths_before)
def test_after_a_good_run_the_count_begins_anew(status: int, ran_s: float, deaths: int) -> None:
    """However it ended, and however often before."""
    assert Restart(after_s=0.0, deaths=1) == after_end(status, ran_s=ran_s, deaths=deaths)


@given(runs=st.lists(st.tuples(other_statuses, st.one_of(soon, late)), max_size=30))
def test_nobody_gives_up_before_the_fifth_short_run_in_a_row_nor_goes_on_after_it(
    runs: list[tuple[int, float]],
) -> None:
    """Whatever the order of long and short runs; the first run of a row may have been long."""
    deaths = row = 0
    for status, ran_s in runs:
        row = 1 if ran_s >= FRESH_S else row + 1
        verdict = after_end(status, ran_s=ran_s, deaths=deaths)
        if row == 5:
            assert isinstance(verdict, GiveUp)
            return
        assert isinstance(verdict, Restart)
        assert verdict.deaths == row
        deaths = verdict.deaths


@given(status=other_statuses, ran_s=soon)
def test_pauses_never_shrink_within_a_row(status: int, ran_s: float) -> None:
    """What is wrong has more time to pass, each time."""
    verdicts = [after_end(status, ran_s=ran_s, deaths=deaths) for deaths in range(len(PAUSES_S))]
    pauses = [verdict.after_s for verdict in verdicts if isinstance(verdict, Restart)]

    assert len(pauses) == len(PAUSES_S)
    assert pauses == sorted(pauses)


@given(ran_s=st.one_of(soon, late), deaths=deaths_before)
def test_what_is_misconfigured_is_not_tried_again(ran_s: float, deaths: int) -> None:
    """It would end the same way: with 2, and so do all."""
    assert GiveUp(status=2, because=Reason.MISCONFIGURED) == after_end(2, ran_s=ran_s, deaths=deaths)


@given(status=other_statuses)
def test_who_gave_up_never_ends_with_0(status: int) -> None:
    """Also when the worker itself did, again and again; else with its status, as a shell has it."""
    verdict = after_end(status, ran_s=0.0, deaths=len(PAUSES_S))

    assert GiveUp(status=as_shell(status) if status else 1, because=Reason.KEEPS_DYING) == verdict


@given(ended=st.lists(st.sampled_from(QUIET)))
def test_all_that_ended_as_told_make_0(ended: list[int]) -> None:
    """One that died of the very signal had not begun, or had ended: it handles both while it works."""
    assert together(ended) == 0


@given(before=st.lists(st.sampled_from(QUIET)), failed=statuses.filter(lambda one: one not in QUIET))
def test_one_that_failed_is_the_status_of_the_whole(before: list[int], failed: int) -> None:
    """Among any others; never 0."""
    assert as_shell(failed) == together([*before, failed, *before]) != 0


def test_a_signal_is_told_as_shells_tell_it() -> None:
    """128 and its number, for an exit status has no sign."""
    assert [137, 139, 0, 5] == [as_shell(status) for status in (-9, -11, 0, 5)]
