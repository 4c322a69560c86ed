"""
Listings, a delivery with its attempts, how far behind it all is. Edge (SQLAlchemy).

An account is part of every index and of every question, so that a page of one account's never passes over another's
rows. Who may see everything is answered account by account, where there is a subscription or a lead to ask for: they
are one or two.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import orjson
from sqlalchemy import ColumnElement, Select, func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from relay.store.history import bulk
from relay.store.history.listing import SCANNED, Key, Route, cursor_of, holds, route
from relay.store.history.tables import TROUBLED, attempts, deliveries, gaps, partitions
from relay.store.history.values import Age, Delivery, Detail, Gap, Page, Refused, Search

MAX_ACCOUNTS = 16  # that share a subscription's id, or a lead's: each made it anew; more are not looked through
MAX_ATTEMPTS = 1_000  # of one delivery's page, the newest: the schedule makes ten, and people redeliver
RECENT = 100  # looked at for one that is no test
MAX_GAPS = 100  # told of, the newest

_columns = deliveries.c
_key = tuple_(_columns.created_ms, _columns.id)
_newest_first = (_columns.created_ms.desc(), _columns.id.desc())


async def page(
    connection: AsyncConnection, search: Search, *, account: str | None, cursor: str | None, limit: int
) -> Page | Refused:
    """A page of a listing; what is refused is told by field."""
    way = route(search, cursor=cursor, limit=limit)
    if isinstance(way, Refused):
        return way
    found: list[Delivery] = []
    floor: Key | None = None  # nothing below was looked at, in one account or another
    for each in await _accounts(connection, way, account):
        rows, end = await _rows(connection, search, way, each)
        found += rows
        floor = end if floor is None or (end is not None and end > floor) else floor
    found.sort(key=_key_of, reverse=True)
    found = [one for one in found if floor is None or _key_of(one) >= floor]
    if len(found) > limit:
        return Page(deliveries=tuple(found[:limit]), cursor=cursor_of(_key_of(found[limit - 1]), search))
    if floor is None:
        return Page(deliveries=tuple(found), cursor=None)
    return Page(deliveries=tuple(found), cursor=cursor_of(floor, search), searched_to_ms=floor[0])


async def detail(connection: AsyncConnection, delivery_id: str, *, account: str | None) -> Detail | None:
    """A delivery with its attempts, as the log has them; None: there is none that this account may see."""
    if not holds(delivery_id):
        return None
    row = (await connection.execute(select(deliveries).where(_columns.delivery_id == delivery_id))).first()
    if row is None:
        return None
    delivery = Delivery(*row)
    if account is not None and delivery.account_id != account:
        return None
    newest = (attempts.c.started_ms.desc(), attempts.c.id.desc())
    records = select(attempts.c.result).where(attempts.c.delivery == delivery.id).order_by(*newest).limit(MAX_ATTEMPTS)
    told: list[Mapping[str, Any]] = [orjson.loads(one) for one in (await connection.execute(records)).scalars()]
    return Detail(delivery=delivery, attempts=tuple(reversed(told)))


async def delivered(connection: AsyncConnection, delivery_ids: Iterable[str]) -> set[str]:
    """Which of these were ever delivered, whatever came of them since."""
    asked = select(_columns.delivery_id).where(_columns.delivered_ms.is_not(None))
    some = [one for one in delivery_ids if holds(one)]
    return {row[0] for row in await bulk.among(connection, asked, _columns.delivery_id, some)}


async def recent(connection: AsyncConnection, *, account: str | None) -> Delivery | None:
    """The newest of an event that the log has, a test has none; None: the last hundred have none."""
    page_ = await page(connection, Search(), account=account, cursor=None, limit=RECENT)
    assert isinstance(page_, Page)
    return next((one for one in page_.deliveries if one.event_offset is not None), None)


async def age(connection: AsyncConnection) -> Age:
    """How far behind the log it all is."""
    as_of_ms = (await connection.execute(select(func.min(partitions.c.as_of_ms)))).scalar()
    newest = (gaps.c.incarnation.desc(), gaps.c.first_offset.desc(), gaps.c.partition)
    rows = (await connection.execute(select(gaps).order_by(*newest).limit(MAX_GAPS))).all()
    told = (
        Gap(partition=one[0], incarnation=one[1], first_offset=one[2], end_offset=one[3], kind=one[4]) for one in rows
    )
    return Age(as_of_ms=as_of_ms, gaps=tuple(told))


async def _accounts(connection: AsyncConnection, way: Route, account: str | None) -> list[str | None]:
    """Whose rows to look through: those of one account, or of each that has some."""
    if account is not None or way.keyed is None:
        return [account]
    column, value = _columns[way.keyed[0]], way.keyed[1]
    there: list[str | None] = []
    while len(there) < MAX_ACCOUNTS:  # each is the next one in the index; the rows between are not read
        asked = select(func.min(_columns.account_id)).where(column == value)
        if there:
            asked = asked.where(_columns.account_id > there[-1])
        following = (await connection.execute(asked)).scalar()
        if following is None:
            break
        there.append(following)
    return there


async def _rows(
    connection: AsyncConnection, search: Search, way: Route, account: str | None
) -> tuple[list[Delivery], Key | None]:
    """One more than the page takes, newest first; and where the search was cut short, if it was."""
    within = _within(search, way, account)
    if not way.rest:
        asked = select(deliveries).where(*within).order_by(*_newest_first).limit(way.limit + 1)
        return await _fetched(connection, asked), None
    scanned = select(deliveries).where(*within).order_by(*_newest_first).limit(SCANNED).subquery()
    newest_first = (scanned.c.created_ms.desc(), scanned.c.id.desc())
    looked_at = [_is(scanned.c[name], value) for name, value in way.rest]
    rows = await _fetched(connection, select(scanned).where(*looked_at).order_by(*newest_first).limit(way.limit + 1))
    if len(rows) > way.limit:
        return rows, None
    last = select(_columns.created_ms, _columns.id).where(*within).order_by(*_newest_first)
    end = (await connection.execute(last.offset(SCANNED - 1).limit(1))).first()
    return rows, None if end is None else (end[0], end[1])


def _within(search: Search, way: Route, account: str | None) -> list[ColumnElement[bool]]:
    """What an index answers."""
    within: list[ColumnElement[bool]] = []
    if way.keyed is not None:
        within.append(_columns[way.keyed[0]] == way.keyed[1])
    if account is not None:
        within.append(_columns.account_id == account)
    if way.state is not None:
        within += [TROUBLED, _columns.state == way.state.value]
    if search.since_ms is not None:
        within.append(_columns.created_ms >= search.since_ms)
    if way.after is not None:  # which lies before `until_ms`: of two upper bounds SQLite might walk down from the first
        within.append(_key < tuple_(*way.after))
    elif search.until_ms is not None:
        within.append(_columns.created_ms < search.until_ms)
    return within


def _is(column: ColumnElement[Any], value: Any) -> ColumnElement[bool]:  # noqa: ANN401  whatever a column holds
    return column.between(*value) if isinstance(value, tuple) else column == value


async def _fetched(connection: AsyncConnection, asked: Select[Any]) -> list[Delivery]:
    return [Delivery(*row) for row in (await connection.execute(asked)).all()]


def _key_of(one: Delivery) -> Key:
    return (one.created_ms, one.id)
