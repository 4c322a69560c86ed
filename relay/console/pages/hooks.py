"""Webhooks as the desk shows them -> what pages show of them. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from relay.console.pages import charts, words
from relay.store.history.values import Counts


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A line of the list."""

    id: str
    name: str
    url: str
    account: str
    chip: words.Chip
    events: str
    bars: list[charts.Bar]
    spoken: str  # what the bars say
    success: str
    updated_ms: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretRow:
    """A secret, of which nothing is told but when it holds."""

    words: str
    expires_ms: int | None
    public_key: str | None


def row(subscription: Mapping[str, Any], counts: Sequence[Counts], *, now_ms: int, is_failing: bool = False) -> Row:
    """
    One webhook, with what was done for it in the last day.

    Args:
        subscription: As the desk shows it.
        counts: By the hour.
        now_ms: The end of that day.
        is_failing: It has taken nothing for long, as a notice says.
    """
    made = sum(one.made for one in counts)
    delivered = sum(one.verdicts["delivered"] for one in counts)
    return Row(
        id=subscription["id"],
        name=subscription["name"],
        url=subscription["url"],
        account=subscription["account_id"],
        chip=chip(subscription, is_failing=is_failing),
        events=", ".join(words.event_name(one) for one in subscription["events"]),
        bars=charts.bars(counts, now_ms=now_ms),
        spoken=f"{words.count(made)} attempts in 24 hours, {words.count(delivered)} delivered",
        success=words.share(delivered / made if made else None),
        updated_ms=words.parsed(subscription["updated_at"]),
    )


def chip(subscription: Mapping[str, Any], *, is_failing: bool = False) -> words.Chip:
    """Its state; that it cannot be read goes before, and that an active one fails instead."""
    if subscription.get("unreadable"):
        return words.Chip("bad", "Unreadable")
    if is_failing and subscription["state"] == "active":
        return words.NOTICES["failing"]
    return words.chip(words.SUBSCRIPTION_STATES, subscription["state"])


def secrets(subscription: Mapping[str, Any], *, now_ms: int) -> list[SecretRow]:
    """Newest first, those that have expired left out."""
    rows = []
    for number, one in enumerate(subscription["secrets"]):
        active_ms, expires_ms = words.parsed(one["active_at"]), words.parsed(one["expires_at"])
        if expires_ms is not None and expires_ms <= now_ms:
            continue
        said = "everything" if number == 0 else "beside the new one, where several fit"
        if active_ms is not None and active_ms > now_ms:
            said = f"beside the old one, and alone from {words.absolute(active_ms)[:16]}"
        rows.append(SecretRow(words=said, expires_ms=expires_ms, public_key=one.get("public_key")))
    return rows


def missed_since_ms(subscription: Mapping[str, Any]) -> int | None:
    """Since when nothing goes to it; None: it is active."""
    return None if subscription["state"] == "active" else words.parsed(subscription["state_at"])
