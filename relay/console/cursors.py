"""Cursors of listings that are in memory: where the page before ended. Pure. Nobody has to have been given one."""

from base64 import urlsafe_b64decode, urlsafe_b64encode

import orjson

from relay.errors import Invalid, Problem
from relay.model import Subscription

MAX_CURSOR = 400  # characters: a time and an id of 64
Key = tuple[str, str]


def key_of(one: Subscription) -> Key:
    """Where a subscription stands in a listing: by when it was made, and its id."""
    return one.created_at, one.id


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
