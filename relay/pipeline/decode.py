"""
Bytes -> Event, or Delivery, or Malformed with its reason. Pure.

The body that is sent is what orjson makes of what it parsed, so it is JSON-equal to what the platform published. orjson
parses an integer beyond 64 bits as a float without a word; `_whole` catches that with one cheap look at the raw bytes.
"""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import orjson

from relay.errors import Malformed
from relay.model import (
    ACTIONS,
    EVENT_TYPES,
    EVERY_ACCOUNT,
    RESOURCE,
    Delivery,
    DeliveryId,
    Event,
    Headers,
    Record,
    Source,
    SubscriptionId,
    Trigger,
)

MAX_DEPTH = 64  # DESIGN.md section 5; a receiver's parser must not be broken by what we pass on
MAX_ID_BYTES = 256
FRAME = b"\x00"  # begins a Confluent frame; never JSON
FRAME_BYTES = 5  # that and a 4-byte schema id
MAX_HEADER_BYTES = 1024  # relay's own have a quarter of that; a record copies its headers to the next
MAX_TRACEPARENT_BYTES = 256  # W3C's has 55, and later versions may append
TIME_RAW_CHARACTERS = 64  # kept; what the platform writes has 33 at most
MAX_DIGITS = 19  # of a count, an offset or a time in a header: all of Kafka's 63 bits
_DELIVERY_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")  # it goes out as a header, and is signed with dots around it
_SIXTY_FOUR_BITS = range(-(2**63), 2**64)  # what orjson reads and writes as an integer
_DIGITS_TO_ZERO = bytes.maketrans(b"123456789", b"000000000")
_NINETEEN_DIGITS = b"0" * 19  # 2**63 has 19; fewer always fit


class Skipped:
    """A well-formed record that is not for relay: a tombstone, or of another resource or action."""


SKIPPED = Skipped()


def read_event(record: Record, *, max_bytes: int) -> Event | Skipped:
    """
    The event in a record of an events topic.

    Args:
        record: As it was read; a Confluent frame before the JSON is stripped.
        max_bytes: RELAY_MAX_EVENT_BYTES; holds for the raw and for the serialised form.

    Raises:
        Malformed: The bytes are no event; the message is the reason.
    """
    if record.value is None:
        return SKIPPED
    source = Source(record.topic, record.partition, record.offset)
    value = _object(record.value, max_bytes)
    resource, action = value.get("resource"), value.get("action")
    if not isinstance(resource, str) or not isinstance(action, str):
        raise Malformed("resource and action must be strings")
    if resource != RESOURCE or action not in ACTIONS:
        return SKIPPED
    body = bytes(memoryview(orjson.dumps(value)))  # a copy: the original keeps the buffer it grew in, 4 kB for 1.2
    if len(body) > max_bytes:
        raise Malformed(f"serialised it is over {max_bytes} bytes")
    return _event(value, body, source, _traceparent(dict(record.headers).get("traceparent")))


def read_delivery(record: Record, *, max_bytes: int) -> Delivery:
    """
    The delivery in a record of a delivery topic: the body byte for byte, everything else from its headers.

    Raises:
        Malformed: It was not written by relay, or not whole, or its event is not the account's that it is for,
            whoever redelivers or replays; the message is the reason.
    """
    headers = dict(record.headers)
    if record.value is None:
        raise Malformed("a delivery without a body")
    if record.value.startswith(FRAME):
        raise Malformed("a delivery's body is sent as it is, so it has no frame")
    try:
        event = _event(
            _object(record.value, max_bytes),
            record.value,
            _source(_text(headers.get("relay-source"))),
            _text(headers.get("traceparent")),
        )
        if event.type not in EVENT_TYPES:
            raise Malformed("a delivery of no event that relay sends")
        account_id = _required(headers, "relay-account-id")
        if account_id not in (EVERY_ACCOUNT, event.account_id):
            raise Malformed("a delivery of one account's event to another's subscription")
        return Delivery(
            id=_delivery_id(_required(headers, "relay-delivery-id")),
            event=event,
            subscription_id=SubscriptionId(_required(headers, "relay-subscription-id")),
            account_id=account_id,
            incarnation=_required(headers, "relay-incarnation"),
            matched_ms=_whole_number(_required(headers, "relay-matched-ms")),
            attempt=_whole_number(_required(headers, "relay-attempt"), least=1),
            deferrals=_whole_number(_required(headers, "relay-deferrals")),
            trigger=Trigger(_required(headers, "relay-trigger")),
            run_id=_text(headers.get("relay-run-id")),
        )
    except (ValueError, UnicodeDecodeError) as error:
        raise Malformed(f"not a delivery of relay's: {error}") from error


def _object(raw: bytes, max_bytes: int) -> Mapping[str, Any]:
    if len(raw) > max_bytes:
        raise Malformed(f"over {max_bytes} bytes")
    if raw.startswith(FRAME):
        raw = raw[FRAME_BYTES:]
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise Malformed(f"not JSON: {str(error)[:200]}") from None
    if not isinstance(value, dict):
        raise Malformed(f"not a JSON object but {type(value).__name__}")
    if too_deep(raw, value):
        raise Malformed(f"nested deeper than {MAX_DEPTH}")
    if _NINETEEN_DIGITS in raw.translate(_DIGITS_TO_ZERO):
        _whole(raw)
    return value


