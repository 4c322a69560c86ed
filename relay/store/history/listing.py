"""
What a listing asks -> which index answers it, and what is looked at row by row; cursors. Pure.

Fast whatever is stored, for an index holds just these in their order: nothing at all, an account, a subscription, a
lead; each but the lead with a state besides `delivered`; and all of them in a time range. What else is asked is looked
at row by row behind one of those: the state `delivered`, which most rows have; any state of a lead, which has few; and
a verdict, a reason, a status, an event type or a trigger, and these need a time range unless they are a lead's. One
page looks at `SCANNED` rows: a search that has not found enough by then says how far it came, and its cursor goes on
from there. So no page costs more with ten million deliveries than with ten thousand.
"""

import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from typing import Any
from zlib import crc32

from relay.errors import Problem
from relay.instants import LATEST_MS
from relay.store.history.rows import MAX_TEXT_BYTES
from relay.store.history.values import Delivery, Refused, Search, State

SCANNED = 2_000  # rows that one page looks at: some ten milliseconds
MAX_LIMIT = 200  # of a page; GitHub's and Stripe's take 100
CLASSES, STATUSES = range(1, 6), range(100, 1000)  # 5: 500 to 599
TEXTS = ("subscription_id", "lead_id", "verdict", "reason", "event_type", "trigger")
LOOKED_AT = ("verdict", "reason", "event_type", "trigger")
_CURSOR = struct.Struct(">BqqI")  # version, created_ms, id, and the checksum of these and what was asked
_VERSION = 1
Key = tuple[int, int]  # created_ms and id: the order of every listing


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """How a listing is answered."""

    keyed: tuple[str, str] | None  # the column before the account in the index, and its value
    state: State | None  # by the index of troubled deliveries
    rest: tuple[tuple[str, Any], ...]  # what each row is looked at for: column and value, or pair of values: between
    after: Key | None  # where the page before ended
    limit: int


def route(search: Search, *, cursor: str | None, limit: int) -> Route | Refused:
    """
    How to answer.

    Args:
        search: What is asked.
        cursor: Of the page before; anything a caller may have made up.
        limit: Rows.

    Never raises: what cannot be answered is refused, by field.
    """
    problem = _wrong(search, limit)
    if problem is not None:
        return Refused(problem)
    after = None if cursor is None else opened(cursor, search)
    if cursor is not None and after is None:
        return Refused(Problem("cursor", "is none of this listing: begin again without", cursor[:100]))
    keyed, rest, state = _key(search), _looked_at(search), search.state
    if state is not None and (state is State.DELIVERED or search.lead_id is not None):
        rest.append(("state", state.value))
        state = None
    slow = [name for name, _ in rest if name != "state"]
    if slow and search.since_ms is None and search.lead_id is None:
        return Refused(Problem("since_ms", f"is needed with {', '.join(slow)}: those are searched row by row"))
    return Route(keyed=keyed, state=state, rest=tuple(rest), after=after, limit=limit)


def fits(one: Delivery, search: Search) -> bool:
    """Whether a listing of this search has it: for what is looked at as it comes."""
    for name in TEXTS:
        if getattr(search, name) not in (None, getattr(one, name)):
            return False
    if search.state not in (None, one.state):
        return False
    if search.status is not None and search.status not in (one.status, (one.status or 0) // 100):
        return False
    since_ms, until_ms = search.since_ms or 0, LATEST_MS + 1 if search.until_ms is None else search.until_ms
    return since_ms <= one.created_ms < until_ms


def holds(text: str) -> bool:
    """Whether there could be such a text in the store: PostgreSQL would refuse to be asked for others."""
    return len(text) <= MAX_TEXT_BYTES and "\0" not in text and text.encode(errors="replace").decode() == text


def _wrong(search: Search, limit: int) -> Problem | None:
    if not 1 <= limit <= MAX_LIMIT:
        return Problem("limit", f"takes 1 to {MAX_LIMIT}", str(limit))
    if search.status is not None and search.status not in CLASSES and search.status not in STATUSES:
        return Problem("status", "takes a status, or 1 to 5 for a class of them", str(search.status))
    for name in ("since_ms", "until_ms"):
        value = getattr(search, name)
        if value is not None and not 0 <= value <= LATEST_MS:
            return Problem(name, "is no time", str(value))
    for name in TEXTS:
        value = getattr(search, name)
        if value is not None and not holds(value):
            return Problem(name, f"is no text of at most {MAX_TEXT_BYTES} bytes")
    return None


def _key(search: Search) -> tuple[str, str] | None:
    if search.lead_id is not None:
        return ("lead_id", search.lead_id)
    return None if search.subscription_id is None else ("subscription_id", search.subscription_id)


def _looked_at(search: Search) -> list[tuple[str, Any]]:
    rest = [(name, getattr(search, name)) for name in LOOKED_AT if getattr(search, name) is not None]
    if search.lead_id is not None and search.subscription_id is not None:
        rest.append(("subscription_id", search.subscription_id))
    if search.status is not None:
        low, high = search.status, search.status
        rest.append(("status", (low * 100, high * 100 + 99) if search.status in CLASSES else (low, high)))
    return rest


def cursor_of(key: Key, search: Search) -> str:
    """Asks for what comes behind this row in the same listing."""
    body = _CURSOR.pack(_VERSION, *key, _check(key, search))
    return urlsafe_b64encode(body).decode().rstrip("=")


def opened(cursor: str, search: Search) -> Key | None:
    """Where the page before ended; None: nobody was given this cursor for this listing."""
    if not cursor.isascii() or len(cursor) > 2 * _CURSOR.size:
        return None
    try:
        version, created_ms, id_, check = _CURSOR.unpack(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (ValueError, struct.error):
        return None
    key = (created_ms, id_)
    return key if version == _VERSION and check == _check(key, search) else None


def _check(key: Key, search: Search) -> int:
    """It keeps no secret: a cursor shows nobody more than the listing does."""
    return crc32(repr((key, search)).encode("utf-8", "surrogatepass"))
