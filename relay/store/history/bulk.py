"""
Thousands of rows in one statement. Edge (SQLAlchemy).

PostgreSQL is given new rows by COPY and changes as arrays, a column each, SQLite some hundred rows of parameters at
once. Either way a batch is few steps, so that an event loop beside it has the interpreter to itself: with a step a row,
threads take turns at each.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from itertools import islice
from typing import Any

import asyncpg
import orjson
from sqlalchemy import (
    ARRAY,
    BigInteger,
    Column,
    ColumnElement,
    Integer,
    Select,
    SmallInteger,
    Table,
    any_,
    bindparam,
    func,
    select,
)
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

PARAMETERS = 2_000  # of one statement of SQLite's, which takes 32,766: its gain is over long before
Row = Sequence[Any]


async def insert(connection: AsyncConnection, table: Table, rows: Sequence[Row]) -> None:
    """They are added. `rows` have the table's columns in its order."""
    if connection.dialect.name == "postgresql":
        await _copy(connection, table, rows)
    else:
        await _run(connection, table, rows, "")


async def put(connection: AsyncConnection, table: Table, rows: Sequence[Row], *, by: str) -> None:
    """Each is there as it is given, whether there was one of the same `by` or not."""
    assigned = ", ".join(f"{one.name} = excluded.{one.name}" for one in table.columns if one.name != by)
    await _run(connection, table, rows, f" ON CONFLICT ({by}) DO UPDATE SET {assigned}")


async def add(connection: AsyncConnection, table: Table, rows: Sequence[Row]) -> None:
    """The figures of each are added to those of the row of its key, or are that row."""
    key = ", ".join(one.name for one in table.primary_key.columns)
    figures = [one.name for one in table.columns if not one.primary_key]
    summed = ", ".join(f"{name} = {table.name}.{name} + excluded.{name}" for name in figures)
    await _run(connection, table, rows, f" ON CONFLICT ({key}) DO UPDATE SET {summed}")


async def among(
    connection: AsyncConnection, asked: Select[Any], column: Column[Any], values: Iterable[int | str]
) -> Sequence[Any]:
    """The rows in which a column has one of these values."""
    some = list(values)
    if not some:
        return ()
    one_of: ColumnElement[bool]
    if connection.dialect.name == "postgresql":
        one_of = column == any_(bindparam("some", some, ARRAY(column.type)))
    else:
        each = func.json_each(bindparam("some", orjson.dumps(some).decode())).table_valued("value")
        one_of = column.in_(select(each.c.value))
    rows: Sequence[Any] = (await connection.execute(asked.where(one_of))).all()
    return rows


async def _copy(connection: AsyncConnection, table: Table, rows: Sequence[Row]) -> None:
    """Half of what arrays cost: nothing looks at each value's type. Within the transaction that has begun."""
    if not rows:
        return
    driver = (await connection.get_raw_connection()).driver_connection
    assert driver is not None
    columns = [one.name for one in table.columns]
    try:
        await driver.copy_records_to_table(table.name, records=rows, columns=columns)
    except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:  # as for any other statement
        raise DBAPIError(f"COPY {table.name}", None, error) from error


async def _run(connection: AsyncConnection, table: Table, rows: Sequence[Row], conflict: str) -> None:
    if not rows:
        return
    if connection.dialect.name == "postgresql":
        await connection.exec_driver_sql(_arrays(table) + conflict, tuple(map(list, zip(*rows, strict=True))))
        return
    width = len(table.columns)
    for some in _chunks(rows, PARAMETERS // width):
        flat = tuple(value for row in some for value in row)
        await connection.exec_driver_sql(_values(table, len(some)) + conflict, flat)


def _chunks(rows: Iterable[Row], size: int) -> Iterator[list[Row]]:
    left = iter(rows)
    while some := list(islice(left, size)):
        yield some


@cache
def _arrays(table: Table) -> str:
    arrays = ", ".join(f"${at}::{_type(one.type)}[]" for at, one in enumerate(table.columns, 1))
    return f"INSERT INTO {table.name} ({_names(table)}) SELECT * FROM unnest({arrays})"  # noqa: S608  our own names


@cache
def _values(table: Table, rows: int) -> str:
    row = f"({', '.join('?' * len(table.columns))})"
    return f"INSERT INTO {table.name} ({_names(table)}) VALUES {', '.join([row] * rows)}"  # noqa: S608


def _names(table: Table) -> str:
    return ", ".join(one.name for one in table.columns)


def _type(kind: object) -> str:
    match kind:
        case SmallInteger():
            return "smallint"
        case BigInteger():
            return "bigint"
        case Integer():
            return "integer"
        case _:
            return "text"
