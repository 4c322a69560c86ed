"""
Records of a log by their coordinates. Edge (aiokafka).

No group, nothing committed, nothing reset: a record is there, or the answer says why not. Topics are listed before one
is asked for by name, for that could create it.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError, OffsetOutOfRangeError

from relay.broker import Broker, kafka_settings
from relay.config import Config
from relay.ending import begin, let_go
from relay.errors import Unreachable
from relay.model import Record, Source
from relay.refusals import lost

FIND_S = 5.0  # for one record that the log should hold; a broker that lives answers within milliseconds
FETCH_BYTES = 64 * 1024  # of a partition: it is one record that is wanted; a batch that is larger still comes whole
WAIT_MS = 200


@dataclass(frozen=True, slots=True)
class Gone:
    """There is no such record; why, for people."""

    why: str


@asynccontextmanager
async def reader(config: Config, *, committed_only: bool, **settings: Any) -> AsyncIterator[AIOKafkaConsumer]:  # noqa: ANN401  the library's
    """
    A consumer that is assigned by hand.

    Raises:
        Unreachable, NotAllowed: The broker does not answer, or refuses us, also later, while it is used.
    """
    consumer = AIOKafkaConsumer(
        **kafka_settings(config),
        enable_auto_commit=False,
        auto_offset_reset="none",
        isolation_level="read_committed" if committed_only else "read_uncommitted",
        fetch_max_wait_ms=WAIT_MS,
        **settings,
    )
    try:
        await begin(consumer)
        try:
            yield consumer
        finally:
            await let_go(consumer.stop())
    except KafkaError as error:
        raise lost(error, config.kafka_bootstrap_servers) from error


async def records(config: Config, sources: Sequence[Source]) -> Mapping[Source, Record | Gone]:
    """
    What stands at each of these coordinates.

    Raises:
        Unreachable, NotAllowed: The broker does not answer, or refuses us.
    """
    async with Broker(config) as broker:
        partitions = await broker.topics()
        committed_only = (await broker.capabilities()).transactions
    found: dict[Source, Record | Gone] = {}
    there: dict[TopicPartition, list[Source]] = {}
    for source in sources:
        if source.partition < partitions.get(source.topic, 0):
            there.setdefault(TopicPartition(source.topic, source.partition), []).append(source)
        else:
            found[source] = Gone(f"there is no topic {source.topic} with a partition {source.partition}")
    if not there:
        return found
    async with reader(config, committed_only=committed_only, max_partition_fetch_bytes=FETCH_BYTES) as consumer:
        try:
            begins, ends = await bounds(consumer, there)
            for tp, some in there.items():
                for source in sorted(some, key=lambda one: one.offset):
                    found[source] = await _at(consumer, tp, source, begins[tp], ends[tp])
        except TimeoutError:
            raise Unreachable("the broker answers, but gives no records: look at its partitions' leaders") from None
    return found


async def bounds(
    consumer: AIOKafkaConsumer, partitions: Iterable[TopicPartition]
) -> tuple[dict[TopicPartition, int], dict[TopicPartition, int]]:
    """
    Where these logs begin and end.

    Raises:
        TimeoutError: Not told within FIND_S.
        KafkaError: The broker is in trouble.
    """
    asked = list(partitions)
    async with asyncio.timeout(FIND_S):
        return await consumer.beginning_offsets(asked), await consumer.end_offsets(asked)


async def _at(consumer: AIOKafkaConsumer, tp: TopicPartition, source: Source, first: int, end: int) -> Record | Gone:
    if source.offset < first:
        return Gone("the log no longer holds it")
    if source.offset >= end:
        return Gone(f"{tp.topic}/{tp.partition} ends before it: the topic was made anew")
    consumer.assign([tp])
    consumer.seek(tp, source.offset)
    try:
        async with asyncio.timeout(FIND_S):
            while not (some := await consumer.getmany(tp, timeout_ms=WAIT_MS, max_records=1)):
                if await consumer.position(tp) > source.offset:  # nothing but a transaction's marker stood there
                    return Gone("the log holds no record there")
    except OffsetOutOfRangeError:
        return Gone("the log no longer holds it")
    record: Record = next(iter(some.values()))[0]
    return record if record.offset == source.offset else Gone("the log holds no record there any more")
