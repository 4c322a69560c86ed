"""`relay deliveries …` and `relay erase`, as people use them: on a history as a console leaves it."""

import asyncio
import csv
import io
import os
import subprocess
import sys
from pathlib import Path

import orjson
import pytest
from aiokafka import AIOKafkaProducer

from relay.access.audit import Audit
from relay.cli.erase import held
from relay.config import Config, load
from relay.store.history.projector import batch
from relay.store.history.values import Position
from relay.topics import Cluster
from tests.cli.driver import Relay
from tests.contracts.histories import history
from tests.store.history.results import DAY_MS, NOON_MS, a_record, a_result

URL = "sqlite+aiosqlite:///relay.db"  # the default: a file where the command runs
HOSTILE = "lead_\x1b[31m\x9b"
RESULTS = (
    a_result(1, verdict="delivered", at_ms=NOON_MS),
    a_result(2, verdict="retry", at_ms=NOON_MS + 1_000),
    a_result(3, verdict="gave_up", at_ms=NOON_MS + 2_000, lead_id=HOSTILE, subscription_id="sub_2"),
    a_result(4, delivery=2, verdict="delivered", at_ms=NOON_MS + 6_000, attempt=2),
)


async def fill() -> None:
    records = [a_record(offset, one) for offset, one in enumerate(RESULTS)]
    async with history(URL) as store:
        await store.write("relay.results", batch({0: records}, {0: Position(partition=0)}, now_ms=NOON_MS + DAY_MS))


@pytest.fixture
def filled(relay: Relay) -> Relay:
    """The command, where a console has kept a history."""
    asyncio.run(fill())
    return relay


def delivery(number: int) -> str:
    return f"dlv_{number:032x}"


def test_a_page_is_a_table_or_an_array_and_its_age_is_told(filled: Relay) -> None:
    """Newest first; the age on stderr, so that stdout is the answer alone."""
    done = filled("deliveries", "list", "-o", "json")
    table = filled("deliveries", "list")

    assert 0 == done.status
    assert [(delivery(3), "gave_up"), (delivery(2), "delivered"), (delivery(1), "delivered")] == [
        (one["id"], one["state"]) for one in done.json
    ]
    assert "2019-06-07T12:00:01.000Z" == done.json[1]["created_at"]
    assert done.err.startswith("as of 2019-06-07T12:00:00.000Z: it is ")
    assert "is `relay console` running?" in done.err
    assert 4 == len(table.out.splitlines())
    assert not {"\x1b", "\x9b"} & set(table.out + done.out)


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        (("--subscription", "sub_2"), [3]),
        (("--lead", "lead_1"), [2, 1]),
        (("--state", "gave_up"), [3]),
        (("--status", "5", "--since", "2019-06-07T00:00:00Z"), [3]),
        (("--verdict", "delivered", "--since", "2019-06-07T00:00:00Z"), [2, 1]),
        (("--type", "lead.created", "--since", "36500d"), []),
        (("--since", "2019-06-07T12:00:01Z", "--until", "2019-06-07T12:00:02Z"), [2]),
        (("--until", "24h"), [3, 2, 1]),
        (("--account", "acct-2"), []),
    ],
)
def test_filters_are_those_of_the_history(filled: Relay, filters: tuple[str, ...], found: list[int]) -> None:
    """Of a page and of an export."""
    page = filled("deliveries", "list", *filters, "-o", "json")
    export = filled("deliveries", "list", *filters, "-o", "ndjson")

    assert [delivery(one) for one in found] == [one["id"] for one in page.json]
    assert page.json == [orjson.loads(line) for line in export.out.splitlines()]


def test_a_page_says_how_to_go_on_also_after_a_while(filled: Relay) -> None:
    """`24h` is another time by then: the times of the first page are told with its cursor."""
    first = filled("deliveries", "list", "--limit", "2", "--since", "36500d", "-o", "json")
    _, _, told = first.err.partition("there are more: the same with ")
    second = filled("deliveries", "list", "--limit", "2", *told.split(), "-o", "json")

    assert told.startswith("--since 19")
    assert [delivery(one) for one in (3, 2, 1)] == [one["id"] for one in (*first.json, *second.json)]
    assert "more" not in second.err


def test_an_export_is_all_of_it_or_the_first(filled: Relay) -> None:
    """CSV has a head and empty cells for what is not."""
    whole = filled("deliveries", "list", "-o", "csv")
    first = filled("deliveries", "list", "-o", "csv", "--limit", "1")
    rows = list(csv.DictReader(io.StringIO(whole.out)))

    assert [delivery(one) for one in (3, 2, 1)] == [row["id"] for row in rows]
    assert ("", "500", HOSTILE) == tuple(rows[0][name] for name in ("next_attempt_at", "status", "lead_id"))
    assert whole.out.splitlines()[:2] == first.out.splitlines()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (
            ("--since", "yesterday"),
            "since: must be how long ago, as in 24h, or a time with its zone, as in 2026-01-31T08:00:00Z",
        ),
        (("--since", "2026-01-31T08:00:00"), "since: must be how long ago, as in 24h, or a time with its zone"),
        (("--limit", "0"), "limit: must be 1 or more"),
        (("--limit", "201"), "limit: takes 1 to 200"),
        (("--status", "42"), "status: takes a status"),
        (("--verdict", "retry"), "since_ms: is needed with verdict"),
        (("--verdict", "retry", "-o", "ndjson"), "since_ms: is needed with verdict"),
        (("--cursor", "made-up"), "cursor: is none of this listing"),
        (("--cursor", "x", "-o", "csv"), "cursor: is for pages"),
    ],
)
def test_what_cannot_be_asked_is_told_by_option(filled: Relay, arguments: tuple[str, ...], told: str) -> None:
    """As usage; nothing on stdout."""
    done = filled("deliveries", "list", *arguments)

    assert 2 == done.status
    assert f"relay: {told}" in done.err


