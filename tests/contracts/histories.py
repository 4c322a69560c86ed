"""Histories to test: opened, asked for everything, and compared row by row."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy import select

from relay.store.history.database import Database
from relay.store.history.port import History
from relay.store.history.store import SqlHistory
from relay.store.history.tables import metadata, partitions
from relay.store.history.values import Delivery, Page, Search


@asynccontextmanager
async def history(url: str) -> AsyncIterator[SqlHistory]:
    """One that is ready."""
    one = SqlHistory(url)
    await one.prepare()
    try:
        yield one
    finally:
        await one.close()


async def dump(url: str) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table, but for when each partition was last looked at."""
    database = Database(url)
    tables: dict[str, list[tuple[Any, ...]]] = {}
    try:
        async with database.reading() as connection:
            for table in metadata.sorted_tables:
                columns = [one for one in table.columns if one is not partitions.c.as_of_ms]
                rows = await connection.execute(select(*columns).order_by(*table.primary_key.columns))
                tables[table.name] = [tuple(row) for row in rows.all()]
    finally:
        await database.close()
    return tables


async def everything(store: History, search: Search, *, account: str | None, limit: int = 7) -> list[Delivery]:
    """All pages of a listing."""
    found: list[Delivery] = []
    cursor: str | None = None
    while True:
        page = await store.deliveries(search, account=account, cursor=cursor, limit=limit)
        assert isinstance(page, Page), page
        found += page.deliveries
        cursor = page.cursor
        if cursor is None:
            return found
