"""Notices, as pages show them. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from relay.console.pages import words
from relay.console.pages.story import why


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What people must hear of."""

    chip: words.Chip
    name: str
    subscription_id: str
    url: str
    words: str
    at_ms: int | None
    since_ms: int | None


def row(notice: Mapping[str, Any], names: Mapping[str, str]) -> Row:
    """One, whoever wrote it: what it lacks is shown as nothing."""
    subscription_id, status = _text(notice, "subscription_id"), notice.get("status")
    return Row(
        chip=words.chip(words.NOTICES, _text(notice, "kind")),
        name=names.get(subscription_id, subscription_id),
        subscription_id=subscription_id,
        url=_text(notice, "url"),
        words=why(_text(notice, "reason") or None, None, status if isinstance(status, int) else None),
        at_ms=words.parsed(notice.get("at")),
        since_ms=words.parsed(notice.get("since")),
    )


def _text(notice: Mapping[str, Any], field: str) -> str:
    value = notice.get(field)
    return value if isinstance(value, str) else ""
