"""`relay reconcile` against a real broker and real workers: complete where it is, and what is missing by its offset."""

import asyncio
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer

from relay.broker import Broker
from relay.clock import SystemClock
from relay.completeness.reading import reconcile
from relay.completeness.values import Report
from relay.config import Config
from relay.model import State, SubscriptionId
from relay.store.edits import change, in_state
from relay.store.subscriptions import Subscriptions
from relay.topics import Wanted
from tests.kafka.driver import SECRET, Relay, an_event, encoded, until
from tests.kafka.journal import Journal

pytestmark = pytest.mark.kafka

UPDATED = 60


HOUR_MS = 3_600_000


async def reconciled(relay: Relay) -> Report:
    """Of the last hour."""
    return await reconcile(Config.read(relay.env), since_ms=SystemClock().now_ms() - HOUR_MS)


async def subscribed(relay: Relay, url: Callable[[str], str]) -> None:
    """Four, by one command; and one of them paused."""
    (relay.folder / "secret").write_text(SECRET)
    wanted = {"one": ("ok", "*"), "two": ("ok", "lead.updated,lead.created"), "fails": ("status/500", "lead.created")}
    entries = [
        {"id": name, "name": name, "account_id": "acct-1", "secret_file": "secret"}
        | {"url": url(f"{path}/{name}"), "events": events}
        for name, (path, events) in (wanted | {"paused": ("ok", "lead.completed")}).items()
    ]
    (relay.folder / "file.json").write_text(json.dumps(entries))
    await relay.do("subscriptions", "apply", "-f", str(relay.folder / "file.json"))
    now_ms = SystemClock().now_ms()
    edit = change(SubscriptionId("paused"), in_state(State.PAUSED, None), by="a test", now_ms=now_ms)
    await Subscriptions(Config.read(relay.env)).edit(edit, by="a test")


async def gave_up(relay: Relay, count: int) -> bool:
    return await relay.result_count(verdict="gave_up") == count


async def made(relay: Relay, *, like: Relay) -> None:
    """Its topics of what is told, and of what came of it, stand too."""
    async with Broker(Config.read(relay.env)) as broker:
        there = await broker.topics()
        names = ("progress", "results", "dead-letters")
        wanted = {f"{relay.prefix}.{name}": there[f"{like.prefix}.{name}"] for name in names}
        await broker.create(
            [Wanted(name=name, partitions=count, replicas=1, configs={}) for name, count in wanted.items()]
        )


async def copied(relay: Relay, to: Relay, left_out: str) -> None:
    """All that was told and came of it stands under another prefix too, but the results of one delivery."""
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
    """
    Delivered, given up and put off, events for nobody, records that are none, markers: all told, counted once. Where
    nobody has told of what was committed it is unknown, and not nothing.
    """
    async with Journal() as journal:
        with Relay(kafka, prefix, tmp_path, RELAY_RETRY_DELAYS="1s") as relay:
            await relay.prepare()
            await subscribed(relay, journal.url)
            worker = relay.worker()
            events = [an_event(action="updated") for _ in range(UPDATED - 3)]
            events += [an_event(action="created") for _ in range(3)]
            events += [an_event(action="completed"), an_event(account="nobody")]
            await relay.produce([*encoded(events), (b"k", b"{"), (b"k", None)])
            await in_transactions(relay, [an_event() for _ in range(3)], [an_event() for _ in range(2)])
            await until(lambda: gave_up(relay, 3), 30)
            await until(lambda: relay.lag_is(0))
            assert await relay.end(worker) == 0

            report = (await reconciled(relay)).shown()

            assert report["ok"]
            assert {
                "events": UPDATED + 3 + 4, "matches": 2 * (UPDATED + 3) + 3 + 2,
                "delivered": 2 * (UPDATED + 3) + 1, "pending": 1, "gave_up": 3, "dropped": 0,
                "missed": 0, "surplus": 0, "replayed": 0, "lost": 0, "unknown": 0,
            } == report["totals"]  # fmt: skip

            chosen = next(one for one in await relay.results() if one["subscription_id"] == "two")
            same = {"RELAY_EVENTS_TOPICS": relay.events, "RELAY_GROUP": relay.group}
            with Relay(kafka, f"{prefix}-copy", tmp_path, **same) as copy:
                await made(copy, like=relay)
                untold = await reconciled(copy)
                await copied(relay, copy, chosen["delivery_id"])
                done = await asyncio.to_thread(copy.run, "reconcile", "--since", "1h", "-o", "json")

            committed = {at.partition: offset for at, offset in (await relay.committed()).items() if offset > 0}
            assert [(number, 0, committed[number], True) for number in sorted(committed)] == [
                (one.partition, one.first, one.end, one.unknown) for one in untold.ranges
            ]
            report = json.loads(done.stdout)
            assert (1, False) == (done.returncode, report["ok"])
            assert 0 == report["totals"]["unknown"]
            (gap,) = [one for one in report["ranges"] if one["missed"]]
            assert (chosen["event_topic"], chosen["event_partition"]) == (gap["topic"], gap["partition"])
            assert [{"offset": chosen["event_offset"], "count": 1, "replayed": 0}] == gap["missing"]
            assert 1 == report["totals"]["missed"]
