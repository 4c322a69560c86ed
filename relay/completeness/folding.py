"""
What was told and what came of it -> ranges. Pure.

Told is what a worker had settled, every outcome of it acknowledged before: so what is told and has no outcome is
missing now, and nothing needs to be waited for.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from relay.completeness.counts import Counts
from relay.completeness.outcomes import Outcomes
from relay.completeness.values import LISTED, Extra, Missing, Range
from relay.pipeline.covered import NEVER_MS, NO_RECORD, Lost, Run, Told

Partition = tuple[str, int]


class Ledgers:
    """All that was told between two times, in the order of its log."""

    def __init__(self) -> None:
        self.counts: dict[Partition, Counts] = {}
        self.began_ms = NEVER_MS  # no outcome of what was told was written before
        self._lost: dict[Lost, None] = {}
        self._from: dict[Partition, int] = {}  # from here on all is told, or unknown
        self._base: dict[Partition, int] = {}  # up to here

    def add(self, told: Told | Lost, held_ms: int = 0) -> None:
        """
        Args:
            told: By one record.
            held_ms: Results from then on are held; of what was told to have any before nothing can be proved.
        """
        if isinstance(told, Lost):
            self._lost[told] = None
            return
        at = (told.topic, told.partition)
        counts = self.counts.setdefault(at, Counts())
        self._from.setdefault(at, told.end if told.began_ms >= held_ms else min(told.end, told.runs[0].first))
        self._base[at] = max(self._base.get(at, 0), told.base)
        runs = told.runs if told.began_ms >= held_ms else tuple(run for run in told.runs if run.matches <= 0)
        for run in runs:
            counts.paint(run, told.generation)
        if any(run.matches > 0 for run in runs):
            self.began_ms = min(self.began_ms, told.began_ms)

    def committed(self, at: Partition, offset: int, came: int | None = None) -> None:
        """
        The group has committed so far: every offset before was told of, or is unknown.

        Args:
            at: Which partition; nobody need have told of it.
            offset: What is committed.
            came: From here on its records came in this time, and are told of in it or never; None: it is not known.
        """
        self.counts.setdefault(at, Counts())
        self._base[at] = max(self._base.get(at, 0), offset)
        self._from[at] = min(self._from.get(at, offset), offset if came is None else came)

    def ranges(
        self, outcomes: Mapping[Partition, Outcomes], moved: Callable[[], None] = lambda: None
    ) -> tuple[Range, ...]:
        """
        Of each partition what was covered, what is unknown and what is lost, in order.

        Args:
            outcomes: What came of it, by partition.
            moved: Called for each bucket of offsets: millions take seconds.
        """
        found = [
            Range(topic=one.topic, partition=one.partition, first=one.first, end=one.end, lost=True)
            for one in self._lost
            if one.first < one.end
        ]
        for at, counts in self.counts.items():
            found += _covered(at, counts, outcomes.get(at, Outcomes()), moved)
            found += self._unknown(at, counts)
        return tuple(sorted(found, key=lambda one: (one.topic, one.partition, one.first, one.end)))

    def _unknown(self, at: Partition, counts: Counts) -> Iterator[Range]:
        known = (run for bucket in counts.buckets() for run in counts.runs(bucket))
        for first, end in _gaps(known, self._from[at], self._base[at]):
            yield Range(topic=at[0], partition=at[1], first=first, end=end, unknown=True)


def _gaps(known: Iterator[Run], first: int, end: int) -> Iterator[tuple[int, int]]:
    """Between two offsets, what no run is about."""
    for run in known:
        if run.first >= end:
            break
        if run.first > first:
            yield first, run.first
        first = max(first, run.first + run.length)
    if first < end:
        yield first, end


@dataclass(slots=True)
class _Sums:
    """Of one partition, as they grow."""

    first: int | None = None
    end: int = 0
    events: int = 0
    matches: int = 0
    missed: int = 0
    surplus: int = 0
    replayed: int = 0
    states: list[int] = field(default_factory=lambda: [0, 0, 0, 0])  # delivered, pending, given up, dropped
    missing: list[Missing] = field(default_factory=list)
    extra: list[Extra] = field(default_factory=list)

    def run(self, run: Run) -> None:
        """So many events with so many matches each."""
        self.first = run.first if self.first is None else self.first
        self.end = run.first + run.length
        if run.matches != NO_RECORD:
            self.events += run.length
            self.matches += run.length * run.matches

    def event(self, offset: int, matches: int, states: tuple[int, int, int, int], replayed: int) -> None:
        """What came of one event."""
        for place, count in enumerate(states):
            self.states[place] += count
        self.replayed += replayed
        over = sum(states) - matches
        if over > 0:
            self.surplus += over
            if len(self.extra) < LISTED:
                self.extra.append(Extra(offset, over))
        elif over < 0:
            self.missed -= over
            if len(self.missing) < LISTED:
                self.missing.append(Missing(offset, -over, replayed))


def _covered(at: Partition, counts: Counts, outcomes: Outcomes, moved: Callable[[], None]) -> Iterator[Range]:
    sums = _Sums()
    for bucket in counts.buckets():
        moved()
        came = {offset: (states, replayed) for offset, states, replayed in outcomes.counted(bucket)}
        for run in counts.runs(bucket):
            sums.run(run)
            for offset in range(run.first, run.first + run.length) if run.matches > 0 or came else ():
                if run.matches <= 0 and offset not in came:
                    continue
                states, replayed = came.get(offset, ((0, 0, 0, 0), 0))
                sums.event(offset, max(run.matches, 0), states, replayed)
    if sums.first is None:
        return
    delivered, pending, gave_up, dropped = sums.states
    yield Range(
        topic=at[0], partition=at[1], first=sums.first, end=sums.end, events=sums.events, matches=sums.matches,
        delivered=delivered, pending=pending, gave_up=gave_up, dropped=dropped,
        missed=sums.missed, surplus=sums.surplus, replayed=sums.replayed,
        missing=tuple(sums.missing), extra=tuple(sums.extra),
    )  # fmt: skip
