"""
A verdict -> the records that tell it: a result always, then a delivery for later or a dead letter. Pure.

DESIGN.md section 6 has the result's fields, schemas/result.v1.json their shape, schemas/README.md which are null when.
"""

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import sha256

import orjson

from relay import __version__
from relay.model import (
    Answer,
    Deferred,
    Delivered,
    Delivery,
    Dropped,
    EndedBy,
    GaveUp,
    Headers,
    Outgoing,
    Record,
    Reply,
    Request,
    Retry,
    Verdict,
)
from relay.pipeline.decode import delivery_headers
from relay.pipeline.match import Endpoint
from relay.topics import Topics
from relay.urls import masked

RESPONSE_HEADERS_BYTES = 16 * 1024  # kept of a reply's headers; aiohttp itself takes up to 1 MiB
SIGNATURE_SHOWN = 8  # characters: enough to tell two apart, useless to forge with
SIGNATURE_HEADERS = frozenset({"x-artibot-signature", "x-relay-signature-256", "webhook-signature"})
LOCATIONS = frozenset({"location", "content-location"})  # a redirect often names the path that it was asked for
HIDDEN = "***"
SHORT_FORM_BYTES = 64 * 1024  # what is kept of a dead letter that the broker would refuse whole
KEY_SHOWN_BYTES = 1024  # a longer key is not one: ids have 256 bytes at most


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """What one attempt, or the decision to make none, was like."""

    id: str  # new for every record
    started_ms: int
    elapsed_ms: int = 0
    queued_ms: int = 0  # event read -> request sent
    request: Request | None = None  # None: none was sent
    reply: Reply | None = None


def outgoing(
    delivery: Delivery, verdict: Verdict, attempt: Attempt, to: Endpoint | None, *, topics: Topics, worker: str
) -> list[Outgoing]:
    """
    The records of a verdict; the result comes first.

    Args:
        delivery: The attempt that was made, or was not.
        verdict: What was decided.
        attempt: How it went.
        to: Its endpoint; None when there is none any more.
        topics: Their names.
        worker: Whose result this is.
    """
    source = delivery.event.source
    records = [
        Outgoing(
            topic=topics.results,
            key=delivery.event.lead_id.encode(),
            value=orjson.dumps(result(delivery, verdict, attempt, to, worker=worker)),
            partition=source.partition if source else None,
        )
    ]
    match verdict:
        case Retry(delay_s=delay_s):
            records.append(later(replace(delivery, attempt=delivery.attempt + 1), delay_s, topics))
        case Deferred(delay_s=delay_s):
            records.append(later(replace(delivery, deferrals=delivery.deferrals + 1), delay_s, topics))
        case GaveUp(ended_by=ended_by):
            records.append(letter(delivery, ended_by.value, topics=topics))
        case Delivered() | Dropped():
            pass
    return records


def later(delivery: Delivery, delay_s: int, topics: Topics) -> Outgoing:
    """The record that waits for so long, 0 for no time, and is attempted then."""
    return Outgoing(
        topic=topics.deliveries(delay_s),
        key=f"{delivery.subscription_id}/{delivery.event.lead_id}".encode(),
        value=delivery.event.body,
        headers=delivery_headers(delivery),
    )


def letter(delivery: Delivery, reason: str, *, topics: Topics) -> Outgoing:
    """The dead letter of a delivery that will not be tried again; it can be requeued."""
    source = delivery.event.source
    return Outgoing(
        topic=topics.dead_letters,
        key=delivery.event.lead_id.encode(),
        value=delivery.event.body,
        headers=(*delivery_headers(delivery), ("relay-reason", reason.encode())),
        partition=source.partition if source else None,
    )


def dead_letter(record: Record, reason: str, *, topics: Topics, max_bytes: int) -> Outgoing:
    """
    The dead letter of a record that could not be read: its own bytes, why, and where it stood.

    One that the broker would refuse for its size has a short form: the first 64 KiB, with the full size and SHA-256 in
    headers, so that no event can block its partition.

    Args:
        record: As it was read.
        reason: Why it is malformed.
        topics: Their names.
        max_bytes: What the broker takes in one record (`max.message.bytes`), less room for the headers.
    """
    value, key = record.value or b"", record.key
    headers: Headers = (
        ("relay-reason", reason.encode()),
        ("relay-source", f"{record.topic}/{record.partition}/{record.offset}".encode()),
    )
    if len(value) + len(key or b"") > max_bytes:
        headers += (
            ("relay-full-bytes", str(len(value)).encode()),
            ("relay-full-sha256", sha256(value).hexdigest().encode()),
        )
        value = value[:SHORT_FORM_BYTES]
        key = key if key is None or len(key) <= KEY_SHOWN_BYTES else key[:KEY_SHOWN_BYTES]
    return Outgoing(topic=topics.dead_letters, key=key, value=value, headers=headers, partition=record.partition)


