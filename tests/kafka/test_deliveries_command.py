"""`relay deliveries` and `relay erase` on a real Kafka, beside a worker and a history that follows it."""

import asyncio
import json
from pathlib import Path

import pytest

from relay.access.audit import Audit
from relay.config import Config
from relay.store.history.projector import Projector
from tests.contracts.histories import history
from tests.kafka.driver import Relay, an_event, until
from tests.kafka.journal import Journal

pytestmark = pytest.mark.kafka


async def test_what_the_history_knows_is_sent_once_more_and_erased(kafka: str, prefix: str, tmp_path: Path) -> None:
    """
    A delivery arrives again under its own id; what is unknown is told, and the rest goes. What was before is tailed by
    time. An erased lead is gone, and Kafka's topics are named with their own retention.
    """
    url = f"sqlite+aiosqlite:///{tmp_path / 'history.db'}"
    event = an_event()
    stop = asyncio.Event()
    async with Journal() as journal, history(url) as store, asyncio.TaskGroup() as group:
        with Relay(kafka, prefix, tmp_path, RELAY_DATABASE_URL=url) as relay:
            await relay.prepare()
            group.create_task(Projector(Config.read(relay.env), store).run(stop))
            await relay.subscribe("ok", journal.url("ok/a"))
            relay.worker()
            await relay.emit([event])
            await until(lambda: journal.calls)
            (ident,) = journal.ids("ok/a")

            async def known() -> bool:
                return await store.delivery(ident, account=None) is not None

            await until(known)
            some = await asyncio.to_thread(relay.run, "deliveries", "redeliver", ident, "dlv_none", "-o", "json")
            await until(lambda: len(journal.calls) == 2)

            async def twice() -> bool:
                detail = await store.delivery(ident, account=None)
                return detail is not None and detail.delivery.records == 2

            await until(twice)
            tailed = await relay.do("deliveries", "tail", "--since", "1h", "--limit", "2", "-o", "ndjson")
            erased = json.loads(await relay.do("erase", "--lead", event["resource_id"], "-o", "json"))
            assert await store.delivery(ident, account=None) is None
            audit = await Audit(Config.read(relay.env)).page()
        stop.set()

    assert [(ident, True, None), ("dlv_none", False, None)] == [
        (row["id"], row["sent"], row["run_id"] and None) for row in json.loads(some.stdout)
    ]
    assert some.returncode == 1
    assert "1 of 2 were not sent" in some.stderr
    assert journal.ids("ok/a") == {ident}
    assert {"event", "redelivery"} == {json.loads(line)["trigger"] for line in tailed.splitlines()}
    assert erased["deliveries"] == 1
    kept = {one["topic"]: one["kept_for"] for one in erased["topics"]}
    assert kept[f"{prefix}.results"] == "30 d"
    assert ["erased", "redelivered", "subscription.created"] == [one.action for one in audit.entries]
    assert {relay.events, f"{prefix}.deliveries.now", f"{prefix}.dead-letters"} <= kept.keys()
