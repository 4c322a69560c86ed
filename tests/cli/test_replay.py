"""`relay replay …`, `dead-letters …` and `deliveries redeliver`, as people use them, on the embedded broker."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import orjson
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from relay.broker import kafka_settings
from relay.config import load
from relay.model import Outgoing
from relay.pipeline.decode import read_delivery, read_event
from relay.pipeline.match import delivery_id
from relay.pipeline.results import dead_letter, letter
from relay.store.entry import decode_entry
from relay.store.history.projector import batch
from relay.store.history.values import Position
from relay.topics import Topics
from tests.builders import Fetched, a_delivery
from tests.cli.driver import Relay, create
from tests.contracts.histories import history
from tests.store.history.results import DAY_MS, a_record, a_result

ACCOUNT = "cd0015d4-63b7-42b7-bd19-fecbe1f781ba"  # of `relay send`
URL = "sqlite+aiosqlite:///relay.db"  # the default: a file where the command runs


async def read(topic: str) -> list[Any]:
    """Every record of a topic, up to its present end."""
    settings = kafka_settings(load(os.environ, None)) | {"auto_offset_reset": "earliest"}
    async with AIOKafkaConsumer(topic, **settings) as consumer:
        ends = await consumer.end_offsets(consumer.assignment())
        records: list[Any] = []
        while any([await consumer.position(at) < end for at, end in ends.items()]):
            for some in (await consumer.getmany(timeout_ms=200)).values():
                records += some
        return records


async def write(records: Iterable[Outgoing]) -> None:
    async with AIOKafkaProducer(**kafka_settings(load(os.environ, None))) as producer:
        for one in records:
            await producer.send_and_wait(
                one.topic, key=one.key, value=one.value, headers=list(one.headers), partition=one.partition
            )


def topics() -> Topics:
    return Topics(os.environ["RELAY_TOPIC_PREFIX"])


def sent() -> list[Any]:
    """The deliveries that wait in `.now`."""
    return [read_delivery(one, max_bytes=1 << 20) for one in asyncio.run(read(topics().deliveries(0)))]


@pytest.fixture
def published(relay: Relay) -> Relay:
    """The command, where events were sent before there was anybody to hear of them."""
    for event_type, count in (("lead.updated", "5"), ("lead.created", "2")):
        assert relay("send", "--count", count, "--type", event_type).status == 0
    assert relay(*create("late", account=ACCOUNT), "--secret-file", "-").status == 0
    return relay


def test_a_dry_run_says_how_much_it_would_be_and_a_replay_sends_that(published: Relay) -> None:
    """What matches, once, each with its id of always; then it is listed, and in the audit."""
    dry = published("replay", "--subscription", "late", "--since", "24h", "--dry-run", "-o", "json")
    assert sent() == []
    done = published("replay", "--subscription", "late", "--since", "24h", "-o", "json")

    assert {"events": 7, "matched": 5, "to_send": 5, "exact": True, "lost": []} == dry.json
    assert (0, "done", 5, 7) == (done.status, done.json["state"], done.json["sent"], done.json["read"])
    deliveries = sent()
    assert 5 == len({one.id for one in deliveries})
    assert {("replay", done.json["id"], "lead.updated")} == {
        (one.trigger, one.run_id, one.event.type) for one in deliveries
    }
    assert [done.json] == published("replay", "list", "-o", "json").json
    assert done.json == published("replay", "get", done.json["id"], "-o", "json").json
    assert [] == published("replay", "list", "--account", "acct-2", "-o", "json").json
    entries = [decode_entry(one.value) for one in asyncio.run(read(topics().audit))]
    (entry,) = [one for one in entries if one.action == "replay.started"]
    assert (done.json["id"], ACCOUNT) == (entry.subject, entry.account_id)
    over = published("replay", "cancel", done.json["id"])
    assert (1, "relay: " + done.json["id"] + " is done already\n") == (over.status, over.err)


def test_a_replay_from_offsets_leaves_other_partitions_out(published: Relay) -> None:
    """And offsets beyond the end are nothing."""
    config = load(os.environ, None)
    records = [one for one in asyncio.run(read(config.events_topics[0])) if b'"updated"' in one.value]
    number = records[0].partition
    there = [one for one in records if one.partition == number]

    begin = f"{config.events_topics[0]}/{number}:{there[0].offset + 1}"
    done = published("replay", "--subscription", "late", "--from-offset", begin, "-o", "json")

    assert (0, len(there) - 1) == (done.status, done.json["sent"])
    assert [one.offset for one in there[1:]] == [one.event.source.offset for one in sent()]


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (("--subscription", "late"), 2, "--since or --from-offset"),
        (("--subscription", "late", "--since", "yesterday"), 2, "since: must be"),
        (("--subscription", "late", "--since", "1h", "--from-offset", "0:1"), 2, "--since or --from-offset"),
        (("--subscription", "late", "--from-offset", "0"), 2, "from-offset: must be PARTITION:OFFSET"),
        (("--subscription", "late", "--from-offset", "99:0"), 2, "no partition of an events topic"),
        (("--subscription", "nobody", "--since", "1h"), 3, "nobody"),
        (("--subscription", "late", "--since", "1h", "--undelivered"), 1, "there is no history"),
        (("get", "run_0"), 3, "there is no run"),
        (("cancel", "run_0"), 3, "there is no run"),
        (("resume", "run_0"), 3, "there is no run"),
    ],
)
def test_a_wish_that_cannot_be_granted_is_refused(
    published: Relay, arguments: tuple[str, ...], status: int, said: str
) -> None:
    """With the reason, and nothing is sent."""
    done = published("replay", *arguments)

    assert status == done.status
    assert said in done.err


def test_ctrl_c_leaves_a_replay_that_another_goes_on_with(published: Relay) -> None:
    """It says how; here it waits for its subscription, which is paused."""
    assert published("subscriptions", "pause", "late").status == 0
    command = [sys.executable, "-m", "relay", "replay", "--subscription", "late", "--since", "24h", "-o", "json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        said = next(line for line in process.stderr if "is paused" in line)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    left = orjson.loads(out)
    assert published("subscriptions", "resume", "late").status == 0
    done = published("replay", "resume", left["id"], "-o", "json")

    assert said.startswith("0 sent, waits until late is resumed")
    assert (130, "running", None) == (process.returncode, left["state"], left["worker"])
    assert f"relay replay resume {left['id']}" in err
    assert (0, "done", 5) == (done.status, done.json["state"], done.json["sent"])


@pytest.fixture
def buried(relay: Relay) -> Relay:
    """The command, where there are dead letters: one given up, one of another account, one that is no event."""
    assert relay(*create("late", account="acc_1"), "--secret-file", "-").status == 0
    created = relay("subscriptions", "get", "late", "-o", "json").json["created_at"]
    mine = a_delivery(subscription_id="late", incarnation=created, attempt=10)
    other = a_delivery(id="dlv_2", subscription_id="late", account_id="*", attempt=10)
    bad = dead_letter(Fetched(value=b"\xff{", topic="leads.events"), "not JSON", topics=topics(), max_bytes=1000)
    letters = [letter(mine, "exhausted", topics=topics()), letter(other, "gone", topics=topics()), bad]
    asyncio.run(write(letters))
    return relay


def test_dead_letters_are_listed_shown_exported_and_requeued(buried: Relay) -> None:
    """Newest first; what cannot be sent again says why."""
    listed = buried("dead-letters", "list", "-o", "json").json
    page = buried("dead-letters", "list", "--limit", "2", "-o", "json")
    rest = buried("dead-letters", "list", "--cursor", page.err.split()[-1], "-o", "json")
    exported = buried("dead-letters", "export")
    mine = buried("dead-letters", "list", "--account", "acc_1", "-o", "json").json
    one = buried("dead-letters", "get", listed[0]["place"], "-o", "json")
    done = buried("dead-letters", "requeue", *(row["place"] for row in listed), "-o", "json")

    assert ["not JSON", "gone", "exhausted"] == [row["reason"] for row in listed]
    assert listed == page.json + rest.json == [orjson.loads(line) for line in exported.out.splitlines()]
    assert [listed[2]] == mine
    assert listed[0] == one.json
    assert ("base64", "/3s=") == (one.json["value_encoding"], one.json["value"])
    assert 1 == done.status
    why = {row["place"]: row["why"] for row in done.json}
    assert [
        "it is malformed, and can only be exported",
        "its subscription was deleted, and made anew since",
        None,
    ] == [why[row["place"]] for row in listed]
    (delivery,) = sent()
    assert ("dlv_1", 1, "redelivery") == (delivery.id, delivery.attempt, delivery.trigger)
    assert 3 == buried("dead-letters", "get", "0/9999").status
    assert 2 == buried("dead-letters", "get", "zero").status
    assert 2 == buried("dead-letters", "list", "--cursor", "made-up").status
    assert 2 == buried("dead-letters", "list", "--limit", "1000").status
    assert 2 == buried("dead-letters", "requeue").status


def test_what_was_delivered_by_the_history_is_not_sent_when_only_the_rest_is_asked_for(published: Relay) -> None:
    """And is counted; a dry run says so before."""
    config = load(os.environ, None)
    (record, *_) = [one for one in asyncio.run(read(config.events_topics[0])) if b'"updated"' in one.value]
    ident = delivery_id(read_event(record, max_bytes=1 << 20), "late", namespace="", timestamp_ms=record.timestamp)  # type: ignore[arg-type]
    whose: dict[str, Any] = {"subscription_id": "late", "subscription_account_id": ACCOUNT}
    results = [a_result(1, at_ms=record.timestamp, **whose) | {"delivery_id": ident}]

    async def fill() -> None:
        records = [a_record(offset, one) for offset, one in enumerate(results)]
        async with history(URL) as store:
            told = batch({0: records}, {0: Position(partition=0)}, now_ms=record.timestamp)
            later_ms = record.timestamp + DAY_MS  # it has all that is written until then
            moves = [(before, replace(after, as_of_ms=later_ms)) for before, after in told.moves]
            await store.write("relay.results", replace(told, moves=moves))

    asyncio.run(fill())
    asked = ("replay", "--subscription", "late", "--since", "24h", "--undelivered", "-o", "json")
    dry, done = published(*asked, "--dry-run"), published(*asked)

    assert (5, 4) == (dry.json["matched"], dry.json["to_send"])
    assert (5, 1, 4) == (done.json["matched"], done.json["skipped"], done.json["sent"])
    assert ident not in {one.id for one in sent()}


def test_deliveries_of_the_history_are_sent_once_more(published: Relay) -> None:
    """By what the history says of them; one whose event is not there any more says so."""
    config = load(os.environ, None)
    (record, *_) = [one for one in asyncio.run(read(config.events_topics[0])) if b'"updated"' in one.value]
    event = read_event(record, max_bytes=1 << 20)
    ident = delivery_id(event, "late", namespace="", timestamp_ms=record.timestamp)  # type: ignore[arg-type]
    here = (record.topic, record.partition, record.offset)
    source: dict[str, Any] = dict(zip(("event_topic", "event_partition", "event_offset"), here, strict=True))
    common: dict[str, Any] = {"subscription_id": "late", "subscription_account_id": ACCOUNT, "verdict": "gave_up"}
    later_ms = record.timestamp + DAY_MS
    told = a_result(1, at_ms=later_ms, **common, **source) | {"delivery_id": ident}
    gone = a_result(2, at_ms=later_ms, **common, **(source | {"event_offset": 10_000}))

    async def fill() -> None:
        records = [a_record(offset, one) for offset, one in enumerate((told, gone))]
        async with history(URL) as store:
            await store.write("relay.results", batch({0: records}, {0: Position(partition=0)}, now_ms=later_ms))

    asyncio.run(fill())
    done = published("deliveries", "redeliver", ident, gone["delivery_id"], "-o", "json")
    unknown = published("deliveries", "redeliver", "dlv_0")

    assert 1 == done.status
    why = {row["id"]: row["why"] for row in done.json}
    assert why[ident] is None
    assert why[gone["delivery_id"]].startswith(f"{record.topic}/{record.partition} ends before it")
    (delivery,) = sent()
    assert (ident, "redelivery") == (delivery.id, delivery.trigger)
    assert 3 == unknown.status