def result(
    delivery: Delivery, verdict: Verdict, attempt: Attempt, to: Endpoint | None, *, worker: str
) -> dict[str, object]:
    """The flat JSON object of DESIGN.md section 6, in its order of fields."""
    event, request, reply = delivery.event, attempt.request if _spent(verdict) else None, attempt.reply
    answer = reply if isinstance(reply, Answer) else None
    own_headers = to.headers if to else {}
    text, encoding = _body(answer, kept=to is None or to.subscription.record_response)
    if to and (to.subscription.created_at, to.subscription.account_id) != (delivery.incarnation, delivery.account_id):
        to = None  # made anew, and another's URL is not for this account to see; or it never could be read
    next_ms = None
    if isinstance(verdict, Retry | Deferred):
        next_ms = attempt.started_ms + attempt.elapsed_ms + verdict.delay_s * 1000
    return {
        "attempt_id": attempt.id,
        "delivery_id": delivery.id,
        "attempt": delivery.attempt,
        "deferrals": delivery.deferrals,
        "trigger": delivery.trigger,
        "run_id": delivery.run_id,
        "subscription_id": delivery.subscription_id,
        "subscription_version": to.subscription.version if to else None,
        "subscription_account_id": delivery.account_id,
        "account_id": event.account_id,
        "event_type": event.type,
        "event_topic": event.source.topic if event.source else None,
        "event_partition": event.source.partition if event.source else None,
        "event_offset": event.source.offset if event.source else None,
        "lead_id": event.lead_id,
        "resource_version": event.resource_version,
        "event_time": event.time,
        "event_time_raw": event.time_raw,
        "verdict": verdict.name,
        "reason": verdict.reason,
        "ended_by": verdict.ended_by if isinstance(verdict, GaveUp) else None,
        "url": to.shown_url if to else None,
        "url_sha256": to.url_sha256 if to else None,
        "status": answer.status if answer else None,
        "request_headers": _shown(request.headers, own_headers) if request else None,
        "body_bytes": len(event.body),
        "body_sha256": event.body_sha256,
        "response_headers": _kept(answer.headers) if answer else None,
        "response_body": text,
        "response_body_encoding": encoding,
        "response_truncated": answer.truncated if answer else False,
        "started_at": rfc3339(attempt.started_ms),
        "elapsed_ms": attempt.elapsed_ms if request else None,
        "queued_ms": attempt.queued_ms,
        "next_attempt_at": None if next_ms is None else rfc3339(next_ms),
        "worker": worker,
        "relay_version": __version__,
    }


def _spent(verdict: Verdict) -> bool:
    """Whether there was an attempt: one that got no further than the proxy is none."""
    if isinstance(verdict, GaveUp):
        return verdict.ended_by is not EndedBy.EXPIRED
    return not isinstance(verdict, Deferred | Dropped)


def rfc3339(ms: int) -> str:
    """
    RFC 3339 UTC with milliseconds.

    >>> rfc3339(1_614_265_330_007)
    '2021-02-25T15:02:10.007Z'
    """
    seconds, rest = divmod(ms, 1000)
    return f"{_second(seconds)}.{rest:03d}Z"


@lru_cache(maxsize=16)  # results are written in the order of time: the second is nearly always the last one's
def _second(seconds: int) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}"


def _shown(headers: Mapping[str, str], own: Mapping[str, str]) -> dict[str, str]:
    shown = dict(headers)
    for name in SIGNATURE_HEADERS & shown.keys():
        shown[name] = shown[name][:SIGNATURE_SHOWN]
    for name in own:
        shown[name] = HIDDEN
    return shown


def _kept(headers: tuple[tuple[str, str], ...]) -> dict[str, str]:
    """Repeats joined, Set-Cookie values hidden and Location's path, cut where the bound is reached."""
    kept: dict[str, str] = {}
    room = RESPONSE_HEADERS_BYTES
    for name, value in headers:
        shown = HIDDEN if name == "set-cookie" else masked(value) if name in LOCATIONS else _clean(value)
        room -= len(", " if name in kept else name) + len(shown.encode())
        if room < 0:
            break
        kept[name] = f"{kept[name]}, {shown}" if name in kept else shown
    return kept


def _clean(text: str) -> str:
    """Bytes that are no UTF-8 come from aiohttp as surrogates, which JSON cannot hold."""
    return text if text.isascii() else text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _body(answer: Answer | None, *, kept: bool) -> tuple[str | None, str | None]:
    if answer is None or not kept:
        return None, None
    try:
        return answer.body.decode(), None
    except UnicodeDecodeError as error:
        if answer.truncated and error.end == len(answer.body) and error.start > len(answer.body) - 4:
            return answer.body[: error.start].decode(), None  # our own cut went through a character
        return b64encode(answer.body).decode(), "base64"
