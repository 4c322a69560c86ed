"""Dead letters, as pages show them. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from relay.console.pages import words
from relay.replay.letters import DeadLetter


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What was given up, or could not be read."""

    place: str  # partition/offset: what is chosen, and where its page is
    chip: words.Chip
    title: str
    webhook: str
    subscription_id: str | None
    delivery_id: str | None
    reason: str
    source: str
    size: str
    is_cut: bool
    at_ms: int
    can_requeue: bool


def row(letter: DeadLetter, names: Mapping[str, str]) -> Row:
    """One; whoever wrote it: its headers may be anything."""
    known = words.ENDINGS.get(letter.reason) or words.REASONS.get(letter.reason)
    return Row(
        place=f"{letter.partition}/{letter.offset}",
        chip=words.Chip("mute", "Malformed") if letter.malformed else words.Chip("bad", "Gave up"),
        title=words.event_name(letter.event_type) if letter.event_type else "No event",
        webhook=names.get(letter.subscription_id or "", letter.subscription_id or ""),
        subscription_id=letter.subscription_id,
        delivery_id=letter.delivery_id,
        reason=known or letter.reason,
        source=letter.source or "",
        size=words.size(letter.size),
        is_cut=letter.truncated,
        at_ms=letter.at_ms,
        can_requeue=not letter.malformed and not letter.truncated,
    )