def test_one_is_shown_with_every_attempt(filled: Relay) -> None:
    """As JSON the records themselves; one that is not there is not found."""
    shown = filled("deliveries", "get", delivery(2), "-o", "json")
    table = filled("deliveries", "get", delivery(2))
    missing = filled("deliveries", "get", delivery(9))

    assert [RESULTS[1], RESULTS[3]] == shown.json["attempts"]
    assert "2019-06-07T12:00:06.000Z" == shown.json["delivered_at"]
    assert ["retry", "delivered"] == [line.split()[2] for line in table.out.splitlines()[-2:]]
    assert 3 == missing.status
    assert f"there is no delivery {delivery(9)}" in missing.err


@pytest.mark.parametrize(
    ("ids", "status", "told"),
    [
        ((delivery(8), delivery(9)), 3, "the history does not have any of these"),
        ((), 2, "ID: takes 1 to 200: `relay replay` sends more (given: 0)"),
        (tuple(map(delivery, range(201))), 2, "ID: takes 1 to 200: `relay replay` sends more (given: 201)"),
    ],
)
def test_what_cannot_be_sent_once_more_is_told(filled: Relay, ids: tuple[str, ...], status: int, told: str) -> None:
    """Before anything is."""
    done = filled("deliveries", "redeliver", *ids)

    assert (status, "") == (done.status, done.out)
    assert told in done.err


@pytest.mark.parametrize("command", [("deliveries", "list"), ("deliveries", "get", "x"), ("erase", "--lead", "x")])
def test_where_there_is_no_history_it_says_what_makes_one(
    relay: Relay, command: tuple[str, ...], tmp_path: Path
) -> None:
    """And makes none itself."""
    done = relay(*command)

    assert 1 == done.status
    assert "there is no history at sqlite+aiosqlite:///relay.db: `relay console` makes it" in done.err
    assert not (tmp_path / "relay.db").exists()


async def test_attempts_are_shown_as_they_are_made(bootstrap: str) -> None:
    """Off the topic itself, those that fit, until so many; what is no result is told."""
    prefix = "tail"
    environ = {name: value for name, value in os.environ.items() if not name.startswith("RELAY_")}
    environ |= {"RELAY_KAFKA_BOOTSTRAP_SERVERS": bootstrap, "RELAY_TOPIC_PREFIX": prefix}
    command = ("-m", "relay", "deliveries", "tail", "--status", "5", "--limit", "2", "-o", "ndjson")
    async with AIOKafkaProducer(bootstrap_servers=bootstrap) as producer:
        await producer.send_and_wait(f"{prefix}.results", b"before")
        process = await asyncio.create_subprocess_exec(
            sys.executable, *command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        assert process.stdout is not None
        assert process.stderr is not None
        assert b"following tail.results; Ctrl-C ends it\n" == await process.stderr.readline()
        for value in (b"no result", *map(orjson.dumps, (*RESULTS, RESULTS[2]))):
            await producer.send_and_wait(f"{prefix}.results", value, partition=0)
        out, err = await process.communicate()

    assert 0 == process.returncode
    assert [RESULTS[1], RESULTS[2]] == [orjson.loads(line) for line in out.splitlines()]
    assert b"\x9b" not in out
    assert b"a record that is no result: not JSON" in err


def test_a_lead_is_erased_and_what_kafka_holds_is_told(filled: Relay) -> None:
    """Its deliveries and no other's; a second time there is nothing left. The audit has it once."""
    done = filled("erase", "--lead", "lead_1", "-o", "json")
    again = filled("erase", "--lead", "lead_1")
    left = filled("deliveries", "list", "-o", "json")

    assert {"lead_id": "lead_1", "deliveries": 2, "topics": done.json["topics"]} == done.json
    assert [delivery(3)] == [one["id"] for one in left.json]
    assert 0 == again.status
    assert "nothing of lead_1 is in it" in again.err
    (entry,) = asyncio.run(Audit(load(os.environ, None)).page()).entries
    assert ("erased", "lead_1", {"deliveries": 2}) == (entry.action, entry.subject, entry.details)
    assert entry.actor.startswith("cli:")


def test_what_kafka_holds_is_told_by_topic_and_for_how_long() -> None:
    """Every topic with bodies or ids that there is, also one that no delay names any more; by its own settings."""
    config = Config.read({"RELAY_EVENTS_TOPICS": "leads.events,other"})
    there = ("leads.events", "relay.results", "relay.deliveries.now", "relay.deliveries.7m", "relay.notices", "foreign")
    configs = {
        "leads.events": {"retention.ms": "-1"},
        "relay.results": {"retention.ms": str(30 * DAY_MS)},
        "relay.deliveries.now": {"retention.ms": str(7 * DAY_MS)},
    }
    told = held(config, Cluster(partitions=dict.fromkeys(there, 1), configs=configs, brokers=1))

    assert {
        "leads.events": "for ever",
        "relay.results": "30 d",
        "relay.deliveries.now": "7 d",
        "relay.deliveries.7m": None,
    } == {one["topic"]: one["kept_for"] for one in told}
