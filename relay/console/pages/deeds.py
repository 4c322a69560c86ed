"""Entries of the audit, as pages show them. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import orjson

from relay.console.pages import words
from relay.console.pages.frame import person
from relay.store.entry import AuditEntry

MAX_DETAILS = 300  # characters; the rest is in the API
PAGES = {"sub": "/subscriptions/", "run": "/replays/"}  # of subjects, by how their ids begin


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """Who did what."""

    at_ms: int | None
    actor: str
    who: str
    action: str
    subject: str
    href: str | None
    account: str | None
    details: str


def row(entry: AuditEntry) -> Row:
    """One, whoever wrote it."""
    return Row(
        at_ms=words.parsed(entry.at),
        actor=entry.actor,
        who=person(entry.actor),
        action=entry.action,
        subject=entry.subject,
        href=_href(entry),
        account=entry.account_id,
        details=_details(entry.details),
    )


def _href(entry: AuditEntry) -> str | None:
    """Where what it was done to is seen, while it is there."""
    if entry.action == "subscription.deleted":
        return None
    if entry.action.startswith("subscription."):
        return "/subscriptions/" + quote(entry.subject, safe="")
    page = PAGES.get(entry.subject.partition("_")[0])
    return None if page is None else page + quote(entry.subject, safe="")


def _details(details: Mapping[str, Any]) -> str:
    """In a line."""
    said = ", ".join(
        f"{name}: {value if isinstance(value, str) else orjson.dumps(value, default=str).decode()}"
        for name, value in details.items()
    )
    return said if len(said) <= MAX_DETAILS else said[:MAX_DETAILS] + "…"
