"""Values -> the words and figures that pages show. Pure; all times are UTC."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import NamedTuple, TypeVar

from relay.instants import LATEST_MS
from relay.model import EVENT_TYPES
from relay.pipeline.results import rfc3339
from relay.store.history.values import State

K = TypeVar("K")

SECOND_MS, MINUTE_MS, HOUR_MS, DAY_MS = 1000, 60_000, 3_600_000, 86_400_000
NONE = "–"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Chip(NamedTuple):
    """A word with a tone; the tone is never the only sign, for each has a form of its own."""

    tone: str  # good | wait | bad | mute
    label: str


DELIVERY_STATES: Mapping[int, Chip] = {
    State.PENDING: Chip("wait", "Pending"),
    State.DELIVERED: Chip("good", "Delivered"),
    State.GAVE_UP: Chip("bad", "Gave up"),
    State.DROPPED: Chip("mute", "Dropped"),
    State.OTHER: Chip("mute", "Other"),
}
VERDICTS: Mapping[str, Chip] = {
    "delivered": Chip("good", "Delivered"),
    "retry": Chip("bad", "Failed"),
    "gave_up": Chip("bad", "Gave up"),
    "deferred": Chip("wait", "Put off"),
    "dropped": Chip("mute", "Dropped"),
}
SUBSCRIPTION_STATES: Mapping[str, Chip] = {
    "active": Chip("good", "Active"),
    "paused": Chip("wait", "Paused"),
    "disabled": Chip("bad", "Disabled"),
}
LANE_STATES: Mapping[str, Chip] = {
    "open": Chip("bad", "Circuit open"),
    "probing": Chip("wait", "Probing"),
    "limited": Chip("wait", "Limited"),
    "healthy": Chip("good", "Healthy"),
}
RUN_STATES: Mapping[str, Chip] = {
    "running": Chip("wait", "Running"),
    "done": Chip("good", "Done"),
    "cancelled": Chip("mute", "Cancelled"),
    "failed": Chip("bad", "Failed"),
}
NOTICES: Mapping[str, Chip] = {
    "disabled": Chip("bad", "Disabled"),
    "failing": Chip("bad", "Failing"),
    "re-enabled": Chip("good", "Enabled again"),
    "recovered": Chip("good", "Recovered"),
}
# DESIGN.md section 6 has the list; a newer relay's reason is shown as it is written.
REASONS: Mapping[str, str] = {
    "ok": "The receiver took it.",
    "status": "The receiver answered with a status that is no success.",
    "timeout": "The receiver did not answer in time.",
    "connect": "No connection to the receiver came about, or it broke off.",
    "dns": "The name of the receiver could not be looked up.",
    "tls": "The receiver's certificate or TLS was not accepted.",
    "protocol": "What the receiver answered is no HTTP.",
    "proxy": "The egress proxy could not carry it: no attempt was spent.",
    "blocked_address": "The address is not one that relay may call.",
    "invalid_url": "The Payload URL cannot be called.",
    "subscription_deleted": "The webhook was deleted.",
    "subscription_disabled": "The webhook is disabled.",
    "subscription_paused": "The webhook is paused.",
    "unreadable_secret": "No key of the ring opens the webhook's secret.",
    "circuit_open": "Most of the latest attempts failed: the receiver is left alone for a while.",
    "lane_full": "Too many deliveries were waiting for this receiver.",
    "rate_limited": "The webhook's rate was reached.",
    "superseded": "Another copy of this attempt has settled it.",
    "gone": "The receiver answered 410 Gone.",
}
ENDINGS: Mapping[str, str] = {
    "exhausted": "All attempts of the schedule were made.",
    "gone": "The receiver answered 410: it is gone.",
    "blocked_address": "The address is not one that relay may call.",
    "invalid_url": "The Payload URL cannot be called.",
    "expired": "It was put off for longer than RELAY_MAX_AGE.",
}
TRIGGERS: Mapping[str, str] = {
    "event": "Event",
    "redelivery": "Redelivery",
    "replay": "Replay",
    "test": "Test send",
}
EVENT_NAMES: Mapping[str, str] = {
    one: "".join(part.capitalize() for part in one.split(".")) for one in EVENT_TYPES
}  # the seed's own


def chip(table: Mapping[K, Chip], key: K) -> Chip:
    """What the table says; what it does not know, as it is written."""
    return table.get(key) or Chip("mute", str(key))


def event_name(event_type: str) -> str:
    """
    As the platform's settings call it.

    >>> event_name("lead.updated")
    'LeadUpdated'
    """
    return EVENT_NAMES.get(event_type, event_type)


def instant(at_ms: int | None) -> str:
    """
    For `datetime` of <time>.

    >>> instant(1_559_948_980_445)
    '2019-06-07T23:09:40.445Z'
    """
    return "" if at_ms is None else rfc3339(at_ms)


def absolute(at_ms: int | None) -> str:
    """
    For people.

    >>> absolute(1_559_948_980_445)
    '2019-06-07 23:09:40.445 UTC'
    """
    return NONE if at_ms is None else rfc3339(at_ms).replace("T", " ").replace("Z", " UTC")


def relative(at_ms: int | None, now_ms: int) -> str:
    """
    How long ago, or how soon.

    >>> relative(0, 400), relative(0, 65_000), relative(9_000, 0), relative(0, 3 * DAY_MS)
    ('now', '1 min ago', 'in 9 s', '3 d ago')
    """
    if at_ms is None:
        return NONE
    apart = abs(now_ms - at_ms)
    for unit_ms, unit in ((DAY_MS, "d"), (HOUR_MS, "h"), (MINUTE_MS, "min"), (SECOND_MS, "s")):
        if apart >= unit_ms:
            spoken = f"{apart // unit_ms} {unit}"
            return f"{spoken} ago" if at_ms <= now_ms else f"in {spoken}"
    return "now"


def parsed(text: object) -> int | None:
    """
    Milliseconds of an RFC 3339 time, as results and notices have it; None: it is none, or in UTC none from 1970 to
    9999, which could not be written again.

    >>> parsed("2019-06-07T23:09:40.445Z"), parsed("soon"), parsed("9999-12-31T23:59:59-14:00"), parsed(None)
    (1559948980445, None, None, None)
    """
    if not isinstance(text, str):
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    at_ms = (at - EPOCH) // timedelta(milliseconds=1)
    return at_ms if 0 <= at_ms <= LATEST_MS else None


def duration(ms: float | None) -> str:
    """
    As short as it is still told apart.

    >>> duration(0.4), duration(412), duration(2_340), duration(90_000), duration(None)
    ('<1 ms', '412 ms', '2.3 s', '90 s', '–')
    """
    if ms is None:
        return NONE
    if 0 < ms < 1:
        return "<1 ms"
    if ms < SECOND_MS:
        return f"{ms:.0f} ms"
    return f"{ms / 1000:.1f} s" if ms < 10 * SECOND_MS else f"{ms / 1000:.0f} s"


def share(value: float | None) -> str:
    """
    Rounded down: 100 % is all of them.

    >>> share(1.0), share(0.99996), share(0.5), share(None)
    ('100 %', '99.9 %', '50.0 %', '–')
    """
    if value is None:
        return NONE
    return "100 %" if value >= 1 else f"{int(value * 1000) / 10:.1f} %"


def count(number: int) -> str:
    """
    With commas.

    >>> count(1234567)
    '1,234,567'
    """
    return f"{number:,}"


def figure(number: float) -> str:
    """
    As it was written: all of its digits, and no `.0`.

    >>> figure(4.0), figure(1234.5678), figure(20)
    ('4', '1234.5678', '20')
    """
    return repr(number).removesuffix(".0")


def size(number: object) -> str:
    """
    In powers of 1024; whoever wrote the record, a size that is no number is none.

    >>> size(999), size(4_096), size(3_000_000), size("999")
    ('999 B', '4.0 KiB', '2.9 MiB', '–')
    """
    if type(number) is not int:
        return NONE
    if number < 1024:  # noqa: PLR2004  a KiB
        return f"{number} B"
    return f"{number / 1024:.1f} KiB" if number < 1024 * 1024 else f"{number / 1024 / 1024:.1f} MiB"


def sentence(text: str) -> str:
    """
    As one begins.

    >>> sentence("the broker does not answer")
    'The broker does not answer'
    """
    return text[:1].upper() + text[1:]
