"""
Matches by offset, as the records of relay.progress tell them. Pure.

Of several that tell of an offset the highest generation counts, and of one generation the latest: whoever had the
partition last read the record last. Eight bytes an offset, and none for long runs of the same.
"""

from array import array
from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from relay.instants import epoch_ms
from relay.pipeline.covered import NO_RECORD, RUNS, SPAN, Lost, Run, Told

BITS = 12
BUCKET = 1 << BITS  # offsets that are kept together: as an array, or as one number where all are alike
MOST_BYTES = 1 << 20  # of a record: no worker writes a tenth of that
MOST = 2**31  # generations, partitions, matches
LAST = 2**62  # offsets
_GENERATION = 32  # bits to the left of the matches
_MATCHES = (1 << _GENERATION) - 1
_KNOWN = 2  # is added to the matches: 0 is nothing known, 1 no record


def read(value: bytes | None) -> Told | Lost | None:
    """What a record tells; None: it is none of relay's. Never raises, whatever the bytes."""
    if not value or len(value) > MOST_BYTES:
        return None
    try:
        told = orjson.loads(value)
        if not isinstance(told, dict):
            return None
        return _lost(told) if told.get("kind") == "lost" else _settled(told) if told.get("kind") == "settled" else None
    except (KeyError, TypeError, ValueError):
        return None


def _lost(told: Mapping[str, Any]) -> Lost:
    topic, partition, first = _text(told["topic"]), _number(told["partition"], MOST), _number(told["first"], LAST)
    return Lost(topic, partition, first, _number(told["end"], LAST))


def _settled(told: Mapping[str, Any]) -> Told:
    pairs = told["runs"]
    if not isinstance(pairs, list) or not 0 < len(pairs) <= 2 * RUNS:
        raise ValueError("too many runs, or none")
    first = at = _number(told["first"], LAST)
    runs = []
    for count, matches in pairs:
        if matches is not None:
            runs.append(Run(at, _number(count, SPAN, least=1), _number(matches, MOST - _KNOWN - 1, least=NO_RECORD)))
        at += _number(count, LAST)
        if at - first > SPAN:
            raise ValueError("too wide")
    return Told(
        topic=_text(told["topic"]),
        partition=_number(told["partition"], MOST),
        generation=_number(told["generation"], MOST - 2),
        base=_number(told["base"], LAST),
        end=_number(told["end"], LAST),
        began_ms=epoch_ms(told["began"]),
        runs=tuple(runs),
    )


def _number(value: object, most: int, *, least: int = 0) -> int:
    if type(value) is not int or not least <= value <= most:
        raise ValueError(f"{value!r} is no such number")
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


class Counts:
    """Of one partition."""

    def __init__(self) -> None:
        self._buckets: dict[int, int | array[int]] = {}

    def paint(self, run: Run, generation: int) -> None:
        """This is told of these offsets, after everything that was told before."""
        value = (generation + 1) << _GENERATION | run.matches + _KNOWN
        end = run.first + run.length
        for bucket in range(run.first >> BITS, (end - 1 >> BITS) + 1):
            start = bucket << BITS
            self._paint(bucket, max(run.first - start, 0), min(end - start, BUCKET), value)

    def _paint(self, bucket: int, first: int, end: int, value: int) -> None:
        there, beyond = self._buckets.get(bucket, 0), value | _MATCHES
        if isinstance(there, int):
            if there > beyond:
                return
            if end - first == BUCKET:
                self._buckets[bucket] = value
                return
            there = self._buckets[bucket] = array("Q", [there]) * BUCKET
        if max(there[first:end]) <= beyond:
            there[first:end] = array("Q", [value]) * (end - first)
            return
        for place in range(first, end):
            if there[place] <= beyond:
                there[place] = value

    def buckets(self) -> Iterator[int]:
        """Those of which anything is known, in order."""
        yield from sorted(self._buckets)

    def runs(self, bucket: int) -> Iterator[Run]:
        """What is known of its offsets, in order; of those that are left out nothing is."""
        there, start = self._buckets[bucket], bucket << BITS
        if isinstance(there, int):
            yield Run(start, BUCKET, (there & _MATCHES) - _KNOWN)
            return
        first, before = 0, there[0] & _MATCHES
        for place in range(1, BUCKET + 1):
            now = there[place] & _MATCHES if place < BUCKET else -1
            if now != before:
                if before:
                    yield Run(start + first, place - first, before - _KNOWN)
                first, before = place, now
