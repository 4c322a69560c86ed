"""
A batch of the log in one transaction: its rows, and how far its partitions are then. Edge (SQLAlchemy).

A partition moves on from where the batch says that it stood, or nothing is written: so a record is in the store once,
whoever else reads the log, and however often.
"""

from typing import Any

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from relay.store.history import bulk
from relay.store.history.folding import fold
from relay.store.history.tables import attempts, counts, deliveries, gaps, partitions, standing, unreadable
from relay.store.history.values import Batch, Delivery, Gap, HistoryProblem, Mark, Position


class Overtaken(Exception):
    """Another projector has moved a partition on; nothing was written."""


async def positions(connection: AsyncConnection, topic: str) -> dict[int, Position]:
    """
    How far each partition is.

    Raises:
        HistoryProblem: It is the history of another topic.
    """
    there: dict[int, Position] = {}
    for row in (await connection.execute(select(partitions))).all():
        number, of, incarnation, next_offset, mark_offset, timestamp, crc, as_of_ms, unread = row
        if of != topic:
            raise HistoryProblem(
                f"the history's database holds that of the topic {of}, not of {topic}: "
                "RELAY_DATABASE_URL must name another one for each RELAY_TOPIC_PREFIX"
            )
        there[number] = Position(
            partition=number,
            incarnation=incarnation,
            next_offset=next_offset,
            mark=None if mark_offset is None else Mark(offset=mark_offset, timestamp=timestamp, crc=crc),
            as_of_ms=as_of_ms,
            unreadable=unread,
        )
    return there


async def write(connection: AsyncConnection, topic: str, batch: Batch) -> None:
    """
    The batch is in the store.

    Raises:
        Overtaken: A partition stands elsewhere by now.
    """
    there = await positions(connection, topic)
    for before, _ in batch.moves:
        stands = there.get(before.partition, Position(partition=before.partition))
        if (stands.incarnation, stands.next_offset) != (before.incarnation, before.next_offset):
            raise Overtaken
    await bulk.put(connection, partitions, [_moved(topic, after) for _, after in batch.moves], by="partition")
    await bulk.insert(connection, gaps, [_gap(one) for one in batch.gaps])
    await bulk.insert(connection, unreadable, batch.unreadable)
    if batch.attempts:
        await _rows(connection, batch)


async def _rows(connection: AsyncConnection, batch: Batch) -> None:
    idents = {alone.delivery_id for _, alone in batch.attempts}
    there = [
        Delivery(*row) for row in await bulk.among(connection, select(deliveries), deliveries.c.delivery_id, idents)
    ]
    asked = select(attempts.c.delivery, attempts.c.attempt_id)
    known = await bulk.among(connection, asked, attempts.c.delivery, {one.id for one in there})
    folded = fold(batch.attempts, there=there, known=[(row[0], row[1]) for row in known])
    for before, after in folded.moved:
        await connection.execute(update(attempts).where(attempts.c.delivery == before).values(delivery=after))
    await bulk.insert(connection, attempts, folded.attempts)
    there_ids = {one.delivery_id for one in there}
    await bulk.insert(connection, deliveries, [one for one in folded.deliveries if one.delivery_id not in there_ids])
    changed = [one for one in folded.deliveries if one.delivery_id in there_ids]
    await bulk.put(connection, deliveries, changed, by="delivery_id")
    await bulk.add(connection, counts, [(*span, *line) for span, line in folded.counts.items()])
    await bulk.add(connection, standing, [(*holder, *line) for holder, line in folded.standing.items()])


def _moved(topic: str, at: Position) -> tuple[Any, ...]:
    mark = (None, None, None) if at.mark is None else (at.mark.offset, at.mark.timestamp, at.mark.crc)
    return (at.partition, topic, at.incarnation, at.next_offset, *mark, at.as_of_ms, at.unreadable)


def _gap(gap: Gap) -> tuple[Any, ...]:
    return (gap.partition, gap.incarnation, gap.first_offset, gap.end_offset, gap.kind)
