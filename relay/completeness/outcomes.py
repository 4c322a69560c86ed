"""
The newest verdict of every delivery of one partition of an events topic, in 16 bytes each. Pure.

A delivery is one by its id, however often it was tried, sent again or replayed. Whether it was matched is known by its
trigger: of one that only a redelivery or replay has made nobody has told a match.
"""

from array import array
from collections.abc import Iterator, Mapping
from enum import IntEnum
from typing import NamedTuple

import orjson

from relay.completeness.counts import BITS, BUCKET, LAST, MOST

SOME = 4_096  # entries of a bucket that are kept before those of one delivery are made one
MOST_BYTES = 16 << 20  # of a record: no broker's topic takes as much
_TIME_BITS, _STATE_BITS = 44, 3  # milliseconds until the year 2527
_EVENT = 1 << _STATE_BITS
_BELOW_TIME = _STATE_BITS + 1
_PLACE = _TIME_BITS + _BELOW_TIME
_TIME = ((1 << _TIME_BITS) - 1) << _BELOW_TIME


class State(IntEnum):
    """How a delivery stands."""

    DELIVERED = 0
    PENDING = 1
    GAVE_UP = 2
    DROPPED = 3


# A verdict of a newer relay is an outcome too, and not known to be the last.
_STATES = {"delivered": State.DELIVERED, "gave_up": State.GAVE_UP, "dropped": State.DROPPED}


class Outcome(NamedTuple):
    """What one record tells of a delivery."""

    topic: str
    partition: int
    offset: int  # of its event
    delivery_id: str
    state: State
    event: bool  # triggered by the event itself


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
        topic, partition, offset = result["event_topic"], result["event_partition"], result["event_offset"]
        ident, verdict, trigger = result["delivery_id"], result["verdict"], result["trigger"]
    except (KeyError, TypeError, ValueError, AttributeError):
        return UNREADABLE
    return _outcome(topic, partition, offset, ident, _STATES.get(str(verdict), State.PENDING), event=trigger == "event")


def buried(headers: Mapping[str, bytes]) -> Outcome | Unreadable | None:
    """
    What the headers of a dead letter tell: of a delivery in which something of relay's own failed it is the only
    outcome. Of any other there is a result, and None here.
    """
    if headers.get("relay-reason") != b"internal_error" or "relay-source" not in headers:
        return None
    topic, _, rest = headers["relay-source"].decode(errors="replace").rpartition("/")
    topic, _, partition = topic.rpartition("/")
    ident = headers.get("relay-delivery-id", b"").decode(errors="replace")
    if not partition.isascii() or not partition.isdigit() or not rest.isascii() or not rest.isdigit():
        return UNREADABLE
    event = headers.get("relay-trigger", b"event") == b"event"
    return _outcome(topic, int(partition), int(rest), ident, State.GAVE_UP, event=event)


def _outcome(
    topic: object, partition: object, offset: object, ident: object, state: State, *, event: bool
) -> Outcome | Unreadable:
    if not isinstance(topic, str) or not isinstance(ident, str) or len(ident) > 256:  # noqa: PLR2004  as of any id
        return UNREADABLE
    if not isinstance(partition, int) or not isinstance(offset, int):
        return UNREADABLE
    if not 0 <= partition <= MOST or not 0 <= offset <= LAST:
        return UNREADABLE
    return Outcome(topic, partition, offset, ident, state, event)


class Outcomes:
    """Of one partition: added in the order of their log, counted by offset."""

    def __init__(self) -> None:
        self._buckets: dict[int, array[int]] = {}
        self._small: dict[int, int] = {}  # how many numbers each had when it was last made small

    def add(self, one: Outcome, at_ms: int) -> None:
        """
        Args:
            one: What was read.
            at_ms: When it was written; of two that were written at once the later read counts.
        """
        bucket = one.offset >> BITS
        some = self._buckets.get(bucket)
        if some is None:
            some = self._buckets[bucket] = array("Q")
            self._small[bucket] = SOME
        some.append(_short(one.delivery_id))
        time = min(max(at_ms, 0), (1 << _TIME_BITS) - 1) << _BELOW_TIME
        some.append((one.offset & BUCKET - 1) << _PLACE | time | (_EVENT if one.event else 0) | one.state)
        if len(some) >= 2 * self._small[bucket]:
            self._buckets[bucket] = small = array("Q")
            for (ident, _), told in _newest(some).items():
                small.extend((ident, told))
            self._small[bucket] = max(len(small), SOME)

    def counted(self, bucket: int) -> Iterator[tuple[int, tuple[int, int, int, int], int]]:
        """Of each offset in it that has any: (offset, deliveries by `State`, those that only replays have made)."""
        counts: dict[int, list[int]] = {}
        for (_, place), told in _newest(self._buckets.get(bucket, array("Q"))).items():
            own = counts.setdefault(place, [0, 0, 0, 0, 0])
            own[told & _EVENT - 1 if told & _EVENT else len(State)] += 1
        for place, (delivered, pending, gave_up, dropped, replayed) in sorted(counts.items()):
            yield (bucket << BITS) + place, (delivered, pending, gave_up, dropped), replayed


def _newest(some: "array[int]") -> dict[tuple[int, int], int]:
    """By delivery, (short id, place): the newest that was told, and whether an event ever triggered it."""
    newest: dict[tuple[int, int], int] = {}
    for at in range(0, len(some), 2):
        ident, told = some[at], some[at + 1]
        key = (ident, told >> _PLACE)
        before = newest.get(key)
        if before is not None:
            event = (before | told) & _EVENT
            told = (told if told & _TIME >= before & _TIME else before) | event
        newest[key] = told
    return newest


def _short(ident: str) -> int:
    """64 bits of it: two deliveries of one event meet once in 10^19 pairs."""
    try:
        return int(ident[4:20], 16)
    except ValueError:  # none of relay's own making
        return int.from_bytes(ident.encode(errors="replace")[-8:], "big")
