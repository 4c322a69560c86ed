"""What a URL asks to replay -> a wish; what would come of it -> what people read. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from relay.console.pages import words
from relay.console.pages.running import missing
from relay.replay.values import Place, Preview, Wish

FIELDS = ("subscription", "since", "undelivered", "offsets")
MAX_CHARACTERS = 20_000  # of offsets: a line for each of some hundred partitions
MAX_DIGITS = 15


@dataclass(frozen=True, slots=True, kw_only=True)
class Wished:
    """What was asked for."""

    subscription_id: str
    wish: Wish
    shown: Mapping[str, str]
    problems: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """What a replay would do."""

    figures: list[tuple[str, str]]
    notes: list[str]
    to_send: int


def wished(query: Mapping[str, str], *, now_ms: int) -> Wished:
    """
    Never raises: what cannot be read is told by field.

    Args:
        query: `subscription`; `since`, a time in UTC, or `offsets`, lines of `topic/partition offset`; `undelivered`.
        now_ms: A day before this is where it begins when nobody says.
    """
    shown = {name: query.get(name, "").strip()[:MAX_CHARACTERS] for name in FIELDS}
    problems: dict[str, str] = {}
    offsets: dict[Place, int] | None = None
    since_ms: int | None = None
    if shown["offsets"]:
        try:
            offsets = read_offsets(shown["offsets"])
        except ValueError as rule:
            problems["offsets"] = str(rule)
    else:
        shown["since"] = shown["since"] or words.instant(now_ms - words.DAY_MS)
        since_ms = words.parsed(shown["since"])
        if since_ms is None or since_ms < 0:
            problems["since"] = "is a time in UTC, as 2026-11-29T20:00"
        else:
            shown["since"] = words.instant(since_ms)[:19]
    if not shown["subscription"]:
        problems["subscription"] = "is needed"
    wish = Wish(since_ms=since_ms, from_offsets=offsets, undelivered=shown["undelivered"] == "1")
    return Wished(subscription_id=shown["subscription"], wish=wish, shown=shown, problems=problems)


def read_offsets(typed: str) -> dict[Place, int]:
    """
    A partition a line.

    >>> read_offsets("leads.events/0 1042")
    {('leads.events', 0): 1042}

    Raises:
        ValueError: A line is none.
    """
    offsets: dict[Place, int] = {}
    for number, line in enumerate(typed.splitlines(), 1):
        if not line.strip():
            continue
        where, _, offset = line.strip().replace("\t", " ").rpartition(" ")
        topic, _, partition = where.strip().rpartition("/")
        if not topic or not _whole(partition) or not _whole(offset):
            raise ValueError(f"line {number}: write `topic/partition offset`, as leads.events/0 1042")
        offsets[topic, int(partition)] = int(offset)
    return offsets


def forecast(preview: Preview, *, account: str | None) -> Forecast:
    """What people read before they start it; of who is bound to an account, nothing that counts others' events too."""
    about = "" if preview.exact else "about "
    notes = [] if preview.exact else ["Too many to count while you wait: estimated from the first of them."]
    notes += [missing(one, account=account) for one in preview.lost]
    notes += [preview.note] if preview.note else []
    return Forecast(
        figures=[
            *([("Events to read", words.count(preview.events))] if account is None else []),
            ("Wanted by the webhook", about + words.count(preview.matched)),
            ("To send", about + words.count(preview.to_send)),
        ],
        notes=notes,
        to_send=preview.to_send,
    )


def _whole(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= MAX_DIGITS
