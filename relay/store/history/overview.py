"""Figures of a time range, from the counts by minute and hour; what stands, from its own. Edge (SQLAlchemy)."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Table, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from relay.errors import Problem
from relay.instants import LATEST_MS
from relay.store.history.listing import holds
from relay.store.history.tables import COUNTED, STANDING, counts, partitions, standing
from relay.store.history.values import (
    ALL,
    BUCKETS_MS,
    HOUR_MS,
    VERDICTS,
    Counts,
    Overview,
    Refused,
    State,
    step_of,
)

MAX_SPARKLINES = 200  # as many as a page has rows

_figures = [func.sum(counts.c[name]) for name in COUNTED]


async def overview(
    connection: AsyncConnection, *, account: str | None, subscription_id: str | None, since_ms: int, until_ms: int
) -> Overview | Refused:
    """
    Figures of a time range.

    Args:
        connection: A transaction.
        account: Whose; None: everybody's.
        subscription_id: Of one; None: of all.
        since_ms: The range's begin: the minute or hour that holds it counts whole.
        until_ms: Its end.
    """
    if not 0 <= since_ms < until_ms <= LATEST_MS:
        return Refused(Problem("until_ms", "is not behind since_ms, or one of them is no time", str(until_ms)))
    step_ms = step_of(until_ms - since_ms)
    asked = (
        select(counts.c.since_ms, *_figures)
        .where(counts.c.step_ms == step_ms, *_whose(counts, account, subscription_id))
        .where(counts.c.since_ms >= since_ms - since_ms % step_ms, counts.c.since_ms < until_ms)
        .group_by(counts.c.since_ms)
        .order_by(counts.c.since_ms)
    )
    series = tuple(_counts(row[0], row[1:]) for row in (await connection.execute(asked)).all())
    stands = [func.sum(standing.c[name]) for name in STANDING]
    row = (await connection.execute(select(*stands).where(*_whose(standing, account, subscription_id)))).one()
    unread = 0
    if account is None and subscription_id is None:
        unread = (await connection.execute(select(func.sum(partitions.c.unreadable)))).scalar() or 0
    return Overview(
        total=_total(since_ms, series),
        series=series,
        standing={state: int(row[state] or 0) for state in State},
        unreadable=int(unread),
    )


async def sparklines(
    connection: AsyncConnection, subscription_ids: Sequence[str], *, account: str | None, since_ms: int
) -> Mapping[str, tuple[Counts, ...]]:
    """By the hour, of each of the first 200 of these; spans without attempts are left out."""
    asked_for = [one for one in subscription_ids if holds(one) and one != ALL][:MAX_SPARKLINES]
    asked = (
        select(counts.c.subscription_id, counts.c.since_ms, *_figures)
        .where(counts.c.step_ms == HOUR_MS, counts.c.subscription_id.in_(asked_for))
        .where(counts.c.since_ms >= since_ms - since_ms % HOUR_MS)
        .group_by(counts.c.subscription_id, counts.c.since_ms)
        .order_by(counts.c.since_ms)
    )
    if account is not None:
        asked = asked.where(counts.c.account_id == account)
    lines: dict[str, tuple[Counts, ...]] = dict.fromkeys(subscription_ids, ())
    for row in (await connection.execute(asked)).all():
        lines[row[0]] += (_counts(row[1], row[2:]),)
    return lines


def _whose(table: Table, account: str | None, subscription_id: str | None) -> list[ColumnElement[bool]]:
    """The rows that hold it: sums of an account's, and of everything, are rows of their own."""
    if subscription_id is not None and (subscription_id == ALL or not holds(subscription_id)):
        return [table.c.subscription_id != table.c.subscription_id]  # there is none of that name
    subscription = table.c.subscription_id == (ALL if subscription_id is None else subscription_id)
    if account is not None:
        return [subscription, table.c.account_id == account]
    return [subscription, table.c.account_id == ALL] if subscription_id is None else [subscription]


def _counts(since_ms: int, figures: Sequence[Any]) -> Counts:
    numbers = [int(one) for one in figures]  # PostgreSQL's sums of bigint are decimals
    verdicts = dict(zip(VERDICTS, numbers, strict=False))
    return Counts(since_ms=since_ms, verdicts=verdicts, buckets=tuple(numbers[len(VERDICTS) :]))


def _total(since_ms: int, series: Iterable[Counts]) -> Counts:
    verdicts = dict.fromkeys(VERDICTS, 0)
    buckets = [0] * (len(BUCKETS_MS) + 1)
    for one in series:
        verdicts = {name: verdicts[name] + one.verdicts[name] for name in VERDICTS}
        buckets = [a + b for a, b in zip(buckets, one.buckets, strict=True)]
    return Counts(since_ms=since_ms, verdicts=verdicts, buckets=tuple(buckets))
