"""A bad endpoint costs only itself, on a real Kafka: what hangs, floods or asks for less is put off, and comes back."""

import asyncio
from collections import Counter
from pathlib import Path

import pytest

from tests.kafka.driver import NARROW, Relay, an_event, until
from tests.kafka.journal import Journal

pytestmark = pytest.mark.kafka

HASTY = NARROW | {  # an outage of minutes in seconds
    "RELAY_TIMEOUT_S": "1",
    "RELAY_CONNECT_TIMEOUT_S": "1",
    "RELAY_RETRY_DELAYS": "1s,2s,3s,4s,5s,6s",
    "RELAY_HOLD_DELAYS": "1s,2s,4s",
    "RELAY_LANE_IN_FLIGHT": "4",
    "RELAY_LANE_WAIT_S": "1",
    "RELAY_BREAKER_ATTEMPTS": "6",
    "RELAY_BREAKER_WINDOW_S": "2",
    "RELAY_BREAKER_COOLDOWN_S": "1",
}
EVENTS = 60


async def test_a_receiver_that_hangs_and_comes_back_gets_everything_it_missed_and_nobody_else_notices(
    kafka: str, prefix: str, tmp_path: Path
) -> None:
    """Its circuit opens, the other is served at once, and behind the outage each event is delivered once."""
    async with Journal() as journal:
        with Relay(kafka, prefix, tmp_path, **HASTY) as relay:
            await relay.prepare()
            await relay.subscribe("bad", journal.url("held/bad"))
            await relay.subscribe("ok", journal.url("ok/ok"), account="acct-2")
            worker = relay.worker()
            sent: dict[str, float] = {}
            for _ in range(EVENTS):
                bad, good = an_event(), an_event(account="acct-2")
                sent[good["resource_id"]] = asyncio.get_running_loop().time()
                await relay.emit([bad, good])
                await until(lambda: len(journal.of("ok/ok")) == len(sent))
            waits = sorted(call.at - sent[call.event["resource_id"]] for call in journal.of("ok/ok"))
            await until(lambda: relay.result_count(verdict="deferred", reason="circuit_open"))
            before = len(journal.of("held/bad"))

            journal.release.set()
            await until(lambda: relay.result_count(subscription_id="bad", verdict="delivered"), 60)
            await until(lambda: told(relay, EVENTS), 120)
            assert await relay.end(worker) == 0

            results = await relay.results()

    delivered = Counter(row["delivery_id"] for row in results if row["verdict"] == "delivered")
    assert {1} == set(delivered.values())
    assert 2 * EVENTS == len(delivered)
    assert {"deferred", "delivered", "retry"} == {row["verdict"] for row in results if row["subscription_id"] == "bad"}
    assert {"delivered"} == {row["verdict"] for row in results if row["subscription_id"] == "ok"}
    assert waits[len(waits) // 2] < 1.0
    assert waits[-1] < 5.0  # of a timeout of 15 s nobody else notices any
    assert before < EVENTS


async def told(relay: Relay, events: int) -> bool:
    return await relay.result_count(subscription_id="bad", verdict="delivered") == events


async def test_a_rate_is_kept_by_two_workers_together(kafka: str, prefix: str, tmp_path: Path) -> None:
    """Each sends its share of the partitions; what is too much is put off and spends no attempt."""
    per_s = 10
    async with Journal() as journal:
        with Relay(kafka, prefix, tmp_path, **NARROW | {"RELAY_LANE_WAIT_S": "1"}) as relay:
            await relay.prepare()
            await relay.subscribe("paced", journal.url("ok/paced"), "--rate-per-s", str(per_s))
            workers = [relay.worker(), relay.worker()]
            await until(lambda: relay.logged("assignment.loaded", 4))
            await relay.emit([an_event() for _ in range(50)])
            await until(lambda: len(journal.calls) == 50, 60)
            for worker in workers:
                assert await relay.end(worker) == 0
            results = await relay.results()

    times = sorted(call.at for call in journal.calls)
    for first, begin in enumerate(times):
        within = sum(1 for at in times[first:] if at < begin + 2.0)
        assert within <= 2.0 * per_s * 1.2 + 2  # each of two may begin with one, and the clock that sees it is another
    assert {1} == {row["attempt"] for row in results}
    assert {("delivered", "ok"), ("deferred", "rate_limited")} == {(row["verdict"], row["reason"]) for row in results}


async def test_max_in_flight_is_kept(kafka: str, prefix: str, tmp_path: Path) -> None:
    """Of one worker, that has all partitions."""
    async with Journal() as journal:
        with Relay(kafka, prefix, tmp_path) as relay:
            await relay.prepare()
            await relay.subscribe("narrow", journal.url("slow/50/a"), "--max-in-flight", "3")
            worker = relay.worker()
            await relay.emit([an_event() for _ in range(60)])
            await until(lambda: len(journal.calls) == 60, 60)
            assert await relay.end(worker) == 0

    assert 3 == journal.most_open
