"""
An entry of the audit <-> the bytes of its record (schemas/audit.v1.json). Pure.

It stands beside subscriptions, for each edit of theirs is audited in its own transaction. Whoever can write to the
topic is believed no further than this: an entry that cannot be read is told as such.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import orjson

from relay import __version__
from relay.errors import Malformed
from relay.model import Outgoing
from relay.store.fields import account, fitting, json_object, shallow, text
from relay.store.sound import MOMENT


class Action(StrEnum):
    """What somebody did; further ones may be added."""

    SUBSCRIPTION_CREATED = "subscription.created"
    SUBSCRIPTION_UPDATED = "subscription.updated"
    SUBSCRIPTION_PAUSED = "subscription.paused"
    SUBSCRIPTION_RESUMED = "subscription.resumed"
    SUBSCRIPTION_DISABLED = "subscription.disabled"
    SUBSCRIPTION_ROTATED = "subscription.rotated"
    SUBSCRIPTION_DELETED = "subscription.deleted"
    TOKEN_CREATED = "token.created"  # noqa: S105  an action, not a password
    TOKEN_REVOKED = "token.revoked"  # noqa: S105
    REPLAY_STARTED = "replay.started"
    REPLAY_CANCELLED = "replay.cancelled"
    REDELIVERED = "redelivered"
    TESTED = "tested"
    REQUEUED = "requeued"
    ERASED = "erased"


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """Who did what to what, and when."""

    at: str  # RFC 3339 UTC with milliseconds
    actor: str  # `Principal.name`, or `updated_by` of what they changed
    action: str  # an Action, or one of a newer relay's
    account_id: str | None  # whose it was; None: nobody's in particular
    subject: str  # the id of what it was done to
    details: Mapping[str, Any] = field(default_factory=dict)  # never a secret, a header's value, or a URL's path


def encode_entry(entry: AuditEntry) -> bytes:
    """The record's value, which `decode_entry` can read."""
    return orjson.dumps(
        {
            "at": entry.at,
            "actor": entry.actor,
            "action": entry.action,
            "account_id": entry.account_id,
            "subject": entry.subject,
            "details": entry.details,
            "relay_version": __version__,
        }
    )


def outgoing(entry: AuditEntry, topic: str) -> Outgoing:
    """Its record, for the transaction of what it tells of."""
    return Outgoing(topic=topic, key=entry.actor.encode(), value=encode_entry(entry), partition=0)


def decode_entry(value: bytes) -> AuditEntry:
    """
    The entry in a record; of a newer relay's, what this version knows.

    Raises:
        Malformed: It is none.
    """
    raw = json_object(value)
    try:
        return AuditEntry(
            at=fitting(MOMENT, raw["at"]),
            actor=text(raw["actor"]),
            action=text(raw["action"]),
            account_id=account(raw["account_id"]),
            subject=text(raw["subject"]),
            details=shallow(raw["details"]),
        )
    except (KeyError, TypeError, ValueError):
        raise Malformed("it is no entry that this version can read") from None
