"""
Connections to the store, one writer at a time, and what an error means. Edge (SQLAlchemy).

Whoever writes holds the one lock that there is: of SQLite the file's, of PostgreSQL an advisory one that ends with the
transaction. So what was read in a transaction that writes is still so when it commits, and readers wait for nobody.
"""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.exc import TimeoutError as NoConnection
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from relay.store.history.values import HistoryProblem, Unavailable

BUSY_S = 2.0  # for another writer to finish: a batch takes a quarter of that
CONNECT_S = 5.0  # of PostgreSQL
READ_S = 10.0  # a page that takes longer is of a store in trouble
WRITE_S = 60.0  # a batch, or a migration
READERS = 4  # connections for pages: each is a thread of SQLite's, or a process of PostgreSQL's
LOCK = 0x72656C6179  # "relay": of the advisory locks of a database that may serve others too

SQLITE = {
    "journal_mode": "WAL",  # readers see the last commit while another is made
    "synchronous": "NORMAL",  # a power cut may take the last commits, rows and offsets together: they are read again
    "busy_timeout": round(BUSY_S * 1000),
    "cache_size": -64 * 1024,  # KiB: the upper parts of all indexes of millions of rows
    "wal_autocheckpoint": 16_384,  # pages, 64 MiB: a batch writes a third of it, and each checkpoint waits for a disk
    "journal_size_limit": 128 * 1024 * 1024,
    "temp_store": "MEMORY",
    "secure_delete": "ON",  # what has left is overwritten: a lead was erased, or was too old, for a reason
}
POSTGRESQL = {
    "application_name": "relay",
    "lock_timeout": f"{BUSY_S * 1000:.0f}ms",
    "statement_timeout": f"{WRITE_S:.0f}s",
    "jit": "off",  # of a page it would take longer than the page
    # An index serves every question in its order; statistics of a table that has just grown may say otherwise.
    "enable_seqscan": "off",
    "enable_bitmapscan": "off",
}
OPTIONS = "RELAY_DATABASE_URL: its driver does not take the options that stand behind the question mark"
NO_FILE = (0, 0)  # device and number of none
REFUSED_STATES = ("22", "23", "54")  # PostgreSQL's classes: data, constraints, limits of a row


class Rejected(Exception):
    """The database will never take these rows, whoever sends them how often."""


