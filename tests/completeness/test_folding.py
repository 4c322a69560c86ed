"""What was told and what came of it, beside a model of single offsets."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from relay.completeness.counts import BUCKET
from relay.completeness.folding import Ledgers
from relay.completeness.outcomes import Outcome, Outcomes, State
from relay.completeness.values import LISTED, Extra, Missing, Range, Report
from relay.pipeline.covered import NO_RECORD, Lost, Run, Told, joined

NOON_MS = 1_900_000_000_000
AT = ("leads.events", 0)
TOLD = Told(topic=AT[0], partition=0, generation=1, base=0, end=0, began_ms=NOON_MS, runs=())


def of(*matches: int | None, first: int = 0, base: int | None = None, **fields: int) -> Told:
    """So many at each offset from the first on."""
    runs = joined((first + n, 1, each) for n, each in enumerate(matches) if each is not None)
    return replace(TOLD, runs=runs, base=first + len(matches) if base is None else base, **fields)  # type: ignore[arg-type]


def came(*those: tuple[int, int], state: State = State.DELIVERED, event: bool = True) -> Outcomes:
    """Of each offset so many deliveries."""
    some = Outcomes()
    for offset, count in those:
        for n in range(count):
            some.add(Outcome(*AT, offset, f"dlv_{n:016x}{0:016x}", state, 1, NOON_MS, event, run=not event))
    return some


def ranges(*told: Told | Lost, outcomes: Outcomes | None = None, held_ms: int = 0) -> tuple[Range, ...]:
    ledgers = Ledgers()
    for one in told:
        ledgers.add(one, held_ms)
    return ledgers.ranges({AT: outcomes or Outcomes()})


offsets = st.integers(0, 5) | st.integers(BUCKET - 3, BUCKET + 3)
logs = st.dictionaries(offsets, st.integers(NO_RECORD, 3), min_size=1)


@given(logs, st.dictionaries(offsets, st.integers(0, 4)), st.sampled_from(State))
def test_what_is_counted(log: dict[int, int], outcomes: dict[int, int], state: State) -> None:
    """Every sum, what is missing and what is extra, by offset; what is not told of is nobody's."""
    told = replace(TOLD, runs=joined((offset, 1, matches) for offset, matches in log.items()), base=0)

    (one,) = ranges(told, outcomes=came(*outcomes.items(), state=state))

    over = {offset: outcomes.get(offset, 0) - max(0, matches) for offset, matches in log.items()}
    assert (min(log), max(log) + 1) == (one.first, one.end)
    assert sum(matches != NO_RECORD for matches in log.values()) == one.events
    assert sum(max(0, matches) for matches in log.values()) == one.matches
    assert [Missing(offset, -n) for offset, n in sorted(over.items()) if n < 0] == list(one.missing)
    assert [Extra(offset, n) for offset, n in sorted(over.items()) if n > 0] == list(one.extra)
    counts = {
        State.DELIVERED: one.delivered, State.PENDING: one.pending, State.GAVE_UP: one.gave_up,
        State.DROPPED: one.dropped,
    }  # fmt: skip
    assert {kind: one.matches - one.missed + one.surplus if kind is state else 0 for kind in State} == counts
    assert Report(since_ms=0, until_ms=1, ranges=(one,)).ok == (one.missed == 0)


def test_a_replay_does_not_stand_in_for_what_is_missing() -> None:
    """It is told beside it: whether it was made for that one nobody knows."""
    (one,) = ranges(of(2), outcomes=came((0, 1), event=False))

    assert (Missing(0, 2, replayed=1),) == one.missing
    assert (2, 1, 0) == (one.missed, one.replayed, one.delivered)


def test_what_is_missing_is_counted_whole_and_listed_in_part() -> None:
    (one,) = ranges(of(*[1] * (LISTED + 5)))

    assert (LISTED, LISTED + 5) == (len(one.missing), one.missed)


