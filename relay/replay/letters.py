"""
A record of the dead letters -> what is told of it; pages of them, newest first, out of several partitions. Pure.

Partitions are merged by time. Times of one partition may run backwards a little, as producers' clocks do; a partition's
own order is its offsets', so a page passes over nothing and repeats nothing whatever its times are.
"""

import re
from base64 import b64encode, urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from relay.instants import LATEST_MS
from relay.model import Record
from relay.pipeline.results import rfc3339

MAX_CURSOR = 64 * 1024  # characters; some 3,000 partitions
_TEXT = 1024  # characters of a header that are told
_NUMBER = re.compile(r"[0-9]{1,19}")


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """What was given up, or could not be read."""

    partition: int
    offset: int
    at_ms: int  # of a time that can be written, whatever its record says
    reason: str
    malformed: bool  # it can only be exported
    delivery_id: str | None
    subscription_id: str | None
    account_id: str | None  # the subscription's; None: nobody's but an operator's
    event_type: str | None
    attempt: int | None  # the last that was made
    trigger: str | None
    source: str | None  # topic/partition/offset of the event, or of what could not be read
    size: int  # bytes, before it was cut to fit its topic
    truncated: bool  # it was
    value: bytes = field(repr=False)  # in a page its beginning; personal data


def letter(record: Record, *, keep: int | None = None) -> DeadLetter:
    """What this record tells; of its value `keep` bytes, or all. Never raises: headers may be anything."""
    headers = {name: _text(value) for name, value in record.headers}
    value = record.value or b""
    delivery_id = headers.get("relay-delivery-id")
    full = headers.get("relay-full-bytes")
    return DeadLetter(
        partition=record.partition,
        offset=record.offset,
        at_ms=min(max(0, record.timestamp), LATEST_MS),
        reason=headers.get("relay-reason") or "unknown",
        malformed=delivery_id is None,
        delivery_id=delivery_id,
        subscription_id=headers.get("relay-subscription-id"),
        account_id=headers.get("relay-account-id") if delivery_id is not None else None,
        event_type=headers.get("relay-event-type"),
        attempt=_number(headers.get("relay-attempt")),
        trigger=headers.get("relay-trigger"),
        source=headers.get("relay-source"),
        size=_number(full) or len(value),
        truncated=full is not None,
        value=value if keep is None else value[:keep],
    )


@dataclass(frozen=True, slots=True)
class Looked:
    """What was read of one partition, newest first: letters, or None for what is not shown; and where it begins."""

    seen: Sequence[tuple[int, int, DeadLetter | None]]  # offset, time, letter
    low: int  # the lowest offset that was looked at
    begin: int  # the log's first


def newest(looked: Mapping[int, Looked], most: int) -> tuple[list[DeadLetter], dict[int, int]]:
    """
    The newest of what was read, `most` at most, and where each partition's next page ends.

    Nothing older than what a partition may still hold unread is taken: it would come out of turn.
    """
    horizon = max((_oldest(one) for one in looked.values() if one.low > one.begin), default=-1)
    ends = {number: (one.seen[0][0] + 1 if one.seen else one.low) for number, one in looked.items()}
    lined = [
        (at, number, offset, one)
        for number, there in looked.items()
        for (offset, _, one), at in zip(there.seen, _falling([at for _, at, _ in there.seen]), strict=True)
        if at >= horizon
    ]
    letters: list[DeadLetter] = []
    for _, number, offset, one in sorted(lined, key=lambda each: each[:3], reverse=True):
        if len(letters) >= most:
            break
        ends[number] = offset
        if one is not None:
            letters.append(one)
    for number, there in looked.items():
        if there.seen and ends[number] == there.seen[-1][0]:
            ends[number] = there.low  # between the two there is nothing
    return letters, ends


def _oldest(looked: Looked) -> int:
    return min((at for _, at, _ in looked.seen), default=-1)


def _falling(times: Sequence[int]) -> list[int]:
    """Each no later than the one before: the order of the log goes before that of clocks."""
    falling: list[int] = []
    for at in times:
        falling.append(min(at, falling[-1]) if falling else at)
    return falling


def cursor_of(ends: Mapping[int, int]) -> str:
    """Asks for what lies before these offsets."""
    return urlsafe_b64encode(orjson.dumps([[number, end] for number, end in sorted(ends.items())])).decode()


def opened(cursor: str) -> dict[int, int] | None:
    """The offsets of a cursor; None: it is none. Never raises, whatever a caller has made up."""
    try:
        pairs = orjson.loads(urlsafe_b64decode(cursor)) if len(cursor) <= MAX_CURSOR else None
    except ValueError:
        return None
    if type(pairs) is not list or not all(type(one) is list and [type(n) for n in one] == [int, int] for one in pairs):
        return None
    return {number: end for number, end in pairs if number >= 0 and end >= 0}


def _text(raw: bytes | None) -> str:
    return (raw or b"")[:_TEXT].decode("utf-8", "replace")


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and _NUMBER.fullmatch(text) else None


def shown(one: DeadLetter) -> dict[str, Any]:
    """As JSON has it; a value that is no UTF-8 is base64, and says so."""
    try:
        value, encoding = one.value.decode(), None
    except UnicodeDecodeError:
        value, encoding = b64encode(one.value).decode(), "base64"
    return {
        "place": f"{one.partition}/{one.offset}",
        "at": rfc3339(one.at_ms),
        "reason": one.reason,
        "malformed": one.malformed,
        "delivery_id": one.delivery_id,
        "subscription_id": one.subscription_id,
        "account_id": one.account_id,
        "event_type": one.event_type,
        "attempt": one.attempt,
        "trigger": one.trigger,
        "source": one.source,
        "bytes": one.size,
        "truncated": one.truncated,
        "value": value,
        "value_encoding": encoding,
    }


def place(text: str) -> tuple[int, int]:
    """
    Partition and offset, as `shown` writes them.

    >>> place("3/1042")
    (3, 1042)

    Raises:
        ValueError: It is none; the message is the rule.
    """
    partition, slash, offset = text.partition("/")
    if not slash or not (_NUMBER.fullmatch(partition) and _NUMBER.fullmatch(offset)):
        raise ValueError("must be a partition and an offset, as in 3/1042")
    return int(partition), int(offset)
