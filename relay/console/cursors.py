"""
Listings of subscriptions that are in memory: their order, and cursors, where the page before ended. Pure. Nobody has to
have been given one.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from bisect import bisect_left, insort
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from relay.errors import Invalid, Problem
from relay.model import Subscription, SubscriptionId
from relay.store.edits import Stored, last

MAX_CURSOR = 400  # characters: a time and an id of 64
Key = tuple[str, str]


def key_of(one: Subscription) -> Key:
    """Where a subscription stands in a listing: by when it was made, and its id."""
    return one.created_at, one.id


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionPage:
    """Part of a listing, newest first."""

    items: tuple[dict[str, Any], ...]
    cursor: str | None  # asks for what follows; None: this is the end


class Newest:
    """All that were ever readable, newest first. Kept in order as they change: there are tens of thousands."""

    def __init__(self, stored: Mapping[SubscriptionId, Stored] | None = None) -> None:
        self._keys = sorted(key_of(one) for one in map(last, (stored or {}).values()) if one)  # the oldest first

    def change(self, before: Stored | None, now: Stored | None) -> None:
        """One of them was this, and is that; None: it was, or is, not there."""
        old, new = last(before), last(now)
        if old is not None:
            del self._keys[bisect_left(self._keys, key_of(old))]
        if new is not None:
            insort(self._keys, key_of(new))

    def behind(self, after: Key | None) -> Iterator[SubscriptionId]:
        """Those that come behind this place; None: all. As they are now, also while they change."""
        end = len(self._keys) if after is None else bisect_left(self._keys, after)
        return (SubscriptionId(id_) for _, id_ in reversed(self._keys[:end]))


def written(one: Subscription) -> str:
    """Asks for what follows behind this one."""
    return urlsafe_b64encode(orjson.dumps(key_of(one))).decode().rstrip("=")


def opened(cursor: str) -> Key:
    """
    Where the page before ended.

    Raises:
        Invalid: It is none of ours.
    """
    try:
        if len(cursor) > MAX_CURSOR:
            raise ValueError  # noqa: TRY301  one place tells all of them
        created_at, id_ = orjson.loads(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        if type(created_at) is not str or type(id_) is not str:
            raise ValueError  # noqa: TRY301
    except (ValueError, TypeError):
        raise Invalid(Problem("cursor", "is none of this listing: begin again without", cursor[:100])) from None
    return created_at, id_
