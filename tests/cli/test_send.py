"""`relay send`, and what `check` and `topics` say, on the embedded broker."""

import asyncio
import os
from typing import Any, NoReturn

import orjson
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from relay.errors import Unreachable
from relay.store.subscriptions import Subscriptions
from tests.cli.driver import GIVEN, Relay, create


async def test_samples_land_on_the_events_topic(relay: Relay, bootstrap: str) -> None:
    """Of the type and account that were asked for, each keyed by its lead."""
    send = ("send", "--count", "3", "--type", "LeadUpdated", "--account", "acct-1", "-o", "json")
    done = await asyncio.to_thread(relay, *send)

    topic = done.json["topic"]
    async with AIOKafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="earliest") as consumer:
        consumer.assign([TopicPartition(topic, number) for number in range(4)])
        records: list[Any] = []
        while len(records) < 3:
            records += [one for batch in (await consumer.getmany(timeout_ms=1_000)).values() for one in batch]
    events = [orjson.loads(record.value) for record in records]
    assert {
        "topic": os.environ["RELAY_EVENTS_TOPICS"],
        "events": 3,
        "type": "lead.updated",
    }.items() <= done.json.items()
    assert [("updated", "acct-1")] * 3 == [(event["action"], event["lead"]["account_id"]) for event in events]
    assert [record.key.decode() for record in records] == [event["resource_id"] for event in events]
    assert 3 == len({record.key for record in records})


def test_samples_that_cannot_be_are_refused(relay: Relay) -> None:
    """All that is wrong at once."""
    done = relay("send", "--count", "0", "--type", "LeadExploded")

    assert done.status == 2
    assert ["count", "type"] == [line.split(":")[1].strip() for line in done.err.splitlines()]


@pytest.mark.parametrize(
    "account", ["", "a" * 257, "\N{FAMILY}" * 65, "acct\x1b[31m"], ids=["none", "long", "long in bytes", "control"]
)
def test_a_sample_of_no_account_is_refused(relay: Relay, account: str) -> None:
    """A worker would call it malformed; told with all else that is wrong."""
    done = relay("send", "--count", "0", "--account", account)

    assert done.status == 2
    assert ["count", "account"] == [line.split(":")[1].strip() for line in done.err.splitlines()]


def test_check_says_that_the_broker_is_gone_in_its_last_step_too(relay: Relay, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit status 5, and no table of what it found before: nobody knows whether that holds."""
    relay(*create("one"), *GIVEN)

    class Gone(Subscriptions):
        async def read(self) -> NoReturn:
            raise Unreachable("the broker stopped answering")

    monkeypatch.setattr("relay.cli.check.Subscriptions", Gone)

    assert (5, "", "relay: the broker stopped answering\n") == relay("check")


def test_check_and_topics_know_the_embedded_broker_for_what_it_is(relay: Relay) -> None:
    """It has no topics to be wrong; to make some there is refused."""
    check, plan = relay("check", "-o", "json"), relay("topics", "plan")

    assert (0, 1) == (check.status, plan.status)
    assert "note" == next(one["state"] for one in check.json if one["what"] == "topics")
    assert "this broker makes topics when they are first used" in plan.err
