"""
The filters of Delivery History in a URL <-> what is searched. Pure.

The URL holds all of it, so that a listing can be kept, sent and gone back to. Names are the API's; `range` is for
people: the last so many hours.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar
from urllib.parse import urlencode

from relay.console.pages import words
from relay.errors import Problem
from relay.model import EVENT_TYPES, Trigger
from relay.store.forms import event_type
from relay.store.history.values import Search, State

T = TypeVar("T")

RANGES_MS = {
    "1h": words.HOUR_MS,
    "24h": words.DAY_MS,
    "7d": 7 * words.DAY_MS,
    "30d": 30 * words.DAY_MS,
}
STATES = {
    "pending": State.PENDING,
    "delivered": State.DELIVERED,
    "gave_up": State.GAVE_UP,
    "dropped": State.DROPPED,
}
STATUSES = ("2xx", "3xx", "4xx", "5xx")
FIELDS = ("q", "subscription", "state", "event", "status", "trigger", "range", "since", "until")
NEEDS_RANGE = ("event", "status", "trigger")  # searched row by row: within a time range only
DEFAULT_RANGE = "24h"
CHOSEN = "chosen"  # from `since` to `until`
SECONDS = 19  # characters of a time in a field: browsers write no zone there
FORM_FIELDS = {
    "since_ms": "since",
    "until_ms": "until",
    "lead_id": "q",
    "event_type": "event",
    "subscription_id": "subscription",
}
MAX_CHARACTERS = 300  # of a field: as long as an id may be
DELIVERY = "dlv_"  # so begins an id that has a page of its own


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What somebody wants to see."""

    search: Search
    shown: Mapping[str, str]  # what the fields of the form hold
    problems: Mapping[str, str] = field(default_factory=dict)  # by field

    @property
    def is_all(self) -> bool:
        """Whether nothing is asked for in particular."""
        return not self.shown

    def query(self, **changed: str | None) -> str:
        """The URL's query for this, with these changes; `?` in front, or nothing."""
        pairs = {**self.shown, **changed}
        encoded = urlencode([(name, value) for name, value in pairs.items() if value])
        return f"?{encoded}" if encoded else ""


def asked(query: Mapping[str, str], *, now_ms: int) -> Asked:
    """
    What a URL asks for. Never raises: what cannot be read is told by field, and not searched for.

    Args:
        query: Its fields.
        now_ms: `range` ends here.
    """
    typed = {name: query.get(name, "").strip()[:MAX_CHARACTERS] for name in FIELDS}
    shown = {name: value for name, value in typed.items() if value}
    if any(name in shown for name in NEEDS_RANGE) and not {"range", "since", "q"} & shown.keys():
        shown["range"] = DEFAULT_RANGE
    problems: list[Problem] = []
    since_ms, until_ms = _span(shown, now_ms, problems)
    search = Search(
        subscription_id=shown.get("subscription"),
        lead_id=shown.get("q"),
        state=_of(STATES, shown, "state", problems),
        event_type=_event(shown, problems),
        status=_status(shown, problems),
        trigger=_of({one.value: one.value for one in Trigger}, shown, "trigger", problems),
        since_ms=since_ms,
        until_ms=until_ms,
    )
    return Asked(search=search, shown=shown, problems={one.field: one.rule for one in problems})


def _span(shown: dict[str, str], now_ms: int, problems: list[Problem]) -> tuple[int | None, int | None]:
    """The last so many hours, or between two times that somebody chose; `shown` says then which of the two."""
    if shown.get("range") in RANGES_MS:
        for name in ("since", "until"):
            shown.pop(name, None)
        return now_ms - RANGES_MS[shown["range"]], None
    if {"since", "until"} & shown.keys():
        shown["range"] = CHOSEN
    elif shown.get("range") == CHOSEN:
        shown["since"] = words.instant(now_ms - words.DAY_MS)[:SECONDS]
    elif "range" in shown:
        problems.append(Problem("range", "is one of " + ", ".join((*RANGES_MS, CHOSEN))))
    return _time(shown, "since", problems), _time(shown, "until", problems)


def told(search: Search) -> dict[str, str]:
    """The same question to the API."""
    state = next((name for name, one in STATES.items() if one is search.state), "")
    times = {"since": search.since_ms, "until": search.until_ms}
    return {
        **followed(search),
        "state": state,
        **{name: words.instant(at_ms) for name, at_ms in times.items()},
    }


def followed(search: Search) -> dict[str, str]:
    """What a single result tells of the same question: a stream is asked for that."""
    return {
        "subscription": search.subscription_id or "",
        "lead": search.lead_id or "",
        "event": search.event_type or "",
        "status": "" if search.status is None else str(search.status),
        "trigger": search.trigger or "",
    }


def beside(problems: Sequence[Problem]) -> dict[str, str]:
    """What the desk has against a search, by the field of the form."""
    return {FORM_FIELDS.get(one.field, one.field): one.rule for one in problems}


def _of(known: Mapping[str, T], shown: Mapping[str, str], name: str, problems: list[Problem]) -> T | None:
    value = shown.get(name)
    if value is not None and value not in known:
        problems.append(Problem(name, "is one of " + ", ".join(known)))
    return None if value is None else known.get(value)


def _event(shown: Mapping[str, str], problems: list[Problem]) -> str | None:
    if "event" not in shown:
        return None
    try:
        return event_type(shown["event"])
    except ValueError:
        problems.append(Problem("event", "is one of " + ", ".join(EVENT_TYPES)))
        return None


def _status(shown: Mapping[str, str], problems: list[Problem]) -> int | None:
    """
    As the history asks for it.

    >>> _status({"status": "503"}, []), _status({"status": "5xx"}, [])
    (503, 5)
    """
    value = shown.get("status")
    if value is None:
        return None
    if value in STATUSES:
        return int(value[0])
    if value.isascii() and value.isdigit() and len(value) == 3:  # noqa: PLR2004  as statuses are written
        return int(value)
    problems.append(Problem("status", "is a status, as 503, or a class, as 5xx"))
    return None


def _time(shown: dict[str, str], name: str, problems: list[Problem]) -> int | None:
    value = shown.get(name)
    if value is None:
        return None
    at_ms = words.parsed(value)
    if at_ms is None:
        problems.append(Problem(name, "is a time in UTC, as 2026-11-29T20:00"))
        return None
    shown[name] = words.instant(at_ms)[:SECONDS]
    return at_ms