def _whole(raw: bytes) -> None:
    """Every integer is one that orjson kept whole; asked only where 19 digits stand in a row, as in a long number."""

    def integer(digits: str) -> None:
        # 20 digits and a sign hold every 64-bit integer; int() refuses thousands of digits, so ask for the length first
        if len(digits) > len("-18446744073709551615") or int(digits) not in _SIXTY_FOUR_BITS:
            raise Malformed("an integer beyond 64 bits")

    try:
        json.loads(raw, parse_int=integer)
    except RecursionError:  # what stands deep may be gone from the value: under a key that comes again
        raise Malformed(f"nested deeper than {MAX_DEPTH}") from None


def too_deep(raw: bytes, value: object) -> bool:
    """Whether a JSON value is nested deeper than MAX_DEPTH; the bytes that it was read from mostly tell at once."""
    if raw.count(b"{") + raw.count(b"[") <= MAX_DEPTH:
        return False
    level: list[object] = [value]
    for _ in range(MAX_DEPTH):
        level = [
            child
            for parent in level
            for child in (parent.values() if isinstance(parent, dict) else parent if isinstance(parent, list) else ())
            if isinstance(child, (dict, list))
        ]
        if not level:
            return False
    return True


def _event(value: Mapping[str, Any], body: bytes, source: Source | None, traceparent: str | None) -> Event:
    lead = value.get("lead")
    if not isinstance(lead, dict):
        raise Malformed("lead must be an object")
    lead_id = _id(value.get("resource_id"), "resource_id")
    account_id = _id(lead.get("account_id"), "lead.account_id")
    bot_id, version, stamp = lead.get("bot_id"), value.get("resource_version"), value.get("time_stamp")
    return Event(
        body=body,
        body_sha256=sha256(body).hexdigest(),
        type=f"{value.get('resource')}.{value.get('action')}",
        account_id=account_id,
        lead_id=lead_id,
        bot_id=bot_id if isinstance(bot_id, str) else None,
        resource_version=version if isinstance(version, int) and not isinstance(version, bool) else None,
        time=normalised_time(stamp) if isinstance(stamp, str) else None,
        time_raw=stamp[:TIME_RAW_CHARACTERS] if isinstance(stamp, str) else None,
        source=source,
        traceparent=traceparent,
    )


def _id(value: object, name: str) -> str:
    if not isinstance(value, str) or not 1 <= len(value.encode()) <= MAX_ID_BYTES:
        raise Malformed(f"{name} must be a string of 1 to {MAX_ID_BYTES} bytes")
    return value


def normalised_time(text: str) -> str | None:
    """
    RFC 3339 UTC with milliseconds; without a zone it is UTC. None when it cannot be read.

    >>> normalised_time("2019-06-07T23:09:40.8186038Z")
    '2019-06-07T23:09:40.818Z'
    """
    try:
        moment = datetime.fromisoformat(text)
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _source(text: str | None) -> Source | None:
    if text is None:
        return None
    topic, partition, offset = text.rsplit("/", 2)
    return Source(topic, _whole_number(partition), _whole_number(offset))


def _text(raw: bytes | None) -> str | None:
    if raw is not None and len(raw) > MAX_HEADER_BYTES:
        raise ValueError(f"a header of over {MAX_HEADER_BYTES} bytes")
    return None if raw is None else raw.decode()


def _traceparent(raw: bytes | None) -> str | None:
    """Another's header: one that cannot be read or is too long is no reason to lose an event: it is as good as none."""
    if raw is None or len(raw) > MAX_TRACEPARENT_BYTES:
        return None
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return None


def _required(headers: Mapping[str, bytes | None], name: str) -> str:
    text = _text(headers.get(name))  # a header of Kafka's may be null
    if text is None:
        raise ValueError(f"header {name} is missing")
    return text


def _delivery_id(text: str) -> DeliveryId:
    if not _DELIVERY_ID.fullmatch(text):
        raise ValueError("relay-delivery-id is none")
    return DeliveryId(text)


def _whole_number(text: str, *, least: int = 0) -> int:
    """As relay writes it: digits and nothing else, where int() takes signs, spaces and underscores too."""
    if not (text.isascii() and text.isdigit() and len(text) <= MAX_DIGITS and int(text) >= least):
        raise ValueError(f"{text[:MAX_DIGITS]!r} is not a whole number from {least}")
    return int(text)


def delivery_headers(delivery: Delivery) -> Headers:
    """What `read_delivery` reads back; never a URL, never a secret."""
    pairs = [
        ("relay-delivery-id", delivery.id),
        ("relay-subscription-id", delivery.subscription_id),
        ("relay-attempt", str(delivery.attempt)),
        ("relay-deferrals", str(delivery.deferrals)),
        ("relay-matched-ms", str(delivery.matched_ms)),
        ("relay-source", str(delivery.event.source) if delivery.event.source else None),
        ("relay-event-type", delivery.event.type),
        ("relay-account-id", delivery.account_id),
        ("relay-incarnation", delivery.incarnation),
        ("relay-run-id", delivery.run_id),
        ("relay-trigger", delivery.trigger.value),
        ("traceparent", delivery.event.traceparent),
    ]
    return tuple((name, text.encode()) for name, text in pairs if text is not None)
