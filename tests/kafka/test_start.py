"""Where a group starts, and what a worker refuses to start over (DESIGN.md sections 3 and 4), on a real Kafka."""

import asyncio
import json
import time
from pathlib import Path

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions

from tests.kafka.driver import Relay, an_event, create_topic, until
from tests.kafka.journal import Journal

pytestmark = pytest.mark.kafka


def leads(journal: Journal) -> list[str]:
    return sorted(call.event["resource_id"] for call in journal.calls)


@pytest.mark.parametrize(("start", "expected"), [("latest", ["new"]), ("earliest", ["new", "old"])])
async def test_a_group_without_offsets_starts_where_it_is_told_to(
    kafka: str, prefix: str, tmp_path: Path, start: str, expected: list[str]
) -> None:
    """And commits that before its first event, for every partition."""
    async with Journal() as journal:
        with Relay(kafka, prefix, tmp_path, RELAY_START=start) as relay:
            await relay.prepare()
            await relay.subscribe("ok", journal.url("ok/a"))
            await relay.emit([an_event("old")])
            worker = relay.worker()
            await until(lambda: relay.logged("group.started", 1))
            assert len(await relay.committed()) == 4

            await relay.emit([an_event("new")])
            await until(lambda: len(journal.calls) == len(expected))
            await until(lambda: relay.lag_is(0))
            assert await relay.end(worker) == 0

            assert leads(journal) == expected


async def test_a_group_may_start_at_a_time(kafka: str, prefix: str, tmp_path: Path) -> None:
    """Events appended before that time are left out, later ones are not."""
    async with Journal() as journal:
        with Relay(kafka, prefix, tmp_path) as relay:
            await relay.prepare()
            await relay.subscribe("ok", journal.url("ok/a"))
            await relay.emit([an_event("before")])
            await asyncio.sleep(0.05)  # two appends must not share a millisecond
            at = time.time_ns() // 1_000_000
            await relay.emit([an_event("after")])
            when = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at // 1000)) + f".{at % 1000:03d}Z"
            worker = relay.worker(RELAY_START=when)

            await until(lambda: relay.lag_is(0))
            assert await relay.end(worker) == 0

            assert leads(journal) == ["after"]


async def test_two_workers_that_start_a_group_at_once_send_nothing_old_and_lose_nothing_new(
    kafka: str, prefix: str, tmp_path: Path
) -> None:
    """The second must not take the first one's absent offsets for new partitions of a known group."""
    async with Journal() as journal:
        with Relay(kafka, prefix, tmp_path, RELAY_START="latest") as relay:
            await relay.prepare()
            await relay.subscribe("ok", journal.url("ok/a"))
            await relay.emit(an_event(f"old-{n}") for n in range(40))
            workers = [relay.worker(), relay.worker()]
            await until(lambda: relay.logged("assignment.loaded", 2))
            await relay.emit(an_event(f"new-{n}") for n in range(40))

            await until(lambda: len({call.id for call in journal.calls}) >= 40)
            await until(lambda: relay.lag_is(0))
            assert [await relay.end(worker) for worker in workers] == [0, 0]

            assert set(leads(journal)) == {f"new-{n}" for n in range(40)}


async def test_a_new_partition_of_a_known_group_starts_at_its_beginning(
    kafka: str, prefix: str, tmp_path: Path
) -> None:
    """Whatever RELAY_START says: nothing that was appended before it was noticed is passed over."""
    async with Journal() as journal:
        with Relay(kafka, prefix, tmp_path, RELAY_START="latest") as relay:
            await relay.prepare()
            await relay.subscribe("ok", journal.url("ok/a"))
            worker = relay.worker()
            await until(lambda: relay.logged("assignment.loaded", 1))
            admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
            await admin.start()
            await admin.create_partitions({relay.events: NewPartitions(total_count=6)})
            await admin.close()
            event = an_event("first-of-partition-5")

            await relay.produce([(b"k", json.dumps(event).encode())], partition=5)
            await until(lambda: journal.calls, 20)
            assert await relay.end(worker) == 0

            assert leads(journal) == ["first-of-partition-5"]


async def test_a_range_that_retention_removed_is_told_and_reading_goes_on_behind_it(
    kafka: str, prefix: str, tmp_path: Path
) -> None:
    """Logged, counted, and written to relay.progress."""
    async with Journal() as journal:
        with Relay(kafka, prefix, tmp_path) as relay:
            await create_topic(kafka, relay.events, 1)
            await relay.prepare()
            await relay.subscribe("ok", journal.url("ok/a"))
            worker = relay.worker()
            await relay.emit([an_event("read")])
            await until(lambda: relay.lag_is(0))
            assert await relay.end(worker) == 0
            await relay.emit([an_event("lost-1"), an_event("lost-2"), an_event("kept")])
            await relay.delete_before(relay.events, 0, 3)

            worker = relay.worker()
            await until(lambda: len(journal.calls) == 2)
            assert await relay.end(worker) == 0

            assert leads(journal) == ["kept", "read"]
            records = [json.loads(record.value) for record in await relay.read(f"{prefix}.progress")]
            (told,) = [one for one in records if one["kind"] == "lost"]
            assert (told["kind"], told["topic"], told["partition"], told["first"], told["end"]) == (
                "lost", relay.events, 0, 1, 3
            )  # fmt: skip
            assert relay.logged("range.lost", 1)


async def test_a_worker_refuses_to_start_over_a_missing_topic_and_creates_none(
    kafka: str, prefix: str, tmp_path: Path
) -> None:
    """The broker would create it at the first metadata request, with the wrong cleanup policy: nothing is touched."""
    with Relay(kafka, prefix, tmp_path) as relay:
        worker = relay.worker()
        await until(lambda: worker.poll() is not None, 30)

        assert worker.returncode == 1
        assert "relay topics apply" in relay.raw_logs()
        assert f"{prefix}.subscriptions" in relay.raw_logs()
        assert not [topic for topic in await relay.topics() if topic.startswith(prefix)]


async def test_a_worker_refuses_a_subscriptions_topic_that_is_not_compacted(
    kafka: str, prefix: str, tmp_path: Path
) -> None:
    """Retention would forget customers."""
    with Relay(kafka, prefix, tmp_path) as relay:
        await create_topic(kafka, f"{prefix}.subscriptions", 1, cleanup_policy="delete")
        worker = relay.worker()
        await until(lambda: worker.poll() is not None, 30)

        assert worker.returncode == 1
        assert "compact" in relay.raw_logs()


async def test_a_worker_without_its_broker_keeps_trying_and_says_so(prefix: str, tmp_path: Path) -> None:
    """Nothing listens where it is told to look; SIGTERM still ends it with 0."""
    with Relay("127.0.0.1:1", prefix, tmp_path) as relay:
        worker = relay.worker()
        await until(lambda: relay.logged("broker.unreachable", 2), 60)

        assert worker.poll() is None
        assert await relay.end(worker) == 0
