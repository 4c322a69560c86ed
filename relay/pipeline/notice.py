"""What a notice says, and what one says that somebody else has written. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import orjson

from relay import __version__
from relay.errors import Malformed
from relay.instants import epoch_ms
from relay.model import EndedBy, Reason, State, Subscription, SubscriptionId
from relay.urls import masked

MOST_BYTES = 16 * 1024  # of a record: ours have under 1 kB, a URL's origin and ids of 256 bytes among them


class Why(StrEnum):
    """A subscription was disabled, besides that its endpoint is gone."""

    FAILING = "failing"


class Kind(StrEnum):
    """Of a notice."""

    DISABLED = "disabled"
    RE_ENABLED = "re-enabled"
    FAILING = "failing"
    RECOVERED = "recovered"


def notice(
    kind: Kind,
    called: Subscription,
    *,
    since: str,
    at: str,
    reason: Reason | EndedBy | State | Why,
    status: int | None,
    worker: str,
) -> dict[str, object]:
    """
    The flat JSON object of schemas/notice.v1.json, in its order of fields; the URL's path is not in it.

    Args:
        kind: Which.
        called: The subscription as it was called, or as it is by now.
        since: When it began, RFC 3339: its first 410, its first failure.
        at: Now, likewise.
        reason: What came of the last attempt, why it was disabled, or what it is instead.
        status: What its endpoint answered last; None: nothing.
        worker: Who saw it, or did it.
    """
    return {
        "kind": kind,
        "subscription_id": called.id,
        "subscription_version": called.version,
        "account_id": called.account_id,
        "url": masked(called.url),
        "reason": reason,
        "status": status,
        "since": since,
        "at": at,
        "worker": worker,
        "relay_version": __version__,
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """A notice, read."""

    kind: Kind
    subscription_id: SubscriptionId
    version: int  # of the subscription
    account_id: str
    since_ms: int
    at_ms: int
    worker: str
    told: Mapping[str, Any]  # all of it, as it stands in the record


def read(value: bytes | None) -> Word | None:
    """
    What a record of the notices topic says; None: it is of a kind that a newer relay knows.

    Raises:
        Malformed: It is no notice.
    """
    if value is None or len(value) > MOST_BYTES:
        raise Malformed("no notice: " + ("no value" if value is None else f"over {MOST_BYTES} bytes"))
    try:
        told = orjson.loads(value)
    except orjson.JSONDecodeError as error:
        raise Malformed(f"no JSON: {error}") from None
    if not isinstance(told, dict):
        raise Malformed("not a JSON object")
    kind = _text(told, "kind")
    if kind not in set(Kind):
        return None
    return Word(
        kind=Kind(kind),
        subscription_id=SubscriptionId(_text(told, "subscription_id")),
        version=_version(told),
        account_id=_text(told, "account_id"),
        since_ms=_ms(told, "since"),
        at_ms=_ms(told, "at"),
        worker=_text(told, "worker"),
        told=told,
    )


def _text(told: Mapping[str, Any], name: str) -> str:
    value = told.get(name)
    if not isinstance(value, str) or not value:
        raise Malformed(f"{name} is no text")
    return value


def _version(told: Mapping[str, Any]) -> int:
    value = told.get("subscription_version")
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise Malformed("subscription_version is no version")
    return value


def _ms(told: Mapping[str, Any], name: str) -> int:
    try:
        return epoch_ms(_text(told, name))
    except ValueError:
        raise Malformed(f"{name} is no time since 1970 with a zone") from None
