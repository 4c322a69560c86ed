"""
What is fuzzed: each target takes any bytes, and fails when a reader of ours breaks its word on them.

None needs a fuzzer: the gate feeds them the seeds that are kept, `tests.fuzz` as many bytes as it has minutes.
"""

import json
import zlib
from base64 import b64encode
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import orjson

from relay.errors import Invalid, Malformed
from relay.model import Event
from relay.pipeline.decode import MAX_DEPTH, delivery_headers, read_delivery, read_event
from relay.pipeline.deliver import callable_url
from relay.pipeline.filters import compile_filter
from relay.pipeline.match import Index, endpoint
from relay.pipeline.settled import VERSION, Settled
from relay.pipeline.settled import decode as load_map
from relay.pipeline.settled import encode as write_map
from relay.store.codec import alike, encode, stored
from relay.store.codec import decode as read_subscription
from relay.store.edits import Unreadable
from relay.store.subscriptions import fold
from relay.urls import normalise
from tests.builders import a_delivery, a_record, a_value, an_event

MAX_BYTES = 4096  # of an event here: the rules are the same, and the fuzzer is faster for it
BOTH = frozenset({"http", "https"})
EVENTS: tuple[Mapping[str, Any], ...] = (a_value(), a_value(data={"a": [1, True, "b", {"c": None}], "b": {"c": 0.5}}))


def event(data: bytes) -> None:
    """A record of the events topic is an event whose body says the same, is skipped, or is malformed."""
    with suppress(Malformed):
        read = read_event(a_record(data), max_bytes=MAX_BYTES)
        if isinstance(read, Event):
            _is_sound(read, data[5:] if data[:1] == b"\0" else data)


def _is_sound(read: Event, raw: bytes) -> None:
    assert len(read.body) <= MAX_BYTES
    with suppress(RecursionError):  # of what a later key has replaced, which only the standard library takes so hard
        assert json.loads(read.body) == json.loads(raw), "the body says something else"
    assert read.type in {"lead.created", "lead.updated", "lead.completed"}
    assert all(1 <= len(one.encode()) <= 256 for one in (read.lead_id, read.account_id))
    assert _depth(json.loads(read.body)) <= MAX_DEPTH


def _depth(value: object) -> int:
    deep, level = 0, [value]
    while level:
        deep += any(isinstance(one, dict | list) for one in level)
        level = [
            inner
            for one in level
            for inner in (one.values() if isinstance(one, dict) else one if isinstance(one, list) else ())
        ]
    return deep


def delivery(data: bytes) -> None:
    """A record of a delivery topic, some of its headers anything, is a delivery that is written as it was, or none."""
    there = dict[str, bytes | None](delivery_headers(a_delivery()))
    names = sorted([*there, "relay-run-id", "traceparent"])
    count, rest = (data[0] % 4, data[1:]) if data else (0, b"")
    for _ in range(count):
        place, size, rest = (*rest[:2], rest[2:]) if len(rest) > 1 else (0, 0, b"")
        there[names[place % len(names)]] = rest[:size] if size < 255 else None
        rest = rest[size if size < 255 else 0 :]
    body = rest or an_event().body
    with suppress(Malformed):
        read = read_delivery(a_record(body, headers=tuple(there.items())), max_bytes=MAX_BYTES)
        again = a_record(read.event.body, headers=delivery_headers(read))
        assert read == read_delivery(again, max_bytes=MAX_BYTES)
        assert "\n" not in read.id
        assert read.account_id in ("*", read.event.account_id)


def filter(data: bytes) -> None:  # noqa: A001  the record's own word
    """JSON is a filter that answers every event, its opposite the opposite, or it is refused."""
    try:
        written = orjson.loads(data)
    except orjson.JSONDecodeError:
        return
    with suppress(Invalid):
        wants = compile_filter(written)
        for value in (*EVENTS, *([written] if isinstance(written, dict) else [])):
            answer = wants(value)
            assert answer in (True, False)
            with suppress(Invalid):  # one deeper, or two bytes more
                assert compile_filter({"$not": written})(value) is not answer


def subscription(data: bytes) -> None:
    """A record of the subscriptions topic can be written again and matched with, or is told as unreadable."""
    key, _, value = data.partition(b"\n")
    folded = fold([a_record(value, key=key), a_record(value, key=key)], {})
    with suppress(Malformed):
        read = read_subscription(key, value)
        assert alike(stored(read), stored(read_subscription(key, encode(read))))
        assert not any(isinstance(one, Unreadable) for one in folded.values())
        index = Index()
        index.put(endpoint(read, signer=None, headers={}))
        index.put(endpoint(read, signer=None, headers={}))
        for one in EVENTS:
            list(index.match(an_event(one)))
        index.remove(read.id)
        assert 0 == len(index)
        assert not index._buckets


def metadata(data: bytes) -> None:
    """A commit's metadata is a map that holds together, or none; whether its checksum is right or not."""
    if data[:1] < b"\x80":
        base, raw = int.from_bytes(data[1:3], "big"), bytes([VERSION]) + data[3:]
        text = b64encode(raw + zlib.crc32(raw).to_bytes(4, "big")).decode()
    else:
        base, text = 0, data[1:].decode("latin-1")
    told = load_map(text, base)
    if told is not None:
        assert base == told.base <= told.top
        assert sorted(set(told.open)) == list(told.open)
        assert all(base <= offset <= told.top for offset in told.open)
        assert told.walked.keys() <= set(told.open)
        _is_written_again(told)


def _is_written_again(told: Settled) -> None:
    text = write_map(told, bytes(8))
    again = load_map(text, told.base)
    assert again is None if text == "" else (again is not None and again.open == told.open)


def url(data: bytes) -> None:
    """What is written is a URL that stays as it is and can be called, or is refused."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return
    with suppress(Invalid):
        one = normalise(text, allow_http=True)
        assert one == normalise(one, allow_http=True)
        assert one.isascii()
        assert one.isprintable()
        assert callable_url(one, BOTH).raw_host


TARGETS: Mapping[str, Callable[[bytes], None]] = {
    "event": event,
    "delivery": delivery,
    "filter": filter,
    "subscription": subscription,
    "metadata": metadata,
    "url": url,
}
