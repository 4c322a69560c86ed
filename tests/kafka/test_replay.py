"""Sent again, or sent to try, on a real Kafka with a real worker: what arrives, under which id, and how often."""

import signal
import subprocess
from collections import Counter
from collections.abc import Iterator
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from relay.config import Config
from relay.errors import Conflict, Invalid
from relay.model import State, Subscription, SubscriptionId
from relay.replay.service import Replays
from relay.replay.values import Preview, Run, RunState, Wish
from relay.store.history.rows import read
from relay.store.history.values import Delivery as Told
from relay.store.history.values import Unreadable
from relay.store.subscriptions import Subscriptions
from tests.kafka.driver import Relay, an_event, create_topic, until
from tests.kafka.journal import Journal

pytestmark = pytest.mark.kafka
BY = "a test"


@pytest.fixture
def relay(kafka: str, prefix: str, tmp_path: Path) -> Iterator[Relay]:
    with Relay(kafka, prefix, tmp_path) as one:
        yield one


def configured(relay: Relay) -> Config:
    return Config.read({name: value for name, value in relay.env.items() if name.startswith("RELAY_")})


async def prepare(relay: Relay) -> None:
    await relay.prepare()
    await create_topic(relay.bootstrap, f"{relay.prefix}.runs", 1, cleanup_policy="compact")


async def subscription(relay: Relay, ident: str) -> Subscription:
    one = (await Subscriptions(configured(relay)).read())[SubscriptionId(ident)]
    assert isinstance(one, Subscription)
    return one


def told(result: dict[str, Any]) -> Told:
    """As a history tells of a delivery that has this result alone."""
    one = read(0, orjson.dumps(result))
    assert not isinstance(one, Unreadable)
    return one[1]


async def test_a_redelivery_arrives_under_its_own_id_with_a_run_of_its_own(relay: Relay) -> None:
    """As often as it is asked for, also at once after the delivery itself; a test send has an id of its own."""
    async with Journal() as journal:
        await prepare(relay)
        await relay.subscribe("ok", journal.url("ok/a"), events="lead.updated")
        await relay.subscribe("failing", journal.url("status/500/b"), events="lead.completed")
        relay.worker()
        await relay.emit([an_event()])
        await until(lambda: journal.calls)
        await until(lambda: relay.read_count(f"{relay.prefix}.results", 1))
        (first,) = await relay.results()
        ok, failing = await subscription(relay, "ok"), await subscription(relay, "failing")

        async with Replays(configured(relay)) as replays:
            once, answers = await replays.redeliver(ok, [told(first)], by=BY)
            again, _ = await replays.redeliver(ok, [told(first)], by=BY)
            await until(lambda: len(journal.of("ok/a")) == 3)
            tried = await replays.test(failing, event_type="lead.updated", by=BY)
            await until(lambda: journal.of("status/500/b"))
            with pytest.raises(Conflict, match="resume it first"):
                await replays.test(replace(ok, state=State.PAUSED), event_type="lead.updated", by=BY)
            with pytest.raises(Invalid, match="event_type"):
                await replays.test(ok, event_type="lead.deleted", by=BY)
            assert {run.id: (run.sent, run.by) for run in replays.runs(account=ok.account_id)} == {
                once: (1, BY),
                again: (1, BY),
            }
            assert replays.runs(account="acct-2") == []
            assert replays.run(once, account="acct-2") is None

        assert answers == {first["delivery_id"]: None}
        assert journal.ids("ok/a") == {first["delivery_id"]}
        assert len({call.body for call in journal.of("ok/a")}) == 1
        assert [call.headers["relay-trigger"] for call in journal.of("ok/a")] == ["event", "redelivery", "redelivery"]
        await until(lambda: relay.result_count(trigger="test"))
        results = await relay.results()
        redelivered = [(row["run_id"], row["attempt"], row["verdict"]) for row in results if row["run_id"]]
        assert sorted(redelivered) == sorted([(once, 1, "delivered"), (again, 1, "delivered")])
        (test,) = [row for row in results if row["trigger"] == "test"]
        assert (test["delivery_id"], test["verdict"], test["ended_by"]) == (tried, "gave_up", "exhausted")
        assert test["event_topic"] is None


EVENTS = 600  # three times what may be in `.now`
QUICK = {"RELAY_COMMIT_INTERVAL_S": "0.2"}  # what is settled is known sooner, so a replay goes on sooner


async def test_a_replay_that_is_killed_goes_on_without_a_double_or_a_gap(relay: Relay) -> None:
    """Every event of before that its subscription wants, once, under the id that live traffic would have given it."""
    async with Journal() as journal:
        await prepare(relay)
        await relay.subscribe("live", journal.url("ok/live"), events="lead.updated")
        worker = relay.worker(**QUICK)
        await relay.emit([an_event() for _ in range(EVENTS)] + [an_event(action="created") for _ in range(10)])
        await relay.emit([an_event(account="acct-2") for _ in range(10)])
        await until(lambda: len(journal.of("ok/live")) == EVENTS)
        await relay.subscribe("late", journal.url("ok/late"), "--filter", '{"action": {"$neq": "created"}}')
        runner = replaying(relay)
        async with Replays(configured(relay)) as replays:
            late = await subscription(relay, "late")
            preview = await replays.preview(late, Wish(since_ms=0))
            run = await replays.start(late, Wish(since_ms=0), by=BY)
            await until(lambda: len(journal.of("ok/late")) >= EVENTS // 4)
            await relay.end(runner, signal.SIGKILL)
            at = len(journal.of("ok/late"))
            await relay.emit([an_event()])  # live traffic's, for both
            replaying(relay)
            took = await until(lambda: is_over(replays, run))
            await until(lambda: len(journal.of("ok/late")) >= EVENTS + 1)
            over = replays.run(run.id, account="acct-1")
        await relay.end(worker)
        print(f"killed at {at}, then {took:.1f} s")

        assert preview == Preview(events=EVENTS + 20, matched=EVENTS, to_send=EVENTS, lost=(), exact=True)
        assert over is not None
        assert (over.state, over.matched, over.sent, over.read) == (RunState.DONE, EVENTS, EVENTS, EVENTS + 20)
        assert at < EVENTS
        twice = [ident for ident, count in Counter(call.id for call in journal.of("ok/late")).items() if count > 1]
        assert len(journal.of("ok/late")) == EVENTS + 1, twice
        assert twice == []
        replayed = [row for row in await relay.results() if row["trigger"] == "replay"]
        assert {row["run_id"] for row in replayed} == {run.id}
        assert {row["subscription_id"] for row in replayed} == {"late"}
        assert len(replayed) == EVENTS


def replaying(relay: Relay) -> "subprocess.Popen[bytes]":
    """A process that carries runs on."""
    other = copy(relay)
    other.worker_command = ("tests.kafka.replaying",)
    return other.worker()


def is_over(replays: Replays, run: Run) -> bool:
    now = replays.run(run.id, account=None)
    return now is not None and now.is_over
