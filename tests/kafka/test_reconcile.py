"""`relay reconcile` against a real broker and real workers: complete where it is, and what is missing by its offset."""

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer

from tests.kafka.driver import Relay, an_event, encoded, until
from tests.kafka.journal import Journal

pytestmark = pytest.mark.kafka

UPDATED = 60


async def reconciled(relay: Relay, *arguments: str) -> tuple[int, dict[str, Any]]:
    """Exit status and report."""
    done = await asyncio.to_thread(relay.run, "reconcile", "--since", "1h", "-o", "json", *arguments)
    return done.returncode, json.loads(done.stdout)


async def gave_up(relay: Relay, count: int) -> bool:
    return await relay.result_count(verdict="gave_up") == count


async def copied(relay: Relay, to: Relay, left_out: str) -> None:
    """All that was told and came of it stands under another prefix too, but the results of one delivery."""
    await to.prepare()
    producer = AIOKafkaProducer(bootstrap_servers=relay.bootstrap)
    await producer.start()
    try:
        for topic in ("progress", "results"):
            for record in await relay.read(f"{relay.prefix}.{topic}"):
                if topic == "results" and json.loads(record.value)["delivery_id"] == left_out:
                    continue
                name, at = f"{to.prefix}.{topic}", record.partition
                await producer.send_and_wait(name, record.value, record.key, at, record.timestamp)
    finally:
        await producer.stop()


async def in_transactions(relay: Relay, kept: Sequence[dict[str, Any]], aborted: Sequence[dict[str, Any]]) -> None:
    """Of the records between these and the next there are only offsets: markers, and what was aborted."""
    producer = AIOKafkaProducer(bootstrap_servers=relay.bootstrap, transactional_id=f"{relay.prefix}.platform")
    await producer.start()
    try:
        for events in (aborted, kept):
            await producer.begin_transaction()
            for key, value in encoded(events):
                await producer.send_and_wait(relay.events, value, key, 0)
            await (producer.commit_transaction() if events is kept else producer.abort_transaction())
    finally:
        await producer.stop()


async def test_everything_has_an_outcome_and_one_that_is_dropped_on_purpose_is_found(
    kafka: str, prefix: str, tmp_path: Path
) -> None:
    """Delivered, given up and put off, events for nobody, records that are none, markers: all told, counted once."""
    async with Journal() as journal:
        with Relay(kafka, prefix, tmp_path, RELAY_RETRY_DELAYS="1s") as relay:
            await relay.prepare()
            await relay.subscribe("one", journal.url("ok/a"))
            await relay.subscribe("two", journal.url("ok/b"), events="lead.updated,lead.created")
            await relay.subscribe("fails", journal.url("status/500/c"), events="lead.created")
            await relay.subscribe("paused", journal.url("ok/d"), events="lead.completed")
            await relay.do("subscriptions", "pause", "paused")
            worker = relay.worker()
            events = [an_event(action="updated") for _ in range(UPDATED - 3)]
            events += [an_event(action="created") for _ in range(3)]
            events += [an_event(action="completed"), an_event(account="nobody")]
            await relay.produce([*encoded(events), (b"k", b"{"), (b"k", None)])
            await in_transactions(relay, [an_event() for _ in range(3)], [an_event() for _ in range(2)])
            await until(lambda: gave_up(relay, 3), 30)
            await until(lambda: relay.lag_is(0))
            assert await relay.end(worker) == 0

            status, report = await reconciled(relay)

            assert (0, True) == (status, report["ok"])
            assert {
                "events": UPDATED + 3 + 4, "matches": 2 * (UPDATED + 3) + 3 + 2,
                "delivered": 2 * (UPDATED + 3) + 1, "pending": 1, "gave_up": 3, "dropped": 0,
                "missed": 0, "surplus": 0, "replayed": 0, "lost": 0, "unknown": 0,
            } == report["totals"]  # fmt: skip

            chosen = next(one for one in await relay.results() if one["subscription_id"] == "two")
            with Relay(kafka, f"{prefix}-copy", tmp_path, RELAY_EVENTS_TOPICS=relay.events) as copy:
                await copied(relay, copy, chosen["delivery_id"])
                status, report = await reconciled(copy)

            assert (1, False) == (status, report["ok"])
            (gap,) = [one for one in report["ranges"] if one["missed"]]
            assert (chosen["event_topic"], chosen["event_partition"]) == (gap["topic"], gap["partition"])
            assert [{"offset": chosen["event_offset"], "count": 1, "replayed": 0}] == gap["missing"]
            assert 1 == report["totals"]["missed"]
