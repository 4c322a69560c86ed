"""The broker goes away and comes back: outcomes are kept and written then, and no receiver is called again for them."""

import asyncio
from pathlib import Path

import pytest
from confluent_kafka.cimpl import NewTopic

from relay.pipeline.client import NO_LEADER
from tests.faults.cluster import Cluster, Tool
from tests.kafka.driver import Relay, an_event, encoded, until
from tests.kafka.journal import Journal
from tests.kafka.server import Server
from tests.kafka.test_map import covers

pytestmark = pytest.mark.kafka

EVENTS = 40


@pytest.fixture
def java(server: Server) -> None:
    """There is a way to start brokers of a test's own."""
    if server.process is None:
        pytest.skip("RELAY_TEST_KAFKA names one that is not ours to end")


@pytest.mark.usefixtures("java")
async def test_an_outcome_that_cannot_be_written_is_written_later_and_its_receiver_is_not_called_again(
    prefix: str, tmp_path: Path
) -> None:
    """Answers come while the broker is gone, some good and some bad; it stays away for longer than a send may take."""
    with Cluster(tmp_path / "kafka", 1) as cluster:
        async with Journal() as journal:
            with Relay(cluster.bootstrap, prefix, tmp_path, RELAY_TIMEOUT_S="60", RELAY_RETRY_DELAYS="1s") as relay:
                await relay.prepare()
                await relay.subscribe("held", journal.url("held/a"))
                await relay.subscribe("ill", journal.url("status/500/b"), account="acct-2")
                worker = relay.worker()
                await until(lambda: relay.logged("assignment.loaded", 2))
                await relay.emit(an_event() for _ in range(EVENTS))
                await until(lambda: len(journal.calls) == EVENTS)

                await asyncio.to_thread(cluster.kill, 0)
                journal.release.set()
                await until(lambda: relay.logged("commit.failed", 2), 60)
                await asyncio.to_thread(cluster.start, [0])
                await relay.emit(an_event(account="acct-2") for _ in range(EVENTS))
                await until(lambda: relay.lag_is(0), 90)

                assert EVENTS == await relay.result_count(verdict="delivered")
                assert EVENTS == len(journal.of("held/a"))
                assert await relay.end(worker) == 0


@pytest.mark.usefixtures("java")
async def test_a_broker_that_takes_little_metadata_with_a_commit_gets_less(prefix: str, tmp_path: Path) -> None:
    """Offsets are committed all the same, and as much of the map as it takes."""
    with Server.start(offset_metadata_max_bytes="200") as broker:
        async with Journal() as journal:
            with Relay(broker.bootstrap, prefix, tmp_path, RELAY_TIMEOUT_S="60") as relay:
                await relay.prepare()
                await relay.subscribe("held", journal.url("held/a"), account="acct-slow")
                await relay.subscribe("ok", journal.url("ok/a"))
                worker = relay.worker()
                mixed = (an_event(account="acct-1" if n % 20 else "acct-slow") for n in range(4_000))
                await relay.produce(encoded(mixed), partition=0)
                await until(lambda: len(journal.of("ok/a")) == 3_800)

                await until(lambda: relay.logged("commit.map_refused", 4))
                await until(lambda: covers(relay, 100))
                journal.release.set()
                await until(lambda: relay.lag_is(0), 60)

                assert 4_000 == len(journal.calls)
                assert await relay.end(worker) == 0


@pytest.mark.usefixtures("java")
async def test_a_partition_that_no_broker_leads_holds_up_no_other(prefix: str, tmp_path: Path) -> None:
    """A worker that starts meanwhile reads the others within seconds, and this one as soon as its broker returns."""
    with Cluster(tmp_path / "kafka", 3) as cluster:
        async with Journal() as journal:
            with Relay(cluster.bootstrap, prefix, tmp_path) as relay:
                tool = Tool(cluster.bootstrap)
                await tool.create(NewTopic(relay.events, 3, replica_assignment=[[0], [1], [2]]))
                await relay.prepare()
                await relay.subscribe("ok", journal.url("ok/a"))
                worker = relay.worker()
                for partition in range(3):
                    await relay.produce(encoded([an_event()]), partition=partition)
                await until(lambda: len(journal.calls) == 3)
                await until(lambda: relay.lag_is(0))
                assert await relay.end(worker) == 0
                await relay.produce(encoded([an_event("later")]), partition=2)

                await asyncio.to_thread(cluster.kill, 2)
                await until(lambda: leads(tool, relay.events, 2, NO_LEADER), 30)
                relay.worker()
                for partition in (0, 1):
                    await relay.produce(encoded([an_event()]), partition=partition)
                await until(lambda: len(journal.calls) == 5, 15)

                await asyncio.to_thread(cluster.start, [2])
                await until(lambda: len(journal.calls) == 6, 15)
                await until(lambda: relay.lag_is(0), 30)

                assert 6 == len({call.id for call in journal.calls})
                assert "later" == journal.calls[-1].event["resource_id"]


async def leads(tool: Tool, topic: str, partition: int, node: int) -> bool:
    return (await tool.leaders(topic))[partition][0] == node
