"""Webhook Names of ids, as far as somebody may see them. Edge."""

from collections.abc import Iterable

from relay.console.pages.visit import Visit
from relay.errors import Conflict, NotFound, Unreachable

MOST = 200  # of a list to choose from; others are found by the page of the webhook


async def names(visit: Visit, ids: Iterable[str]) -> dict[str, str]:
    """Those that are known; a webhook that was deleted, or cannot be asked for now, goes by its id."""
    known: dict[str, str] = {}
    for one in set(ids):
        try:
            known[one] = await visit.desk.name(visit.who, one)
        except (NotFound, Conflict, Unreachable):
            continue
    return known


async def every_name(visit: Visit, also: Iterable[str | None]) -> dict[str, str]:
    """Those of the newest webhooks, to choose from, and of these."""
    try:
        known = await visit.desk.newest_names(visit.who, limit=MOST)
    except Unreachable:
        return {}
    return known | await names(visit, {one for one in also if one and one not in known})
