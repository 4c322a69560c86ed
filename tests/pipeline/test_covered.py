"""What is told of a partition: runs of offsets, joined, bounded, and the same when they are read again."""

from dataclasses import replace
from itertools import pairwise

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.completeness.counts import read
from relay.pipeline.covered import NEVER_MS, NO_RECORD, RUNS, SPAN, UNTOLD, Covered, Lost, Run, Told, joined
from relay.pipeline.covered import lost_record as written_lost
from relay.pipeline.covered import records as written

NOW_MS = 1_900_000_000_000
TOLD = Told(
    topic="leads.events", partition=3, generation=7, base=10, end=30, began_ms=NOW_MS - 5_000, runs=(Run(10, 4, 2),)
)


def by_offset(runs: tuple[Run, ...]) -> dict[int, int]:
    return {run.first + n: run.matches for run in runs for n in range(run.length)}


def told(covered: Covered) -> dict[int, int]:
    return by_offset(covered.taken()[0])


# what stands at each offset: so many matches, no record, or one that is not settled
logs = st.lists(st.integers(0, 3) | st.just(NO_RECORD) | st.none(), max_size=60)


@given(logs, st.data())
def test_whatever_order_records_settle_in(log: list[int | None], data: st.DataObject) -> None:
    """Each is told with its matches, in as few runs as there can be, and once."""
    covered = Covered()
    known = [(offset, matches) for offset, matches in enumerate(log) if matches is not None]
    for offset, matches in data.draw(st.permutations(known)):
        if matches == NO_RECORD:
            covered.nothing(offset, offset + 1)
        else:
            covered.settled(offset, matches, NOW_MS + offset)

    runs, began_ms = covered.taken()

    assert dict(known) == by_offset(runs)
    assert list(runs) == sorted(runs)
    assert not any(one.first + one.length == two.first and one.matches == two.matches for one, two in pairwise(runs))
    assert began_ms == min((NOW_MS + offset for offset, matches in known if matches != NO_RECORD), default=NEVER_MS)
    assert ((), NEVER_MS) == covered.taken()


def test_of_a_delivery_topic_nothing_is_kept() -> None:
    UNTOLD.settled(1, 1, NOW_MS)
    UNTOLD.nothing(2, 3)

    assert ((), NEVER_MS) == UNTOLD.taken()


@given(logs, st.integers(0, 2**40))
def test_what_is_written_is_what_is_read(log: list[int | None], first: int) -> None:
    """Offsets of which nothing is said stay so."""
    runs = joined((first + n, 1, matches) for n, matches in enumerate(log) if matches is not None)
    one = replace(TOLD, runs=runs)

    again = [read(value) for value in written(one, now_ms=NOW_MS, worker="w")]

    assert ([one] if runs else []) == again


def test_what_never_began_began_when_it_is_told() -> None:
    """Markers alone have no outcomes."""
    (value,) = written(replace(TOLD, began_ms=NEVER_MS), now_ms=NOW_MS, worker="w")

    assert replace(TOLD, began_ms=NOW_MS) == read(value)


def test_a_record_is_bounded_however_much_there_is() -> None:
    """No two neighbours are alike, and beyond them a gap of a trillion offsets."""
    runs = (*(Run(10 + n, 1, 100_000 + n % 2) for n in range(3 * RUNS)), Run(20_000, 10**10, NO_RECORD))

    values = list(written(replace(TOLD, runs=runs), now_ms=NOW_MS, worker="w"))

    assert max(map(len, values)) < 64 * 1024
    again = [one for one in map(read, values) if isinstance(one, Told)]
    assert len(values) == len(again)
    assert all(
        len(one.runs) <= RUNS and one.runs[-1].first + one.runs[-1].length - one.runs[0].first <= SPAN for one in again
    )
    assert runs[:-1] == tuple(run for one in again for run in one.runs if run.matches != NO_RECORD)
    assert 10**10 == sum(run.length for one in again for run in one.runs if run.matches == NO_RECORD)


def test_a_lost_range_is_read_as_it_was_written() -> None:
    lost = Lost("leads.events", 3, 10, 20)

    assert lost == read(written_lost(lost, now_ms=NOW_MS, worker="w"))


@given(logs, logs)
def test_two_in_one(first: list[int | None], second: list[int | None]) -> None:
    """Says what both say: where nothing of the second was said by the first, else they stay two."""
    earlier, later = (joined((n, 1, each) for n, each in enumerate(log) if each is not None) for log in (first, second))
    one, two = replace(TOLD, runs=earlier, base=1, end=2), replace(TOLD, runs=later, base=3, end=4, began_ms=1)

    both = one.then(two)

    if by_offset(earlier).keys() & by_offset(later).keys():
        assert both is None
    else:
        assert both is not None
        assert by_offset(earlier) | by_offset(later) == by_offset(both.runs)
        assert (3, 2, 1) == (both.base, both.end, both.began_ms)


@pytest.mark.parametrize("change", [{"topic": "other"}, {"partition": 4}, {"generation": 8}])
def test_of_two_assignments_each_is_told_by_itself(change: dict[str, object]) -> None:
    assert TOLD.then(replace(TOLD, runs=(Run(50, 1, 1),), **change)) is None  # type: ignore[arg-type]


def test_the_fields_of_a_record() -> None:
    """As schemas/progress.v1.json has them."""
    (value,) = written(replace(TOLD, runs=(Run(10, 4, 2), Run(20, 1, NO_RECORD))), now_ms=NOW_MS, worker="w")

    assert {
        "kind": "settled", "topic": "leads.events", "partition": 3, "generation": 7, "base": 10, "end": 30,
        "first": 10, "runs": [[4, 2], [6, None], [1, -1]],
        "began": "2030-03-17T17:46:35.000Z", "at": "2030-03-17T17:46:40.000Z", "worker": "w",
    } == orjson.loads(value)  # fmt: skip
