"""
Where reading begins (DESIGN.md section 3). Nothing is left to the client's reset policy.

A group without any offset starts where it was told to; a new partition of a known group at its beginning; a position
that the log no longer holds at what is left, and what was passed over is told.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError, KafkaTimeoutError

from relay.ending import let_go
from relay.pipeline.client import Client
from relay.pipeline.holdings import Found, Partition
from relay.pipeline.ledger import NOTHING, Ledger
from relay.pipeline.offsets import committed
from relay.pipeline.settled import Print, Settled, decode, print_of

log = structlog.get_logger()

ESTABLISH_S = 15.0  # for a handful of questions; aiokafka itself would ask for ever
AGAIN_S = 0.2  # between questions that the broker cannot answer yet
PEEK_S = 10.0  # for one record of each partition
PEEK_BYTES = 1  # a partition: the broker sends one batch whole all the same (KIP-74), and more is not looked at


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


@dataclass(frozen=True, slots=True)
class Resumption:
    """Where a partition goes on, and what retention took before it could."""

    found: Found
    lost: Lost | None = None


async def resumption(
    consumer: Client,
    settings: Mapping[str, Any],
    partitions: Sequence[Partition],
    *,
    known: Mapping[Partition, Ledger],
) -> dict[Partition, Resumption]:
    """
    Where each of these partitions goes on by the broker's word, each committed offset and its metadata read in one.

    A map counts only if the record at its top is fetched and is the one that it was made of.

    Args:
        consumer: The group's, which holds the partitions.
        settings: Of the client.
        partitions: To be read on.
        known: Ledgers that recognise what they sent; their maps need no proof.

    Raises:
        KafkaError: The broker is in trouble; ask again.
    """
    at = [TopicPartition(*one) for one in partitions]
    helds = await consumer.committed_with_metadata(partitions)
    begins, ends = await consumer.beginning_offsets(at), await consumer.end_offsets(at)
    maps: dict[TopicPartition, Settled] = {}
    for tp, held in ((TopicPartition(*one), held) for one, held in helds.items()):
        one = known.get((tp.topic, tp.partition))
        if (one is None or not one.recognises(held)) and begins[tp] <= held.offset:
            settled = decode(held.metadata, held.offset) if held.metadata else None
            if settled is not None and settled.top < ends[tp]:
                maps[tp] = settled
            elif held.metadata:
                log.warning("map.refused", topic=tp.topic, partition=tp.partition, offset=held.offset)
    prints = await _peek(settings, {tp: one.top for tp, one in maps.items()})
    found: dict[Partition, Resumption] = {}
    for tp in at:
        held, settled = helds.get((tp.topic, tp.partition), NOTHING), maps.get(tp)
        if settled is not None and prints.get(tp) != settled.print:
            log.warning("map.refused", topic=tp.topic, partition=tp.partition, offset=held.offset)
            settled = None
        offset = None if held == NOTHING else held.offset
        start = start_offset(offset, begin=begins[tp], end=ends[tp])
        if offset is not None and offset > ends[tp]:
            where = {"topic": tp.topic, "partition": tp.partition}
            log.error("log.replaced", **where, committed=offset, begin=begins[tp], end=ends[tp])
        lost = Lost(tp.topic, tp.partition, held.offset, begins[tp]) if 0 <= held.offset < begins[tp] else None
        found[tp.topic, tp.partition] = Resumption(Found(held=held, start=start, settled=settled), lost)
    return found


async def _peek(settings: Mapping[str, Any], tops: Mapping[TopicPartition, int]) -> dict[TopicPartition, Print]:
    """
    The fingerprint of the record at each of these offsets; none where the log holds no such record, or brings none in
    time: nothing but aborted transactions may stand there, for a log that was made anew.

    Raises:
        KafkaError: The broker is in trouble.
    """
    found: dict[TopicPartition, Print] = {}
    if not tops:
        return found
    consumer = AIOKafkaConsumer(
        **settings,
        enable_auto_commit=False,
        auto_offset_reset="none",
        isolation_level="read_committed",
        max_partition_fetch_bytes=PEEK_BYTES,
    )
    try:
        async with asyncio.timeout(PEEK_S):
            await consumer.start()
            consumer.assign(list(tops))
            for tp, top in tops.items():
                consumer.seek(tp, top)
            left = set(tops)
            while left:
                for tp, records in (await consumer.getmany(*left, timeout_ms=int(PEEK_S * 1000))).items():
                    if records[0].offset == tops[tp]:
                        found[tp] = print_of(records[0])
                    left.discard(tp)
                    consumer.pause(tp)
    except TimeoutError:
        log.warning("map.unproven", partitions=len(tops) - len(found))
    finally:
        await let_go(consumer.stop())
    return found


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

    Raises:
        KafkaError: The broker is in trouble, or does not answer in time.
    """
    try:
        async with asyncio.timeout(ESTABLISH_S):
            return await _established(settings, group, topics, start, partitions)
    except TimeoutError:
        raise KafkaTimeoutError(f"no answer about the group {group} within {ESTABLISH_S:.0f} s") from None


async def _established(
    settings: Mapping[str, Any], group: str, topics: Sequence[str], start: str | int, partitions: Mapping[str, int]
) -> bool:
    consumer = AIOKafkaConsumer(**settings, group_id=group, enable_auto_commit=False, isolation_level="read_committed")
    try:
        await consumer.start()
        everything = [TopicPartition(topic, number) for topic in topics for number in range(partitions[topic])]
        consumer.assign(everything)
        if await _any_committed(consumer, everything):
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
            if await _any_committed(consumer, everything):
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
        await let_go(consumer.stop())


async def _any_committed(consumer: AIOKafkaConsumer, everything: Sequence[TopicPartition]) -> bool:
    """Whether the group has offsets; asked again while its coordinator is not ready to say."""
    while True:
        try:
            coordinator = consumer._coordinator  # noqa: SLF001  the public `committed` asks singly, and may be told of old
            return bool(await committed(coordinator, [(tp.topic, tp.partition) for tp in everything]))
        except KafkaError as error:
            if not error.retriable:
                raise
            await asyncio.sleep(AGAIN_S)
