"""
What leaves the store: the old, the oldest when there is too much, a lead that is erased. Edge (SQLAlchemy).

By the few hundred a transaction, so that the projection, which waits for each, is held up for a blink; readers are not.
The counts by minute and hour stay for as long as the age says, whatever left for its size: they name nobody.
"""

from collections.abc import Sequence

from sqlalchemy import ColumnElement, delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from relay.store.history import bulk
from relay.store.history.folding import standing as changes
from relay.store.history.listing import holds
from relay.store.history.tables import STANDING, attempts, counts, deliveries, standing, unreadable
from relay.store.history.values import ALL, HOUR_MS, MINUTE_MS, Delivery

AT_ONCE = 500  # deliveries of one transaction: some 50 ms
ROW_BYTES = 1_500  # what a delivery takes besides its records: rows, indexes, counts, as measured with a million
UNREADABLE_KEPT = 10_000  # places of records that could not be read; the count goes on


async def older(connection: AsyncConnection, before_ms: int) -> int:
    """Some of the deliveries that began before are gone, the oldest first; how many."""
    return await _remove(connection, await _oldest(connection, deliveries.c.created_ms < before_ms, AT_ONCE))


async def excess(connection: AsyncConnection, max_bytes: int) -> int:
    """Some of the oldest deliveries are gone when all take more than so many bytes; how many."""
    rows = select(standing).where(standing.c.subscription_id == ALL, standing.c.account_id == ALL)
    all_ = (await connection.execute(rows)).first()
    if all_ is None:
        return 0
    there = sum(getattr(all_, name) for name in STANDING)
    taken = all_.bytes + there * ROW_BYTES
    if taken <= max_bytes:
        return 0
    most = min(AT_ONCE, max(1, int((taken - max_bytes) * there / taken)))
    return await _remove(connection, await _oldest(connection, deliveries.c.id >= 0, most))


async def lead(connection: AsyncConnection, lead_id: str) -> int:
    """Some of the deliveries of this lead are gone; how many."""
    if not holds(lead_id):
        return 0
    return await _remove(connection, await _oldest(connection, deliveries.c.lead_id == lead_id, AT_ONCE))


async def figures(connection: AsyncConnection, before_ms: int) -> None:
    """Counts of minutes and hours before are gone, and places of records that nobody will look up any more."""
    holders = (await connection.execute(select(standing.c.subscription_id, standing.c.account_id))).all()
    for subscription_id, account_id in holders:
        for step_ms in (MINUTE_MS, HOUR_MS):
            old = (counts.c.step_ms == step_ms, counts.c.since_ms < before_ms - before_ms % step_ms)
            of = (counts.c.subscription_id == subscription_id, counts.c.account_id == account_id)
            await connection.execute(delete(counts).where(*old, *of))
    kept = select(unreadable.c.id).order_by(unreadable.c.id.desc()).offset(UNREADABLE_KEPT).limit(1).scalar_subquery()
    await connection.execute(delete(unreadable).where(unreadable.c.id <= kept))


async def _oldest(connection: AsyncConnection, which: ColumnElement[bool], most: int) -> list[Delivery]:
    oldest_first = (deliveries.c.created_ms, deliveries.c.id)
    rows = await connection.execute(select(deliveries).where(which).order_by(*oldest_first).limit(most))
    return [Delivery(*row) for row in rows.all()]


async def _remove(connection: AsyncConnection, gone: Sequence[Delivery]) -> int:
    """They and their attempts are gone, and nothing that stands counts them."""
    if gone:
        ids = [one.id for one in gone]
        await connection.execute(delete(attempts).where(attempts.c.delivery.in_(ids)))
        await connection.execute(delete(deliveries).where(deliveries.c.id.in_(ids)))
        await bulk.add(
            connection, standing, [(*holder, *line) for holder, line in changes((one, None) for one in gone).items()]
        )
    return len(gone)
