"""Topics that somebody else writes to, on a real Kafka: a worker goes on, and says what it refused."""

import json
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.client import AIOKafkaClient
from aiokafka.protocol.produce import ProduceRequest

from tests.kafka.driver import Relay, an_event, until
from tests.kafka.journal import Journal
from tests.test_batches import a_batch
from tests.test_hostile import EVENTS, READ, RECORDS, SKIP

pytestmark = pytest.mark.kafka

LARGEST_BYTES = 900_000  # the broker takes 1 MiB, and the events topic is as it makes one
LONGEST_LINE_BYTES = 2_000


async def append(bootstrap: str, topic: str, batch: bytes) -> None:
    """Bytes as no producer of ours would write them, at the end of partition 0."""
    client = AIOKafkaClient(bootstrap_servers=bootstrap)
    try:
        await client.bootstrap()
        await client.set_topics([topic])
        leader = client.cluster.leader_for_partition(TopicPartition(topic, 0))
        request = ProduceRequest(
            transactional_id=None, required_acks=-1, timeout=10_000, topics=[(topic, [(0, batch)])]
        )
        response = await client.send(leader, request)
        assert 0 == response.topics[0][1][0][1], response
    finally:
        await client.close()


async def test_a_worker_goes_on_whatever_is_written_to_its_topics_and_says_what_it_refused(
    kafka: str, prefix: str, tmp_path: Path
) -> None:
    """Subscriptions, events and deliveries of somebody else's; and those that are in order are served as ever."""
    records = [(key, value) for key, value, _ in RECORDS.values() if key is not None]  # a compacted topic takes no null
    events = [(b"k", raw) for raw, _ in EVENTS.values() if len(raw) < LARGEST_BYTES]
    malformed = [raw for raw, told in EVENTS.values() if len(raw) < LARGEST_BYTES and told not in (READ, SKIP)]
    nulls = [("relay-delivery-id", None), ("relay-attempt", None), ("relay-account-id", b"\xff")]
    async with Journal() as journal:
        with Relay(kafka, prefix, tmp_path) as relay:
            await relay.prepare()
            await relay.subscribe("good", journal.url("ok/good"))
            worker = relay.worker()
            await until(lambda: relay.logged("assignment.loaded", 2))

            await relay.produce(records, topic=f"{prefix}.subscriptions", partition=0)
            await relay.produce(events, partition=0)
            for topic in (relay.events, f"{prefix}.subscriptions", f"{prefix}.deliveries.now"):
                await append(kafka, topic, a_batch((b"{}", "NAME"), name=b"\xff\xfe\xff\xfe"))
            async with AIOKafkaProducer(bootstrap_servers=kafka) as producer:
                for headers in (nulls, nulls[:1], []):
                    await producer.send_and_wait(f"{prefix}.deliveries.now", b"{}", headers=headers, partition=0)
            await relay.produce([(b"k", json.dumps(an_event("after")).encode())], partition=0)
            await until(lambda: journal.of("ok/good"))
            await until(lambda: relay.read_count(f"{prefix}.dead-letters", len(malformed) + 5))
            await until(lambda: relay.logged("subscription.unreadable", len(records) + 1))
            found = relay.run("check", "-o", "json")
            assert await relay.end(worker) == 0

            assert ["after"] == [call.event["resource_id"] for call in journal.calls]
            letters = [record.value for record in await relay.read(f"{prefix}.dead-letters")]
            assert sorted([*malformed, *[b"{}"] * 5]) == sorted(letters)
            assert len(malformed) + 5 == len([line for line in relay.logs() if line["event"] == "event.malformed"])
            assert max(map(len, relay.raw_logs().splitlines())) < LONGEST_LINE_BYTES
            assert 1 == found.returncode
            assert {"subscription sub_1", "subscription lead_1"} <= {one["what"] for one in json.loads(found.stdout)}
