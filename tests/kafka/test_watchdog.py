"""A worker that stands still ends itself and says why; one that only has to wait does not."""

import asyncio
import json
import os
import signal
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from confluent_kafka.cimpl import NewTopic

from tests.faults.cluster import Cluster, Tool
from tests.kafka.ailing import ILLS, STUCK_S
from tests.kafka.driver import Relay, an_event, until
from tests.kafka.journal import Journal
from tests.kafka.server import Server

pytestmark = pytest.mark.kafka

BARKS_S = 12 * STUCK_S  # on a machine that others use too
PASSES_S = 2 * STUCK_S  # it would have barked by then; a broker that is frozen for longer is long in coming back
STATUS = 70


async def all_replicas_needed(bootstrap: str, topic: str) -> None:
    """From now on a write to this topic of three replicas is taken while all of them are in sync."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, {"min.insync.replicas": "3"})])
    finally:
        await admin.close()


@pytest.mark.parametrize("ill", sorted(ILLS.keys() - {"nothing", "end_a_service"}))
async def test_a_worker_that_stands_still_ends_itself_with_the_cause(
    kafka: str, prefix: str, tmp_path: Path, ill: str
) -> None:
    """Whatever of it has fallen ill, there is work and the broker answers."""
    async with Journal() as journal:
        with Relay(kafka, prefix, tmp_path) as relay:
            await relay.prepare()
            await relay.subscribe("ok", journal.url("ok/a"))
            relay.worker_command = ("tests.kafka.ailing", ill)
            worker = relay.worker()
            await until(lambda: relay.logged("assignment.loaded", 1))  # it falls ill with the first or the second
            await relay.emit(an_event() for _ in range(20))

            await until(lambda: worker.poll() is not None, BARKS_S)

            assert worker.returncode == STATUS, relay.raw_logs()[-3000:]
            assert relay.logged("worker.stuck", 1)


async def test_a_service_that_ends_by_itself_ends_the_worker(kafka: str, prefix: str, tmp_path: Path) -> None:
    """What it did is missing from then on, and nobody would notice."""
    with Relay(kafka, prefix, tmp_path) as relay:
        await relay.prepare()
        relay.worker_command = ("tests.kafka.ailing", "end_a_service")
        worker = relay.worker()

        await until(lambda: worker.poll() is not None, BARKS_S)

        assert worker.returncode == 1
        assert "ended by itself" in relay.raw_logs()


async def test_a_receiver_that_hangs_and_a_delay_that_lasts_are_no_standstill(
    kafka: str, prefix: str, tmp_path: Path
) -> None:
    """Attempts within their timeout, retries of a day, and transaction markers at the end of the log."""
    async with Journal() as journal:
        with Relay(kafka, prefix, tmp_path, RELAY_RETRY_DELAYS="24h", RELAY_TIMEOUT_S=f"{3 * STUCK_S:.0f}") as relay:
            await relay.prepare()
            await relay.subscribe("hang", journal.url("hang/a"))
            await relay.subscribe("ill", journal.url("status/500/a"), account="acct-2")
            relay.worker_command = ("tests.kafka.ailing", "nothing")
            worker = relay.worker()
            await relay.emit(an_event(account=account) for account in ("acct-1", "acct-2"))
            async with AIOKafkaProducer(bootstrap_servers=kafka, transactional_id=prefix) as producer:
                for _ in range(3):
                    async with producer.transaction():
                        await producer.send_and_wait(relay.events, b"{}", partition=0)

            waited = await until(lambda: worker.poll() is not None or relay.logged("delivery.settled", 2), BARKS_S)

            assert worker.poll() is None, relay.raw_logs()[-3000:]
            assert waited > STUCK_S
            assert await relay.end(worker) == 0


async def test_writes_that_the_broker_refuses_are_no_standstill(prefix: str, tmp_path: Path) -> None:
    """A broker of three is down and results need all three: the others answer, and what is to be written waits."""
    with Cluster(tmp_path / "kafka", 3) as cluster:
        async with Journal() as journal:
            with Relay(cluster.bootstrap, prefix, tmp_path) as relay:
                await relay.prepare()
                await relay.subscribe("ok", journal.url("ok/a"))
                relay.worker_command = ("tests.kafka.ailing", "nothing")
                worker = relay.worker()
                await until(lambda: relay.logged("assignment.loaded", 2))
                await all_replicas_needed(cluster.bootstrap, f"{prefix}.results")
                await asyncio.to_thread(cluster.kill, 2)
                await relay.emit([an_event()])
                await until(lambda: journal.calls, 60)

                with pytest.raises(AssertionError):
                    await until(lambda: worker.poll() is not None, PASSES_S)
                assert await relay.result_count() == 0
                assert relay.logged("broker.troubled", 1)
                await asyncio.to_thread(cluster.start, [2])
                await until(relay.result_count, 60)

                assert await relay.result_count(verdict="delivered") == await relay.result_count() == 1
                assert len(journal.calls) == 1
                assert await relay.end(worker) == 0


async def test_a_partition_without_a_leader_hides_no_other_standstill(prefix: str, tmp_path: Path) -> None:
    """Its only broker is down, for as long as it likes: what is led by the others is looked at all the same."""
    with Cluster(tmp_path / "kafka", 3) as cluster:
        async with Journal() as journal:
            with Relay(cluster.bootstrap, prefix, tmp_path) as relay:
                await Tool(cluster.bootstrap).create(NewTopic(relay.events, 3, replica_assignment=[[0], [1], [2]]))
                await relay.prepare()
                await relay.subscribe("ok", journal.url("ok/a"))
                relay.worker_command = ("tests.kafka.ailing", "never_settle")
                worker = relay.worker()
                await until(lambda: relay.logged("assignment.loaded", 2))
                await asyncio.to_thread(cluster.kill, 2)
                await relay.produce([(b"k", json.dumps(an_event()).encode())], partition=0)

                await until(lambda: worker.poll() is not None, BARKS_S)

                assert worker.returncode == STATUS, relay.raw_logs()[-3000:]
                (stuck,) = [line for line in relay.logs() if line["event"] == "worker.stuck"]
                assert stuck["part"] == f"{relay.events}/0"


async def test_an_outage_of_the_broker_is_no_standstill(broker: Server, prefix: str, tmp_path: Path) -> None:
    """It lasts twice as long as the watchdog's patience, and deliveries go on behind it."""
    assert broker.process is not None
    async with Journal() as journal:
        with Relay(broker.bootstrap, prefix, tmp_path) as relay:
            await relay.prepare()
            await relay.subscribe("ok", journal.url("ok/a"))
            relay.worker_command = ("tests.kafka.ailing", "nothing")
            worker = relay.worker()
            await relay.emit([an_event()])
            await until(lambda: journal.calls)

            os.kill(broker.process.pid, signal.SIGSTOP)
            with pytest.raises(AssertionError):
                await until(lambda: worker.poll() is not None, PASSES_S)
            broker.thaw()
            await relay.emit([an_event()])
            await until(lambda: len(journal.calls) >= 2, 60)

            assert await relay.end(worker) == 0
