"""
What a request held, from its result and its event: body, headers, and URL as far as whoever asks may see them. Pure.

A result holds the beginnings of signatures only. The whole ones are computed again, with the subscription's secrets of
now at the attempt's own time, and shown where every beginning fits: a secret that was rotated away since made others.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from relay.model import Event
from relay.pipeline.match import Endpoint
from relay.pipeline.results import SIGNATURE_HEADERS, SIGNATURE_SHOWN


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """What was sent, or why it is not shown."""

    body: bytes | None = field(repr=False)  # byte for byte; personal data
    why: str | None  # why there is no body here
    headers: Mapping[str, str] = field(repr=False)  # as sent; the subscription's own by name only
    url: str | None = field(repr=False)


def body_of(result: Mapping[str, Any], event: Event | str) -> tuple[bytes | None, str | None]:
    """The body, if it is the one that was sent; else why not. A string is why there is no event."""
    if isinstance(event, str):
        return None, event
    if event.body_sha256 != result.get("body_sha256"):
        return None, "what the log holds is not what was sent: their hashes differ"
    return event.body, None


def headers_of(result: Mapping[str, Any], event: Event | None, to: Endpoint | None) -> dict[str, str]:
    """
    The headers of the request, in their order; nothing where none was made.

    Args:
        result: Of the attempt.
        event: What was sent; None: it is not there any more, and nothing can be computed.
        to: With its keys, for whoever may see whole signatures; None: they stay cut.
    """
    raw = result.get("request_headers")
    headers = {str(name): str(value) for name, value in raw.items()} if isinstance(raw, Mapping) else {}
    cut = {name: headers[name] for name in SIGNATURE_HEADERS & headers.keys()}
    stamp = headers.get("webhook-timestamp", "")
    if event is None or to is None or to.signer is None or not (stamp.isascii() and stamp.isdigit()):
        return headers
    whole = to.signer.headers(
        event.body, url=to.subscription.url, message_id=headers.get("webhook-id", ""), now_ms=int(stamp) * 1000
    )
    if {name: value[:SIGNATURE_SHOWN] for name, value in whole.items()} != cut:
        return headers
    return {name: whole.get(name, value) for name, value in headers.items()}


def url_of(result: Mapping[str, Any], to: Endpoint | None) -> str | None:
    """Where it was sent: whole for whoever may see that, and only while the subscription still has that URL."""
    if to is not None and sha256(to.subscription.url.encode()).hexdigest() == result.get("url_sha256"):
        return to.subscription.url
    url = result.get("url")
    return url if isinstance(url, str) else None
