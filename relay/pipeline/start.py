"""
Where reading begins (DESIGN.md section 3). Nothing is left to the client's reset policy.

A group without any offset starts where it was told to; a new partition of a known group at its beginning; a position
that the log no longer holds at what is left, and what was passed over is told.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Lost:
    """A range that the log no longer held when it was this group's turn to read it."""

    topic: str
    partition: int
    first: int
    end: int  # exclusive


def start_offset(committed: int | None, *, begin: int, end: int) -> int:
    """
    Where reading a partition begins.

    A partition of a known group without an offset is new: its beginning. An offset that the log does not hold
    (retention passed it, or the log was cut or made anew) is none of its own: its beginning too, for better sent
    twice than never.
    """
    return begin if committed is None or not begin <= committed <= end else committed


async def establish_start(
    settings: Mapping[str, Any], group: str, topics: Sequence[str], start: str | int, partitions: Mapping[str, int]
) -> bool:
    """
    The group has offsets: one without any starts where it was told to, and that is committed before its first event.

    Committed from outside the group, which the broker takes only while it has no members; so of several workers that
    start at once none can overwrite where another has begun.

    Args:
        settings: Of the client.
        group: RELAY_GROUP.
        topics: The events topics.
        start: RELAY_START: latest, earliest, or epoch milliseconds.
        partitions: How many each topic has.

    Returns:
        Whether the group was new.
    """
    consumer = AIOKafkaConsumer(**settings, group_id=group, enable_auto_commit=False, isolation_level="read_committed")
    await consumer.start()
    try:
        everything = [TopicPartition(topic, number) for topic in topics for number in range(partitions[topic])]
        consumer.assign(everything)
        if await consumer._coordinator.fetch_committed_offsets(everything):  # noqa: SLF001  the public one asks singly
            return False
        ends = await consumer.end_offsets(everything)
        if start == "latest":
            offsets = ends
        elif start == "earliest":
            offsets = await consumer.beginning_offsets(everything)
        else:
            found = await consumer.offsets_for_times(dict.fromkeys(everything, start))
            offsets = {tp: at.offset if (at := found.get(tp)) else ends[tp] for tp in everything}
        try:
            await consumer.commit(offsets)
        except KafkaError:
            if await consumer._coordinator.fetch_committed_offsets(everything):  # noqa: SLF001
                return False  # another worker was first, and has joined
            raise
        log.info(
            "group.started",
            group=group,
            start=start,
            offsets={f"{t.topic}/{t.partition}": o for t, o in offsets.items()},
        )
        return True
    finally:
        await consumer.stop()
