"""Where a replay begins and ends, and what of that is lost."""

from hypothesis import given
from hypothesis import strategies as st

from relay.replay.ranges import cut, ranges, remaining
from relay.replay.values import Lost, Wish
from tests.replay.made import a_run

A, B = ("leads.events", 0), ("leads.events", 1)
LOGS = st.tuples(st.integers(0, 50), st.integers(0, 50)).map(lambda pair: (pair[0], sum(pair)))  # begins, ends


def test_a_replay_from_a_time_begins_at_its_first_record() -> None:
    """A partition without one has nothing to send."""
    starts, lost = ranges(Wish(since_ms=1), begins={A: 10, B: 0}, ends={A: 50, B: 9}, at_time={A: 20, B: None})

    assert {A: 20, B: 9} == starts
    assert () == lost


def test_a_log_that_begins_later_than_the_time_may_have_lost_something() -> None:
    """All that is left is of then or later: so may be what is not. A log that begins at 0 has lost nothing."""
    _, lost = ranges(Wish(since_ms=1), begins={A: 10, B: 0}, ends={A: 50, B: 9}, at_time={A: 10, B: 0})

    assert (Lost(topic="leads.events", partition=0, first=None, end=10),) == lost


def test_a_replay_from_offsets_leaves_partitions_out_that_are_not_named() -> None:
    """What the log holds no more is lost by range; an offset beyond the end is the end."""
    starts, lost = ranges(Wish(from_offsets={A: 4}), begins={A: 10, B: 0}, ends={A: 50, B: 9}, at_time={})
    beyond, _ = ranges(Wish(from_offsets={A: 99}), begins={A: 10, B: 0}, ends={A: 50, B: 9}, at_time={})

    assert {A: 10} == starts
    assert (Lost(topic="leads.events", partition=0, first=4, end=10),) == lost
    assert {A: 50} == beyond


@given(LOGS, st.integers(0, 120), st.one_of(st.none(), st.integers(0, 120)))
def test_a_replay_begins_within_the_log_and_no_asked_offset_goes_untold(
    log: tuple[int, int], asked: int, found: int | None
) -> None:
    """Whatever is asked: each offset from there on is read, lost by name, or beyond the end."""
    begin, end = log
    starts, lost = ranges(Wish(from_offsets={A: asked}), begins={A: begin}, ends={A: end}, at_time={})
    by_time, _ = ranges(Wish(since_ms=0), begins={A: begin}, ends={A: end}, at_time={A: found})

    told = {offset for one in lost for offset in range(one.first or 0, one.end)}
    assert begin <= starts[A] <= end
    assert begin <= by_time[A] <= end
    assert set(range(asked, end)) <= told | set(range(starts[A], end))


@given(st.dictionaries(st.sampled_from([A, B]), LOGS), st.dictionaries(st.sampled_from([A, B]), st.integers(0, 80)))
def test_what_retention_took_from_a_run_is_told(logs: dict[tuple[str, int], tuple[int, int]], at: dict) -> None:  # type: ignore[type-arg]
    """Positions never go back, and what they pass over is lost by range."""
    run = a_run(positions={place: at.get(place, 0) for place in logs})

    after = cut(run, {place: begin for place, (begin, _) in logs.items()})

    for place, (begin, _) in logs.items():
        assert after.positions[place] == max(begin, run.positions[place])
        gone = [(one.first, one.end) for one in after.lost if (one.topic, one.partition) == place]
        assert gone == ([(run.positions[place], begin)] if begin > run.positions[place] else [])


def test_what_remains_is_what_was_not_read_to_its_end() -> None:
    """Then it is over."""
    run = a_run(starts={A: 0, B: 3}, positions={A: 5, B: 9}, until={A: 10, B: 9})

    assert {A: 5} == remaining(run)
    assert (16, 11) == (run.total, run.done)
