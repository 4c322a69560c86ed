"""
What of a partition was settled since that was last told, and the records of relay.progress that tell it. Pure.

A run is so many offsets in a row with so many matches each. Offsets at which a reader of committed records finds
nothing (transaction markers, what was aborted or compacted away) are runs too: who counts what is covered must not take
them for records that nobody told of.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import orjson

from relay.pipeline.results import rfc3339

NO_RECORD = -1  # in place of matches
NEVER_MS = 2**63 - 1
RUNS = 4_000  # in one record: at most some 40 KiB, for no run of a busy partition takes ten characters
SPAN = 1 << 27  # offsets in one record: who reads it may take memory for them


class Run(NamedTuple):
    """Offsets in a row."""

    first: int
    length: int
    matches: int  # of each, or NO_RECORD


@dataclass(frozen=True, slots=True)
class Lost:
    """A range that the log no longer held when it was this group's turn to read it."""

    topic: str
    partition: int
    first: int
    end: int  # exclusive


class Covered:
    """What one ledger has settled since it was last asked: a few ints a record, whatever its fan-out."""

    __slots__ = ("_began_ms", "_runs")

    def __init__(self) -> None:
        self._began_ms = NEVER_MS
        self._runs: list[tuple[int, int, int]] = []

    def settled(self, offset: int, matches: int, began_ms: int) -> None:
        """Every delivery of it has its outcome; the first of them may have been written then."""
        self._runs.append((offset, 1, matches))
        if began_ms < self._began_ms:  # noqa: PLR1730  `min` costs a call more a record
            self._began_ms = began_ms

    def nothing(self, first: int, end: int) -> None:
        """There are no records from here to there."""
        self._runs.append((first, end - first, NO_RECORD))

    def taken(self) -> tuple[tuple[Run, ...], int]:
        """Since the last time: what was settled, and when the first outcome of it may have been written."""
        runs, began_ms = self._runs, self._began_ms
        self._runs, self._began_ms = [], NEVER_MS
        return joined(runs), began_ms


class Untold(Covered):
    """Of a ledger of which nothing is told: that of a delivery topic."""

    __slots__ = ()

    def settled(self, offset: int, matches: int, began_ms: int) -> None:
        """Nobody will ask."""

    def nothing(self, first: int, end: int) -> None:
        """Nor here."""


UNTOLD = Untold()


def joined(runs: Iterable[tuple[int, int, int]]) -> tuple[Run, ...]:
    """In the order of offsets, each as long as can be. None may overlap another."""
    out: list[Run] = []
    first = end = 0
    matches: int | None = None
    for start, count, each in sorted(runs):
        if start == end and each == matches:
            end += count
            continue
        if matches is not None:
            out.append(Run(first, end - first, matches))
        first, end, matches = start, start + count, each
    if matches is not None:
        out.append(Run(first, end - first, matches))
    return tuple(out)


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What is told of one partition, before a commit."""

    topic: str
    partition: int
    generation: int  # of the group; of two that tell of an offset the higher counts
    base: int  # every offset before it is settled
    end: int  # no offset from here on was ever told of when this was written
    began_ms: int  # no outcome of what is covered was written before
    runs: tuple[Run, ...]

    def then(self, later: "Told") -> "Told | None":
        """Both in one; None: they are not of one assignment, or both tell of some offset."""
        if (self.topic, self.partition, self.generation) != (later.topic, later.partition, later.generation):
            return None
        runs = sorted((*self.runs, *later.runs))
        if any(one.first + one.length > other.first for one, other in pairwise(runs)):
            return None
        began_ms = min(self.began_ms, later.began_ms)
        return Told(
            topic=self.topic, partition=self.partition, generation=self.generation,
            base=later.base, end=self.end, began_ms=began_ms, runs=joined(runs),
        )  # fmt: skip


def records(told: Told, *, now_ms: int, worker: str) -> Iterator[bytes]:
    """The values of the records that tell it, each bounded: RUNS, SPAN."""
    for runs in _split(told.runs):
        yield orjson.dumps(
            {
                "kind": "settled",
                "topic": told.topic,
                "partition": told.partition,
                "generation": told.generation,
                "base": told.base,
                "end": told.end,
                "first": runs[0].first,
                "runs": list(_pairs(runs)),
                "began": rfc3339(min(told.began_ms, now_ms)),
                "at": rfc3339(now_ms),
                "worker": worker,
            }
        )


def lost_record(lost: Lost, *, now_ms: int, worker: str) -> bytes:
    """The value of the record that tells it."""
    told = {
        "kind": "lost",
        "topic": lost.topic,
        "partition": lost.partition,
        "first": lost.first,
        "end": lost.end,
        "at": rfc3339(now_ms),
        "worker": worker,
    }
    return orjson.dumps(told)


def _split(runs: Sequence[Run]) -> Iterator[Sequence[Run]]:
    some: list[Run] = []
    for run in _short(runs):
        if some and (len(some) >= RUNS or run.first + run.length - some[0].first > SPAN):
            yield some
            some = []
        some.append(run)
    if some:
        yield some


def _short(runs: Iterable[Run]) -> Iterator[Run]:
    for first, count, matches in runs:
        for start in range(first, first + count, SPAN):
            yield Run(start, min(SPAN, first + count - start), matches)


def _pairs(runs: Sequence[Run]) -> Iterator[tuple[int, int | None]]:
    """(offsets, matches of each), from the first on; null matches: nothing is said of these."""
    end = runs[0].first
    for first, count, matches in runs:
        if first > end:
            yield first - end, None
        yield count, matches
        end = first + count
