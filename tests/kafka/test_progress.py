"""Workers that cannot write relay.progress: they go on, tell later what they can, and the rest is unknown."""

import signal
from pathlib import Path
from typing import Any

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from relay.broker import Broker
from relay.completeness.reading import reconcile
from relay.completeness.values import Report
from relay.config import Config
from tests.kafka.driver import Relay, an_event, create_topic, encoded, until
from tests.kafka.journal import Journal

pytestmark = pytest.mark.kafka

SOME = 10


async def taken(relay: Relay, most_bytes: int) -> None:
    """Records of relay.progress are taken up to so many bytes; with 1 each is refused."""
    configs = {"max.message.bytes": str(most_bytes)}
    admin = AIOKafkaAdminClient(bootstrap_servers=relay.bootstrap)
    await admin.start()
    try:
        topic = ConfigResource(ConfigResourceType.TOPIC, f"{relay.prefix}.progress", configs=configs)
        await admin.alter_configs([topic])
    finally:
        await admin.close()
    name = f"{relay.prefix}.progress"

    async def in_force() -> bool:
        async with Broker(Config.read(relay.env)) as broker:
            return (await broker.cluster([name])).configs[name]["max.message.bytes"] == str(most_bytes)

    await until(in_force)


async def reported(relay: Relay, since_ms: int = 0) -> Report:
    return await reconcile(Config.read(relay.env), since_ms=since_ms)


async def test_commits_go_on_where_progress_is_refused(kafka: str, prefix: str, tmp_path: Path) -> None:
    """What was refused is told when it may be; of what never was, nothing is called complete and nothing missing."""
    async with Journal() as journal:
        with Relay(kafka, prefix, tmp_path) as relay:
            await create_topic(kafka, relay.events, 1)
            await relay.prepare()
            await relay.subscribe("ok", journal.url("ok/a"))
            worker = relay.worker()

            async def delivered(count: int) -> None:
                await relay.produce(encoded([an_event() for _ in range(SOME)]))
                await until(lambda: len(journal.calls) == count)
                await until(lambda: relay.lag_is(0))

            async def told(**sums: Any) -> bool:  # noqa: ANN401  of Report
                report = await reported(relay)
                return sums == {name: report.total(name) for name in sums}

            await delivered(SOME)
            await until(lambda: told(events=SOME, matches=SOME, delivered=SOME))

            await taken(relay, 1)
            await delivered(2 * SOME)
            assert relay.logged("progress.troubled", 1)
            assert (await reported(relay)).unknown == SOME
            await taken(relay, 1_000_000)
            await until(lambda: told(events=2 * SOME, matches=2 * SOME), 30)
            assert (await reported(relay)).unknown == 0

            await taken(relay, 1)
            await delivered(3 * SOME)
            await relay.end(worker, signal.SIGKILL)
            await taken(relay, 1_000_000)
            report = await reported(relay)

            assert [(0, 2 * SOME, False), (2 * SOME, 3 * SOME, True)] == [
                (one.first, one.end, one.unknown) for one in report.ranges
            ]
            assert report.ok
            assert (2 * SOME, 0) == (report.total("delivered"), report.total("missed"))
