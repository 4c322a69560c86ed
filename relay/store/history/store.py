"""One history in one database, SQLite's or PostgreSQL's: what the projector and the console use. Edge (SQLAlchemy)."""

import dataclasses
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence

from sqlalchemy import inspect

from relay.errors import Invalid
from relay.store.history import overview, pruning, reading, writing
from relay.store.history.database import Database, Rejected
from relay.store.history.listing import MAX_LIMIT
from relay.store.history.migrations import migrate
from relay.store.history.tables import partitions
from relay.store.history.values import (
    ALL,
    Age,
    Attempt,
    Batch,
    Counts,
    Delivery,
    Detail,
    Overview,
    Page,
    Position,
    Refused,
    Search,
    Unavailable,
    Unreadable,
    partition_of,
)

Read = Sequence[tuple[Attempt, Delivery]]


class _Trial(Exception):
    """The rows would be taken; what was written is rolled back."""


class SqlHistory:
    """
    A `values.History`, and what a projector needs of it.

    Raises:
        Unavailable: From every method: the store is locked, full or gone, and is as it was.
    """

    def __init__(self, url: str) -> None:
        """
        Args:
            url: RELAY_DATABASE_URL.

        Raises:
            HistoryProblem: It cannot be a history.
        """
        self._database = Database(url)

    def __str__(self) -> str:
        """Its URL, without a password."""
        return str(self._database)

    async def prepare(self) -> None:
        """
        The tables are there.

        Raises:
            HistoryProblem: They are of a newer relay.
        """
        if self._database.replaced():
            await self._database.close()
        async with self._database.writing() as connection:
            await migrate(connection)
        self._database.remember()

    async def exists(self) -> bool:
        """Whether there is one that somebody has prepared; none is made by asking."""
        if self._database.missing():
            return False
        async with self._database.reading() as connection:
            return await connection.run_sync(lambda one: inspect(one).has_table(partitions.name))

    def replaced(self) -> bool:
        """Whether the database's file is another one, or gone, since `prepare`: what is written, nobody would find."""
        return self._database.replaced()

    async def close(self) -> None:
        """All connections are closed."""
        await self._database.close()

    async def positions(self, topic: str) -> dict[int, Position]:
        """
        How far each partition of the topic is in here.

        Raises:
            HistoryProblem: It is the history of another topic.
        """
        async with self._database.reading() as connection:
            return await writing.positions(connection, topic)

    async def write(self, topic: str, batch: Batch) -> Sequence[Unreadable]:
        """
        The batch is in the store, all of it or nothing; what the database will never take is counted as unreadable.

        Returns:
            What it did not take.

        Raises:
            Overtaken: Another projector is at work.
        """
        try:
            await self._write(topic, batch)
        except Rejected as why:
            refused = await self._refused(topic, batch, batch.attempts)
            if not refused:  # it is not the rows
                raise Unavailable(f"the history's database takes nothing: {why}") from None
            await self._write(topic, _without(batch, refused))
            return refused
        return ()

    async def deliveries(
        self, search: Search, *, account: str | None, cursor: str | None, limit: int
    ) -> Page | Refused:
        """A page of a listing, newest first."""
        async with self._database.reading() as connection:
            return await reading.page(connection, search, account=_named(account), cursor=cursor, limit=limit)

    async def delivery(self, delivery_id: str, *, account: str | None) -> Detail | None:
        """One with its attempts; None: there is none that this account may see."""
        async with self._database.reading() as connection:
            return await reading.detail(connection, delivery_id, account=_named(account))

    async def every(self, search: Search, *, account: str | None) -> AsyncIterator[Delivery]:
        """
        All of a listing, newest first, page by page: each is a question of its own, and holds up nobody.

        Raises:
            Invalid: The question cannot be answered as it was put.
        """
        cursor: str | None = None
        while True:
            page = await self.deliveries(search, account=account, cursor=cursor, limit=MAX_LIMIT)
            if isinstance(page, Refused):
                raise Invalid(page.problem)
            for one in page.deliveries:
                yield one
            if page.cursor is None:
                return
            cursor = page.cursor

    async def delivered(self, delivery_ids: Iterable[str]) -> set[str]:
        """Which of these were ever delivered."""
        async with self._database.reading() as connection:
            return await reading.delivered(connection, delivery_ids)

    async def recent(self, *, account: str | None) -> Delivery | None:
        """The newest of an event that the log has, not of a test; None: there is none lately."""
        async with self._database.reading() as connection:
            return await reading.recent(connection, account=_named(account))

    async def overview(
        self, *, account: str | None, subscription_id: str | None, since_ms: int, until_ms: int
    ) -> Overview | Refused:
        """Figures of a time range, and what stands now."""
        async with self._database.reading() as connection:
            return await overview.overview(
                connection,
                account=_named(account),
                subscription_id=subscription_id,
                since_ms=since_ms,
                until_ms=until_ms,
            )

    async def sparklines(
        self, subscription_ids: Sequence[str], *, account: str | None, since_ms: int
    ) -> Mapping[str, tuple[Counts, ...]]:
        """By the hour, of each of these."""
        async with self._database.reading() as connection:
            return await overview.sparklines(connection, subscription_ids, account=_named(account), since_ms=since_ms)

    async def age(self) -> Age:
        """How far behind the log it is."""
        async with self._database.reading() as connection:
            return await reading.age(connection)

    async def erase(self, lead_id: str) -> int:
        """Everything of this lead is gone; how many deliveries that were."""
        erased = 0
        while True:
            async with self._database.writing() as connection:
                gone = await pruning.lead(connection, lead_id)
            erased += gone
            if not gone:
                break
        await self._database.fold()
        return erased

    async def prune(self, *, before_ms: int, max_bytes: int | None) -> int:
        """
        Some of what began before is gone, or else of what takes more room than it may, the oldest first.

        Returns:
            How many deliveries; once it is 0 there is no more to do, and the figures of that time are gone too.
        """
        async with self._database.writing() as connection:
            gone = await pruning.older(connection, before_ms)
            if not gone and max_bytes is not None:
                gone = await pruning.excess(connection, max_bytes)
            if not gone:
                await pruning.figures(connection, before_ms)
        return gone

    async def _write(self, topic: str, batch: Batch, *, trial: bool = False) -> None:
        async with self._database.writing() as connection:
            await writing.write(connection, topic, batch)
            if trial:
                raise _Trial

    async def _refused(self, topic: str, batch: Batch, some: Read) -> list[Unreadable]:
        """Which of some attempts the database will not take: halves are tried, and halves of those."""
        if not some:
            return []
        try:
            await self._write(topic, dataclasses.replace(batch, attempts=some, unreadable=()), trial=True)
        except _Trial:
            return []
        except Rejected as why:
            if len(some) == 1:
                ((attempt, alone),) = some
                return [Unreadable(attempt.id, f"the database refuses it: {why}", alone.bytes)]
        middle = len(some) // 2
        return [*await self._refused(topic, batch, some[:middle]), *await self._refused(topic, batch, some[middle:])]


def _without(batch: Batch, refused: Sequence[Unreadable]) -> Batch:
    places = {one.id for one in refused}
    more = Counter(partition_of(id_) for id_ in places)
    return dataclasses.replace(
        batch,
        attempts=[one for one in batch.attempts if one[0].id not in places],
        unreadable=[*batch.unreadable, *refused],
        moves=[
            (before, dataclasses.replace(after, unreadable=after.unreadable + more[after.partition]))
            for before, after in batch.moves
        ],
    )


def _named(account: str | None) -> str | None:
    """An account without a name would be that of everything."""
    if account == ALL:
        raise ValueError("an account has a name; None is for whoever may see everything")
    return account
