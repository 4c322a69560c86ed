"""`relay reconcile`: what it says and exits with, on the embedded broker; what it finds is tested on a real one."""

import asyncio
import os
import time

import orjson
import pytest
from aiokafka import AIOKafkaProducer

from relay.completeness.reading import BATCH, reconcile
from relay.config import Config
from relay.pipeline.covered import Lost, Run, Told, lost_record, records
from relay.topics import Topics
from tests.cli.driver import Relay
from tests.test_schemas import example

TOLD = Told(
    topic="leads.events", partition=0, generation=1, base=9, end=7, began_ms=0, runs=(Run(5, 2, 1), Run(7, 1, 0))
)
WHERE = {"event_topic": "leads.events", "event_partition": 0}


async def written(bootstrap: str, *, results: int, lost: bool = False) -> None:
    """What a worker would have told, and so many of its two results."""
    topics, now_ms = Topics(os.environ["RELAY_TOPIC_PREFIX"]), time.time_ns() // 1_000_000
    values = [*records(TOLD, now_ms=now_ms, worker="w")]
    if lost:
        values.append(lost_record(Lost("leads.events", 0, 1, 4), now_ms=now_ms, worker="w"))
    came = [orjson.dumps(example("result.delivered") | WHERE | {"event_offset": 5 + n}) for n in range(results)]
    async with AIOKafkaProducer(bootstrap_servers=bootstrap) as producer:
        for topic, some in ((topics.progress, values), (topics.results, came), (topics.dead_letters, [b"x"])):
            for value in some:
                await producer.send_and_wait(topic, value, partition=0)


async def test_what_is_complete_is_said_to_be(relay: Relay, bootstrap: str) -> None:
    """Status 0; the table is the answer, and the rest for people."""
    await written(bootstrap, results=2)

    table = await asyncio.to_thread(relay, "reconcile", "--since", "1h")
    report = (await asyncio.to_thread(relay, "reconcile", "--since", "1h", "-o", "json")).json

    assert (0, True) == (table.status, report["ok"])
    assert "leads.events" in table.out
    assert "nothing is known to be missing; offsets unknown: 1, from 20" in table.err
    assert {"events": 3, "matches": 2, "delivered": 2, "missed": 0, "unknown": 1}.items() <= report["totals"].items()
    assert "unknown: nobody told of leads.events/0 from 8 to before 9" in table.err


async def test_what_is_missing_or_lost_is_named_by_its_place(relay: Relay, bootstrap: str) -> None:
    """Status 1."""
    await written(bootstrap, results=1, lost=True)

    done = await asyncio.to_thread(relay, "reconcile", "--since", "2026-01-01T00:00:00Z")

    assert 1 == done.status
    assert "missing: 1 of leads.events/0/6" in done.err
    assert "lost: retention took leads.events/0 from 1 to before 4 unread" in done.err
    assert "NOT complete" in done.err


@pytest.mark.usefixtures("relay")
async def test_whatever_else_there_is_to_do_is_done_between_turns(bootstrap: str) -> None:
    """What was fetched at once is no single turn of the loop: a console answers others meanwhile."""
    await written(bootstrap, results=0)
    async with AIOKafkaProducer(bootstrap_servers=bootstrap) as producer:
        topic = Topics(os.environ["RELAY_TOPIC_PREFIX"]).results
        await asyncio.gather(*[await producer.send(topic, b"{}", partition=0) for _ in range(4 * BATCH)])
    others, at_steps = 0, list[int]()

    async def do_others() -> None:
        nonlocal others
        while True:
            others += 1
            await asyncio.sleep(0)

    async with asyncio.TaskGroup() as group:
        task = group.create_task(do_others())
        await reconcile(Config.read(os.environ), since_ms=0, progress=lambda *_: at_steps.append(others))
        task.cancel()

    assert len(set(at_steps)) > 4


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ("--since", "yesterday", "--until", "2026-01-31T08:00:00"),
            ["since", "until", "must be how long ago, as in 24h, or a time with its zone"],
        ),
        (("--since", "1h", "--until", "2h"), ["until", "must be later than --since"]),
        (("--since", "0001-01-01T00:00:00Z"), ["since", "must be how long ago"]),
    ],
)
def test_times_that_are_none_are_refused(relay: Relay, arguments: tuple[str, ...], said: list[str]) -> None:
    """All that is wrong at once."""
    done = relay("reconcile", *arguments)

    assert 2 == done.status
    assert all(one in done.err for one in said)
