"""What a group has committed, asked for stable offsets (OffsetFetch 7), on a real Kafka."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, OffsetAndMetadata, TopicPartition
from aiokafka.errors import KafkaError

from relay.ending import let_go
from relay.pipeline.ledger import Commit
from relay.pipeline.offsets import STABLE, StableOffsetFetch, committed
from tests.faults.cluster import Cluster, insist
from tests.kafka.driver import create_topic
from tests.kafka.server import Server

pytestmark = pytest.mark.kafka

COMMITTING_S = 6.0  # long enough that the coordinator's log was flushed and looked at in between
EVERY_S = 0.05


@pytest.fixture
def java(server: Server) -> None:
    """There is a way to start brokers of a test's own."""
    if server.process is None:
        pytest.skip("RELAY_TEST_KAFKA names one that is not ours to end")


@contextlib.asynccontextmanager
async def a_consumer(bootstrap: str, group: str, *at: TopicPartition) -> AsyncIterator[AIOKafkaConsumer]:
    """Outside of its group; a broker that goes away with it does not hold its end up."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, group_id=group, enable_auto_commit=False)
    try:
        await insist(consumer.start)
        consumer.assign(list(at))
        yield consumer
    finally:
        await let_go(consumer.stop())


async def test_offsets_and_metadata_are_those_of_the_ordinary_answer(kafka: str, prefix: str) -> None:
    """By version 7 of the question; a partition without a commit is in neither."""
    await create_topic(kafka, f"{prefix}.one", 3)
    await create_topic(kafka, f"{prefix}.two", 1)
    first, last, other = (TopicPartition(f"{prefix}.{name}", n) for name, n in (("one", 0), ("one", 2), ("two", 0)))
    without = TopicPartition(f"{prefix}.one", 1)
    told = {first: (5, "a map"), last: (0, ""), other: (7, "ä" * 100)}
    async with a_consumer(kafka, prefix, first, last, other, without) as consumer:
        await insist(lambda: consumer.commit({at: OffsetAndMetadata(*one) for at, one in told.items()}))
        coordinator = consumer._coordinator

        found = await committed(coordinator, [(at.topic, at.partition) for at in (*told, without)])
        answer = await coordinator._send_req(StableOffsetFetch(prefix, {first.topic: [0]}))
        ordinary = await coordinator._do_fetch_commit_offsets([*told, without])

        assert {(at.topic, at.partition): Commit(*one) for at, one in told.items()} == found
        assert STABLE == answer.API_VERSION
        assert {at: OffsetAndMetadata(*one) for at, one in told.items()} == ordinary


async def test_a_group_that_nobody_knows_has_committed_nothing(kafka: str, prefix: str) -> None:
    """Nor has one that is asked for nothing."""
    await create_topic(kafka, prefix, 2)
    async with a_consumer(kafka, f"{prefix}.unknown", TopicPartition(prefix, 0)) as consumer:
        assert {} == await insist(lambda: committed(consumer._coordinator, [(prefix, 0), (prefix, 1)]))
        assert {} == await committed(consumer._coordinator, [])


@pytest.mark.usefixtures("java")
async def test_the_first_answer_behind_a_broker_that_was_killed_is_the_last_commit(prefix: str, tmp_path: Path) -> None:
    """Kafka 4.1's ordinary answer is some 40 commits old there, for as long as nobody commits."""
    at = TopicPartition(prefix, 0)
    with Cluster(tmp_path / "kafka", 1) as cluster:
        await create_topic(cluster.bootstrap, prefix, 1)
        async with a_consumer(cluster.bootstrap, prefix, at) as consumer:
            last = await commit_for(consumer, at, COMMITTING_S)
            await asyncio.to_thread(cluster.kill, 0)
        await asyncio.to_thread(cluster.start, [0])

        async with a_consumer(cluster.bootstrap, prefix, at) as consumer:
            found = await insist(lambda: committed(consumer._coordinator, [(prefix, 0)]))

        assert {(prefix, 0): Commit(last, "")} == found


async def commit_for(consumer: AIOKafkaConsumer, at: TopicPartition, seconds: float) -> int:
    """One offset after the other is committed; the last that was acknowledged."""
    loop, last = asyncio.get_running_loop(), 0
    until_s = loop.time() + seconds
    while loop.time() < until_s:
        with contextlib.suppress(KafkaError):  # a broker that is just up may not have its coordinator yet
            await consumer.commit({at: OffsetAndMetadata(last + 1, "")})
            last += 1
        await asyncio.sleep(EVERY_S)
    return last