def test_what_was_committed_and_never_told_is_unknown() -> None:
    """From where nothing of it can have been told before; what is open above is not committed."""
    found = ranges(of(1, 1, first=10, end=12, base=12), of(1, None, 1, first=20, end=23, base=21), outcomes=came())

    unknown = [(one.first, one.end) for one in found if one.unknown]
    assert [(12, 20)] == unknown


def test_what_was_settled_before_is_not_unknown() -> None:
    """A slow record is told of long after its neighbours, which an earlier range had."""
    found = ranges(
        of(1, first=10, end=500, base=400), of(1, first=500, end=501, base=501), outcomes=came((10, 1), (500, 1))
    )

    assert [(10, 501, 2)] == [(one.first, one.end, one.events) for one in found]


def test_what_the_group_has_committed_beyond_what_is_told() -> None:
    """A worker that cannot tell goes on."""
    ledgers = Ledgers()
    ledgers.add(of(0, first=10, end=11))
    ledgers.committed(AT, 30)
    ledgers.committed(("other", 0), 30)

    assert [(11, 30)] == [(one.first, one.end) for one in ledgers.ranges({}) if one.unknown]


def test_what_came_in_this_time_and_was_committed_is_told_or_unknown() -> None:
    """Also where nobody told of the partition, or only of what came later; not what came before, nor what is open."""
    ledgers = Ledgers()
    ledgers.add(of(0, first=20, end=21))
    for partition, (offset, came) in enumerate(((21, 5), (30, 12), (30, 30), (30, 40), (30, None))):
        ledgers.committed((AT[0], partition), offset, came)

    assert [(0, 5, 20), (1, 12, 30)] == [
        (one.partition, one.first, one.end) for one in ledgers.ranges({}) if one.unknown
    ]


def test_a_lost_range_is_told_once() -> None:
    """However many workers found it."""
    lost = Lost(*AT, 3, 9)

    (one,) = ranges(lost, lost)

    assert Range(topic=AT[0], partition=0, first=3, end=9, lost=True) == one
    assert not Report(since_ms=0, until_ms=1, ranges=(one,)).ok


def test_results_that_are_no_longer_held() -> None:
    """Nothing is proved of what was told before, and nothing called missing; what matched nobody needs no results."""
    early, late = of(0, 1, first=10, end=10), of(1, first=12, end=13, began_ms=NOON_MS + 1_000)

    found = ranges(early, late, outcomes=came((12, 1)), held_ms=NOON_MS + 1)

    assert [(10, 13, 1, 0, False), (11, 12, 0, 0, True)] == [
        (one.first, one.end, one.matches, one.missed, one.unknown) for one in found
    ]


def test_when_the_first_outcome_of_all_may_have_been_written() -> None:
    """Results are read from there; of what matched nobody there are none."""
    ledgers = Ledgers()
    ledgers.add(of(0, began_ms=NOON_MS - 99))
    ledgers.add(of(1, began_ms=NOON_MS + 5))
    ledgers.add(of(1, began_ms=NOON_MS + 9))

    assert NOON_MS + 5 == ledgers.began_ms


def test_a_partition_that_was_read_by_two() -> None:
    """The later owner's reading counts, also where the first tells afterwards; each has its range."""
    other = replace(of(1), partition=1)
    found = ranges(of(2, 2, generation=2), of(5, 5, generation=1), other, outcomes=came((0, 2), (1, 2)))

    assert [(0, 4, 0), (1, 1, 1)] == [(one.partition, one.matches, one.missed) for one in found]


def test_a_run_without_end_is_counted_at_once() -> None:
    """A hundred million offsets of nothing."""
    told = replace(TOLD, runs=(Run(0, 1 << 27, 0),), base=1 << 27)

    (one,) = ranges(told)

    assert (1 << 27, 0) == (one.events, one.matches)


def test_whoever_waits_is_told_that_it_moves_on() -> None:
    """For each bucket: a command takes one that stands still for one whose broker is gone."""
    ledgers, moves = Ledgers(), list[None]()
    ledgers.add(of(1, first=3))
    ledgers.add(of(1, first=9 * BUCKET))

    ledgers.ranges({}, lambda: moves.append(None))

    assert 2 == len(moves)
