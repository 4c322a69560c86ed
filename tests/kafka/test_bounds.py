"""What a worker may take of a machine, and how several of them share the work: on a real Kafka."""

import asyncio
import json
import re
from collections import Counter
from pathlib import Path

import aiohttp
import pytest

from tests.kafka.driver import SECRET, Relay, an_event, until
from tests.kafka.journal import Journal

pytestmark = pytest.mark.kafka

SUBSCRIPTIONS = 10_000
MEMORY_MB = 250  # of a worker with so many subscriptions: 80 without, and some 10 kB each


def peak_mb(pid: int) -> float:
    """The most that a process ever held."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) / 1024  # type: ignore[index]


async def figures(relay: Relay) -> dict[str, float]:
    """What the last worker's /metrics says."""
    await until(lambda: relay.logged("metrics.listening", 1))
    address = [line["address"] for line in relay.logs() if line["event"] == "metrics.listening"][-1]
    async with aiohttp.ClientSession() as session, session.get(f"http://{address}/metrics") as reply:
        lines = (await reply.text()).splitlines()
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if line[0] != "#")}


async def test_a_fan_out_of_ten_thousand_is_walked_within_the_bounds(kafka: str, prefix: str, tmp_path: Path) -> None:
    """One event, 10,000 subscriptions, 32 places in flight, 2 MiB of buffer: all are called, 32 at once at most."""
    (tmp_path / "secret").write_text(SECRET)
    async with Journal() as journal:
        entries = [
            {"id": f"s{n:05}", "account_id": "*", "name": "one of many", "url": journal.url("ok/many"), "events": "*"}
            for n in range(SUBSCRIPTIONS)
        ]
        file = tmp_path / "many.json"
        file.write_text(json.dumps([entry | {"secret_file": "secret"} for entry in entries]))
        with Relay(kafka, prefix, tmp_path, RELAY_IN_FLIGHT="32", RELAY_BUFFER_BYTES="2MiB") as relay:
            await relay.prepare()
            await relay.do("subscriptions", "apply", "-f", str(file))
            worker = relay.worker()
            await until(lambda: relay.logged("worker.started", 1))

            await relay.emit([an_event("lead-1")])
            await until(lambda: len(journal.calls) >= SUBSCRIPTIONS, 60)
            await until(lambda: relay.lag_is(0))
            seen = await figures(relay)

            assert len(journal.calls) == len(journal.ids("ok/many")) == SUBSCRIPTIONS
            assert journal.most_open <= 32
            assert seen['relay_deliveries_total{reason="ok",verdict="delivered"}'] == SUBSCRIPTIONS
            assert seen["relay_subscriptions"] == SUBSCRIPTIONS
            assert peak_mb(worker.pid) < MEMORY_MB
            assert await relay.end(worker) == 0


async def test_a_dead_receiver_and_a_backlog_hold_no_more_than_the_budget(
    kafka: str, prefix: str, tmp_path: Path
) -> None:
    """40 MB of events for a receiver that never answers: what is held stays within RELAY_BUFFER_BYTES and a fetch."""
    padding = "x" * 20_000
    async with Journal() as journal:
        with Relay(kafka, prefix, tmp_path, RELAY_IN_FLIGHT="64", RELAY_BUFFER_BYTES="4MiB") as relay:
            await relay.prepare()
            await relay.subscribe("hangs", journal.url("held/a"))
            await relay.emit(an_event(f"lead-{n}") | {"padding": padding} for n in range(2_000))
            worker = relay.worker()
            await until(lambda: len(journal.calls) >= 64 * 7 / 8)  # the others are kept for receivers that answer
            held = (await figures(relay))["relay_buffer_bytes"]
            lag = await relay.lag()
            journal.release.set()
            await until(lambda: relay.lag_is(0), 60)

            assert len(journal.ids("held/a")) == 2_000
            assert lag == 2_000, "nothing is committed before its outcome"
            assert held < (4 + 2) * 1024 * 1024 + 4 * (len(padding) + 2_000)  # a fetch may end with half a record
            assert peak_mb(worker.pid) < 160
            assert await relay.end(worker) == 0


