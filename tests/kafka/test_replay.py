"""Sent again, or sent to try, on a real Kafka with a real worker: what arrives, under which id, and how often."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from relay.config import Config
from relay.errors import Conflict, Invalid
from relay.model import State, Subscription, SubscriptionId
from relay.replay.service import Replays
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
