"""Logs that are not what they were: an events topic with gaps, and one that was deleted and made anew."""

import asyncio
import contextlib
from pathlib import Path

import pytest
from confluent_kafka import KafkaException
from confluent_kafka.cimpl import NewTopic

from tests.faults.history import Excuse, Subscriber, Window
from tests.faults.observe import read_all
from tests.faults.oracle import delivery_id
from tests.faults.receiver import now_s
from tests.faults.scene import ended
from tests.faults.stage import Stage, staged
from tests.kafka.driver import until

pytestmark = pytest.mark.kafka

OK = Subscriber("ok")
OLD = 200
COMPACTED = {
    "cleanup.policy": "compact",
    "segment.ms": "100",
    "min.cleanable.dirty.ratio": "0.001",
    "max.compaction.lag.ms": "100",
    "delete.retention.ms": "100",
}


async def test_gaps_that_compaction_left_are_passed_over_and_what_is_left_is_delivered(
    kafka: str, tmp_path: Path, prefix: str
) -> None:
    """Also by a worker that is killed between two of them."""
    async with staged(kafka, tmp_path, prefix, subscribers=(OK,), static=True, configs=COMPACTED) as stage:
        load, fleet, receiver = stage.load, stage.fleet, stage.receiver

        async def compacted() -> bool:
            load.one(lead="lead-0", partition=0)  # closes the segment before
            await load.flush()
            return len(await asyncio.to_thread(read_all, kafka, [fleet.events])) < 0.9 * len(load.acked)

        for n in range(900):
            load.one(lead=f"lead-{n % 300}", partition=0)
        await until(compacted, 60, every=0.2)
        fleet.start(0)
        await until(lambda: len(receiver.entries) > 100)
        await fleet.kill(0)
        stage.windows.append(Window(Excuse.CRASH, now_s(), now_s()))
        fleet.start(0)
        judgement = await ended(stage)

    assert {} == judgement.counts, judgement.findings[:3]
    assert judgement.events < len(load.acked)


@pytest.mark.parametrize("workers", ["down", "up"])
@pytest.mark.parametrize("new", [50, 1_000], ids=["shorter", "longer"])
async def test_a_topic_that_was_deleted_and_made_anew_is_read_from_its_beginning(
    kafka: str, tmp_path: Path, prefix: str, workers: str, new: int
) -> None:
    """Its records have the offsets of the old ones, and ids of their own; none is passed over."""
    async with staged(kafka, tmp_path, prefix, subscribers=(OK,)) as stage:
        load, fleet, receiver = stage.load, stage.fleet, stage.receiver
        for n in range(OLD):
            load.one(partition=n % 4)
        await load.flush()
        fleet.start(0)
        await until(lambda: len(receiver.entries) == OLD)
        await stage.settled(20)
        if workers == "down":
            await fleet.stop(0)

        since = now_s()
        await made_anew(stage)
        for n in range(new):
            load.one(partition=n % 4)
        await load.flush()
        if workers == "down":
            fleet.start(0)
        ids = {delivery_id(event, OK.id) for event in load.acked}
        missing = await never_came(stage, ids)
        stage.windows += [Window(Excuse.CUT, since, now_s(), fleet.events, n) for n in range(4)]
        judgement = await ended(stage)

    assert OLD + new == len(ids)
    assert set() == missing
    assert {} == judgement.counts, judgement.findings[:3]


async def made_anew(stage: Stage) -> None:
    """By us, or by a broker that makes what it is asked about while workers are up."""
    with contextlib.suppress(AssertionError):
        await stage.tool.delete(stage.fleet.events)
    with contextlib.suppress(KafkaException):
        await stage.tool.create(NewTopic(stage.fleet.events, 4, 1))


async def never_came(stage: Stage, ids: set[str]) -> set[str]:
    """Which of these the receiver has not got after half a minute."""
    with contextlib.suppress(AssertionError):
        await until(lambda: ids <= {one.id for one in stage.receiver.entries}, 30)
    return ids - {one.id for one in stage.receiver.entries}