class Database:
    """The store's engine: opened on first use, closed for good by `close`."""

    def __init__(self, url: str) -> None:
        """
        Raises:
            HistoryProblem: It cannot be a history.
        """
        try:
            self._url = make_url(url)
        except (ArgumentError, ValueError):
            raise HistoryProblem("RELAY_DATABASE_URL: it is no URL of a database") from None
        self.dialect = self._url.get_backend_name()
        self._path = Path(self._url.database or "") if self.dialect == "sqlite" else None
        if self._path is not None and self._path.name in ("", ":memory:"):
            raise HistoryProblem("RELAY_DATABASE_URL: a history in memory is gone with its process: name a file")
        self._file: tuple[int, int] | None = None
        try:
            self._reader = self._engine("BEGIN", READERS)
            self._writer = self._engine("BEGIN IMMEDIATE", 1)
        except (ArgumentError, ValueError):
            raise HistoryProblem(OPTIONS) from None

    def __str__(self) -> str:
        where = {name: said for name, said in self._url.query.items() if name == "host"}  # else it may be a password
        return self._url.set(query=where).render_as_string(hide_password=True)

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """
        A transaction that only reads.

        Raises:
            Unavailable: The store is locked or gone.
        """
        with _told(self):
            async with asyncio.timeout(READ_S), self._reader.begin() as connection:
                yield connection

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncConnection]:
        """
        A transaction of the only writer.

        Raises:
            Unavailable: The store is locked, full or gone; nothing was written.
            Rejected: It will never take what it was given; nothing was written.
        """
        with _told(self):
            async with asyncio.timeout(WRITE_S), self._writer.begin() as connection:
                if self.dialect == "postgresql":
                    await connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({LOCK})")
                yield connection

    def remember(self) -> None:
        """The file that there is now is the one that counts."""
        self._file = self._identity()

    def replaced(self) -> bool:
        """Whether the file is gone, or another than the remembered one: what is written now, nobody would find."""
        return self._file is not None and self._file != self._identity()

    def missing(self) -> bool:
        """Whether there is no file of it; of a server's one it cannot be told so."""
        return self._identity() == NO_FILE

    async def fold(self) -> None:
        """
        Of SQLite: what its log holds is in the file, and the log is empty, so that what was erased is in neither.

        Raises:
            Unavailable: As of `writing`. While somebody reads it stays as it is, and is folded at a later time.
        """
        if self._path is None:
            return
        with _told(self):
            async with asyncio.timeout(WRITE_S), self._writer.connect() as connection:
                driver = (await connection.get_raw_connection()).driver_connection
                assert driver is not None
                await driver.execute_fetchall("PRAGMA wal_checkpoint(TRUNCATE)")  # outside of any transaction

    async def close(self) -> None:
        """All connections are closed; the next use opens new ones."""
        self._file = None
        await self._reader.dispose()
        await self._writer.dispose()

    def _identity(self) -> tuple[int, int] | None:
        if self._path is None:
            return None
        try:
            found = os.stat(self._path)  # noqa: PTH116  the path's own is as blocking, and this is one system call
        except OSError:
            return NO_FILE
        return found.st_dev, found.st_ino

    def _engine(self, begin: str, connections: int) -> AsyncEngine:
        options: dict[str, Any] = {"pool_size": connections, "max_overflow": 0, "pool_timeout": READ_S}
        if self.dialect == "postgresql":
            options |= {"connect_args": {"server_settings": POSTGRESQL, "timeout": CONNECT_S}, "pool_pre_ping": True}
        engine = create_async_engine(self._url, **options)

        @event.listens_for(engine.sync_engine, "do_connect")
        def connected(dialect: Any, _: object, arguments: Any, more: Any) -> Any:  # noqa: ANN401  a driver's
            try:
                return dialect.connect(*arguments, **more)
            except (TypeError, ValueError):
                raise HistoryProblem(OPTIONS) from None

        if self.dialect == "sqlite":
            _tune(engine, begin)
        return engine


def _tune(engine: AsyncEngine, begin: str) -> None:
    """Of SQLite: each connection has its settings, and transactions begin as we say."""

    @event.listens_for(engine.sync_engine, "connect")
    def tuned(connection: Any, _: object) -> None:  # noqa: ANN401  an adapter's
        connection.isolation_level = None  # and not at the first write
        cursor = connection.cursor()
        for name, value in SQLITE.items():
            cursor.execute(f"PRAGMA {name}={value}")
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def begun(connection: Any) -> None:  # noqa: ANN401
        connection.exec_driver_sql(begin)


class _told:  # noqa: N801  reads as a function
    """What a driver raises, as what it means to us."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def __enter__(self) -> None:
        pass

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if isinstance(error, OverflowError) or (isinstance(error, DBAPIError) and _refused(error)):
            raise Rejected(_short(error)) from error
        if isinstance(error, DBAPIError | NoConnection | OSError | TimeoutError):
            raise Unavailable(f"the history's database {self._database} does not answer: {_short(error)}") from error


def _refused(error: DBAPIError) -> bool:
    state = getattr(error.orig, "sqlstate", None)
    if state:
        return str(state)[:2] in REFUSED_STATES
    origin = error.orig
    cause = origin if origin is None or origin.__cause__ is None else origin.__cause__
    return type(cause).__name__ in ("DataError", "IntegrityError")


def _short(error: BaseException) -> str:
    """Without statement and parameters, which hold people's data."""
    cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    text = str(cause) or type(cause).__name__
    return text.splitlines()[0][:300]