async def test_workers_that_come_and_go_lose_nothing_and_share_the_work(
    kafka: str, prefix: str, tmp_path: Path
) -> None:
    """One, three, and one again while events flow: every event arrives, and only attempts in flight are made twice."""
    async with Journal() as journal:
        with Relay(kafka, prefix, tmp_path, RELAY_IN_FLIGHT="32") as relay:
            await relay.prepare()
            await relay.subscribe("ok", journal.url("slow/100/a"))
            first = relay.worker()
            await relay.emit(an_event(f"lead-{n}") for n in range(1_000))
            await until(lambda: len(journal.calls) >= 200)
            others = [relay.worker(), relay.worker()]
            await relay.emit(an_event(f"lead-{n}") for n in range(1_000, 3_000))
            await until(lambda: relay.logged("assignment.loaded", 6), 60)
            await until(lambda: all_three(relay), 60)
            for one in others:
                assert await relay.end(one) == 0
            await until(lambda: len({call.event["resource_id"] for call in journal.calls}) == 3_000, 60)
            await until(lambda: relay.lag_is(0))
            assert await relay.end(first) == 0

            times = Counter(call.id for call in journal.calls)
            assert len(times) == 3_000
            assert max(times.values()) <= 2


async def all_three(relay: Relay) -> bool:
    """Whether each has delivered something."""
    return len({row["worker"] for row in await relay.results()}) == 3


async def test_a_topic_whose_delay_is_no_longer_configured_is_read_until_it_is_empty(
    kafka: str, prefix: str, tmp_path: Path
) -> None:
    """A retry that waits in an old delay is made when it is due, by workers that do not know the delay."""
    async with Journal() as journal:
        with Relay(kafka, prefix, tmp_path, RELAY_RETRY_DELAYS="3s", RELAY_HOLD_DELAYS="3s") as relay:
            await relay.prepare()
            await relay.subscribe("flaky", journal.url("flaky/1/a"))
            worker = relay.worker()
            await relay.emit([an_event("lead-1")])
            await until(lambda: len(journal.calls) == 1)
            await until(lambda: relay.lag_is(0))
            assert await relay.end(worker) == 0
            now = {"RELAY_RETRY_DELAYS": "1s", "RELAY_HOLD_DELAYS": "1s"}
            await relay.do("topics", "apply", **now)
            worker = relay.worker(**now)

            await until(lambda: len(journal.calls) == 2)

            assert journal.calls[1].at - journal.calls[0].at >= 3
            assert await relay.end(worker) == 0


async def test_a_subscription_whose_key_is_missing_is_put_off_and_seen(kafka: str, prefix: str, tmp_path: Path) -> None:
    """
    Nothing is sent unsigned and nothing is skipped; with the key back its deliveries go out.

    A worker whose ring opens nothing at all says so and ends.
    """
    other, strange = "k2:" + "A" * 43 + "=", "k3:" + "B" * 42 + "A="
    async with Journal() as journal:
        with Relay(kafka, prefix, tmp_path) as relay:
            await relay.prepare()
            await relay.subscribe("ok", journal.url("ok/a"))
            theirs = ("--id", "b", "--account", "acct-2", "--name", "b", "--url", journal.url("ok/b"), "--events", "*")
            await relay.do("subscriptions", "create", *theirs, RELAY_SECRET_KEYS=other)
            refused = relay.worker(RELAY_SECRET_KEYS=strange)
            assert 2 == await asyncio.to_thread(refused.wait, 60)
            assert "opens none of the 2 subscriptions that are stored: they are sealed with k1, k2" in relay.raw_logs()
            worker = relay.worker(RELAY_SECRET_KEYS=other)
            await until(lambda: relay.logged("subscription.unreadable", 1))
            await relay.emit([an_event("lead-1")])
            await until(lambda: relay.result_count(verdict="deferred", reason="unreadable_secret"))
            assert await relay.end(worker) == 0
            assert [] == journal.calls

            worker = relay.worker()
            await until(lambda: len(journal.calls) == 1)

            assert journal.calls[0].attempt == 1
            assert await relay.end(worker) == 0
