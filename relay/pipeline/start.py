"""
Where reading begins (DESIGN.md section 3). Nothing is left to the client's reset policy.

A group without any offset starts where it was told to; a new partition of a known group at its beginning; a position
that the log no longer holds at what is left, and what was passed over is told.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError, KafkaTimeoutError

from relay.ending import let_go
from relay.pipeline.covered import Lost
from relay.pipeline.holdings import Found, Partition
from relay.pipeline.ledger import NOTHING, Commit, Ledger
from relay.pipeline.offsets import committed
from relay.pipeline.settled import Print, Settled, decode, print_of

log = structlog.get_logger()

ESTABLISH_S = 15.0  # for a handful of questions; aiokafka itself would ask for ever
AGAIN_S = 0.2  # between questions that the broker cannot answer yet
PEEK_S = 10.0  # for one record of each partition, the connection included
PEEKS = 2  # a slow broker is asked once more: without its map a partition repeats up to 20,000 deliveries
PEEK_BYTES = 1  # a partition: the broker sends one batch whole all the same (KIP-74), and more is not looked at


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


class Logs(Protocol):
    """What is asked of the group's consumer."""

    async def committed_with_metadata(self, partitions: Sequence[Partition]) -> dict[Partition, Commit]: ...

    async def bounds(self, partitions: Sequence[Partition]) -> dict[Partition, tuple[int, int]]: ...


Peek = Callable[[Mapping[Partition, int]], Awaitable[dict[Partition, Print | None]]]


async def resumption(
    consumer: Logs, look: Peek, partitions: Sequence[Partition], *, known: Mapping[Partition, Ledger]
) -> AsyncIterator[tuple[Partition, Resumption]]:
    """
    Where partitions go on by the broker's word, each committed offset and its metadata read in one: each as soon as it
    is known, those whose map must be proved last. One that no broker leads, or tells of in time, is left out.

    A map counts only if the record at its top is fetched and is the one that it was made of.

    Args:
        consumer: The group's, which holds the partitions.
        look: At the records at the tops of maps: `peek`.
        partitions: To be read on.
        known: Ledgers that recognise what they sent; their maps need no proof.

    Raises:
        KafkaError: The broker is in trouble; ask again for what is left.
    """
    helds = await consumer.committed_with_metadata(partitions)
    bounds = await consumer.bounds(partitions)
    maps: dict[Partition, Settled] = {}
    for at, (begin, end) in bounds.items():
        held, ledger = helds.get(at, NOTHING), known.get(at)
        settled = None if ledger is not None and ledger.recognises(held) else _claimed(at, held, begin, end)
        if settled is not None:
            maps[at] = settled
        else:
            yield at, _resumption(at, held, begin, end)
    for _ in range(PEEKS if maps else 0):
        for at, print_ in (await look({at: one.top for at, one in maps.items()})).items():
            settled = maps.pop(at)
            if print_ != settled.print:
                _refuse(at, helds[at])
            yield at, _resumption(at, helds[at], *bounds[at], settled if print_ == settled.print else None)
    unproven = await consumer.bounds(list(maps)) if maps else {}  # their leaders are well, and have no such record
    for at, (begin, end) in unproven.items():
        log.warning("map.unproven", topic=at[0], partition=at[1], offset=helds[at].offset)
        yield at, _resumption(at, helds[at], begin, end)


def _claimed(at: Partition, held: Commit, begin: int, end: int) -> Settled | None:
    """The map that came with a commit, if it may be one of this log."""
    if not held.metadata or held.offset < begin:
        return None
    settled = decode(held.metadata, held.offset)
    if settled is not None and settled.top < end:
        return settled
    _refuse(at, held)
    return None


def _refuse(at: Partition, held: Commit) -> None:
    log.warning("map.refused", topic=at[0], partition=at[1], offset=held.offset)


def _resumption(at: Partition, held: Commit, begin: int, end: int, settled: Settled | None = None) -> Resumption:
    if held.offset > end:
        log.error("log.replaced", topic=at[0], partition=at[1], committed=held.offset, begin=begin, end=end)
    start = start_offset(None if held == NOTHING else held.offset, begin=begin, end=end)
    lost = Lost(*at, held.offset, begin) if 0 <= held.offset < begin else None
    return Resumption(Found(held=held, start=start, settled=settled), lost)


async def peek(settings: Mapping[str, Any], tops: Mapping[Partition, int]) -> dict[Partition, Print | None]:
    """
    The fingerprint of the record at each of these offsets; None where the log holds another record instead. Left out
    is what does not come in time: the broker is slow, or nothing but aborted transactions stands there any more, in a
    log that was made anew.

    Raises:
        KafkaError: The broker is in trouble.
    """
    found: dict[Partition, Print | None] = {}
    if not tops:
        return found
    consumer = AIOKafkaConsumer(
        **settings,
        enable_auto_commit=False,
        auto_offset_reset="none",
        isolation_level="read_committed",
        max_partition_fetch_bytes=PEEK_BYTES,
    )
    connected = False
    try:
        async with asyncio.timeout(PEEK_S):
            await consumer.start()
            connected = True
            left = {TopicPartition(*at) for at in tops}
            consumer.assign(list(left))
            for at, top in tops.items():
                consumer.seek(TopicPartition(*at), top)
            while left:
                for tp, records in (await consumer.getmany(*left, timeout_ms=int(PEEK_S * 1000))).items():
                    at = (tp.topic, tp.partition)
                    found[at] = print_of(records[0]) if records[0].offset == tops[at] else None
                    left.discard(tp)
                    consumer.pause(tp)
    except TimeoutError:
        if not connected:
            raise KafkaTimeoutError(f"no connection to look at {len(tops)} records within {PEEK_S:.0f} s") from None
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
