"""A reconciliation as work of a console's, on the embedded broker; what it finds is tested on a real one."""

import asyncio

import pytest
from aiokafka import AIOKafkaProducer

from relay.broker import Broker
from relay.clock import SystemClock
from relay.config import Config
from relay.console import reconciling
from relay.console.reconciliations import shown
from relay.console.reconciling import Reconciler
from relay.embedded import EmbeddedBroker
from relay.errors import Conflict
from tests.api.driver import Console
from tests.kafka.driver import until

RECONCILIATION = "/api/v1/reconciliation"


async def test_what_came_of_the_last_stays_until_there_is_another_report(monkeypatch: pytest.MonkeyPatch) -> None:
    """One at a time; one that would take too much memory fails, and says what does it instead."""
    with EmbeddedBroker() as broker:
        config = Config.read({"RELAY_KAFKA_BOOTSTRAP_SERVERS": broker.bootstrap})
        async with Broker(config) as topics:
            await topics.touch([f"relay.{name}" for name in ("progress", "results", "dead-letters")])
        async with AIOKafkaProducer(bootstrap_servers=broker.bootstrap) as producer:
            await producer.send_and_wait("relay.progress", b"x")
        it = Reconciler(config, clock=SystemClock())

        async def ended() -> None:
            await until(lambda: it.there.running is None)

        async with asyncio.TaskGroup() as group:
            it.start(since_ms=0, until_ms=None, by="cli:one")
            with pytest.raises(Conflict):
                it.start(since_ms=0, until_ms=None, by="cli:two")
            under_way = shown(it.there)
            running = group.create_task(it.run())
            await ended()
            first = it.there
            monkeypatch.setattr(reconciling, "MOST_RECORDS", 0)
            it.start(since_ms=0, until_ms=None, by="cli:two")
            await ended()
            second = shown(it.there)
            running.cancel()

    assert ("cli:one", None) == (under_way["running"]["by"], under_way["last"])
    assert first.last is not None
    assert (1, True) == (first.last.report and first.last.report.unreadable, first.failed is None)
    assert "`relay reconcile` reads more" in second["failed"]["problem"]
    assert shown(first)["last"] == second["last"]


async def test_who_starts_one_does_not_wait_for_it(console: Console) -> None:
    """It is asked for until it is there."""
    started = await console.post(RECONCILIATION, {"since": "2026-01-01T00:00:00Z"})

    async def done() -> bool:
        return (await console.get(RECONCILIATION)).json["last"] is not None

    await until(done)
    assert (202, RECONCILIATION) == (started.status, started.headers["location"])
    assert (await console.get(RECONCILIATION)).json["last"]["report"]["ok"]
