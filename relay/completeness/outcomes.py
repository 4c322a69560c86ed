"""
The newest verdict of every delivery of one partition of an events topic, in 16 bytes each. Pure.

A delivery is one by its id, however often it was tried, sent again or replayed. Whether it was matched is known by its
trigger: of one that only a redelivery or replay has made nobody has told a match.
"""

from array import array
from collections.abc import Iterator, Mapping
from enum import IntEnum
from typing import Any, NamedTuple
from zlib import crc32

import orjson

from relay.completeness.counts import BITS, BUCKET, LAST, MOST
from relay.instants import epoch_ms

SOME = 4_096  # numbers of a bucket that are kept before those of one delivery are made one
MOST_BYTES = 16 << 20  # of a record: no broker's topic takes as much
ID_BYTES = 256  # as of any id
# What is told in one number, from the left: place in the bucket, run, event, time, turn, state.
_STATE_BITS, _TURN_BITS, _TIME_BITS = 2, 14, 34
_SHORT = (1 << 64) - 1
_TICK_MS, _EPOCH_MS = 64, 1_577_836_800_000  # of 2020: as 34 bits, until 2054
_TURN, _TIME = _STATE_BITS, _STATE_BITS + _TURN_BITS
_EVENT = 1 << _TIME + _TIME_BITS
_RUN = _EVENT << 1
_PLACE = _TIME + _TIME_BITS + 2


class State(IntEnum):
    """How a delivery stands; of two that tell of the same turn, as after a crash, the higher counts."""

    PENDING = 0
    DROPPED = 1
    GAVE_UP = 2
    DELIVERED = 3


# A verdict of a newer relay is an outcome too, and not known to be the last.
_STATES = {"delivered": State.DELIVERED, "gave_up": State.GAVE_UP, "dropped": State.DROPPED}


class Outcome(NamedTuple):
    """What one record tells of a delivery."""

    topic: str
    partition: int
    offset: int  # of its event
    delivery_id: str
    state: State
    turn: int  # rises with each attempt and each deferral
    began_ms: int
    event: bool  # triggered by the event itself
    run: bool  # of a redelivery or replay, whose turns begin anew


class Unreadable:
    """It is none of relay's."""


UNREADABLE = Unreadable()


def read(value: bytes | None) -> Outcome | Unreadable | None:
    """
    What a result tells; None: nothing that is counted. A test send has no event, and where a record stands twice its
    second copy is superseded: it ends there, and the delivery goes on with the first.

    Never raises, whatever the bytes.
    """
    if not value or len(value) > MOST_BYTES:
        return UNREADABLE
    try:
        result = orjson.loads(value)
        if result["event_topic"] is None or result.get("reason") == "superseded":
            return None
        return _checked(
            Outcome(
                topic=result["event_topic"],
                partition=result["event_partition"],
                offset=result["event_offset"],
                delivery_id=result["delivery_id"],
                state=_STATES.get(str(result["verdict"]), State.PENDING),
                turn=result["attempt"] + result["deferrals"],
                began_ms=epoch_ms(result["started_at"]),
                event=result["trigger"] == "event",
                run=result.get("run_id") is not None,
            )
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        return UNREADABLE


def buried(headers: Mapping[str, bytes], written_ms: int) -> Outcome | Unreadable | None:
    """
    What the headers of a dead letter tell: of a delivery in which something of relay's own failed it is the only
    outcome. Of any other there is a result, and None here.
    """
    if headers.get("relay-reason") != b"internal_error":
        return None
    try:
        topic, partition, offset = headers["relay-source"].decode().rsplit("/", 2)
        return _checked(
            Outcome(
                topic=topic,
                partition=int(partition),
                offset=int(offset),
                delivery_id=headers["relay-delivery-id"].decode(),
                state=State.GAVE_UP,
                turn=int(headers["relay-attempt"]) + int(headers.get("relay-deferrals", b"0")),
                began_ms=written_ms,
                event=headers.get("relay-trigger", b"event") == b"event",
                run="relay-run-id" in headers,
            )
        )
    except (KeyError, ValueError):
        return UNREADABLE


def _checked(one: Any) -> Outcome | Unreadable:  # noqa: ANN401  an Outcome, if its parts are what they should be
    if not isinstance(one.topic, str) or not isinstance(one.delivery_id, str) or len(one.delivery_id) > ID_BYTES:
        return UNREADABLE
    if not all(isinstance(number, int) for number in (one.partition, one.offset, one.turn)):
        return UNREADABLE
    if not 0 <= one.partition <= MOST or not 0 <= one.offset <= LAST:
        return UNREADABLE
    known: Outcome = one
    return known


class Outcomes:
    """Of one partition, counted by offset."""

    def __init__(self) -> None:
        self._buckets: dict[int, array[int]] = {}
        self._small: dict[int, int] = {}  # how many numbers each had when it was last made small

    def add(self, one: Outcome) -> None:
        """Of those of one delivery that the event triggered, the last turn counts; beside a run's, what began last."""
        bucket = one.offset >> BITS
        some = self._buckets.get(bucket)
        if some is None:
            some = self._buckets[bucket] = array("Q")
            self._small[bucket] = SOME
        ticks = min(max((one.began_ms - _EPOCH_MS) // _TICK_MS, 0), (1 << _TIME_BITS) - 1)
        turn = min(max(one.turn, 0), (1 << _TURN_BITS) - 1)
        told = (one.offset & BUCKET - 1) << _PLACE | ticks << _TIME | turn << _TURN | one.state
        some.extend((_short(one.delivery_id), told | _EVENT * one.event | _RUN * one.run))
        if len(some) >= 2 * self._small[bucket]:
            self._buckets[bucket] = small = array("Q")
            for (ident, _), told in _newest(some).items():
                small.extend((ident, told))
            self._small[bucket] = max(len(small), SOME)

    def counted(self, bucket: int) -> Iterator[tuple[int, tuple[int, int, int, int], int]]:
        """Of each offset in it: (offset, (delivered, pending, given up, dropped), those of replays alone)."""
        counts: dict[int, list[int]] = {}
        for (_, place), told in _newest(self._buckets.get(bucket, array("Q"))).items():
            own = counts.setdefault(place, [0, 0, 0, 0, 0])
            own[told & (1 << _STATE_BITS) - 1 if told & _EVENT else len(State)] += 1
        for place, (pending, dropped, gave_up, delivered, replayed) in sorted(counts.items()):
            yield (bucket << BITS) + place, (delivered, pending, gave_up, dropped), replayed


def _newest(some: "array[int]") -> dict[tuple[int, int], int]:
    """By delivery, (short id, place): the newest that was told, and whether an event ever triggered it."""
    newest: dict[tuple[int, int], int] = {}
    for at in range(0, len(some), 2):
        ident, told = some[at], some[at + 1]
        key = (ident, told >> _PLACE)
        before = newest.get(key)
        if before is not None:
            seen = (before | told) & _EVENT
            by = _RUN - 1 - _EVENT if (before | told) & _RUN else (1 << _TIME) - 1
            told = (told if told & by >= before & by else before) | seen
        newest[key] = told
    return newest


def _short(ident: str) -> int:
    """64 bits of it: two deliveries of one event meet once in 10^19 pairs."""
    try:
        return int(ident[4:20], 16) & _SHORT
    except ValueError:  # none of relay's own making
        return crc32(ident.encode(errors="replace"))
