"""Workers come and go under load: nobody waits for the slowest receiver, and only what moves may be sent twice."""

import asyncio
import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.history import Excuse, Subscriber, Window
from tests.faults.oracle import delivery_id
from tests.faults.receiver import now_s
from tests.faults.scene import all_in, beside, ended
from tests.faults.stage import Stage, staged
from tests.kafka.driver import WIDE, until

pytestmark = pytest.mark.kafka

HANGS = Subscriber("hang", "acct-1", ("lead.created",))
SUBSCRIBERS = (Subscriber("ok"), Subscriber("slow", "acct-2"), HANGS)
HANG_S = "15"  # a naive drain would stand still for so long at every change
STALL_S = 5.0
CHANGE_S = 6.0  # behind a change, looked at: draining, loading, and deliveries again
HANGING = {"RELAY_TIMEOUT_S": "60", **WIDE}  # longer than a change and its looking at, and none is put off
PATIENT = {"RELAY_TIMEOUT_S": HANG_S, "RELAY_RETRY_DELAYS": "1s"}


def stall(stage: Stage, since: float, until_s: float) -> float:
    """The longest time without the beginning of a request."""
    times = [since, *sorted(one.began for one in stage.receiver.entries if since < one.began < until_s), until_s]
    return max(after - before for before, after in itertools.pairwise(times))


async def flowing(since: float) -> None:
    """So long after a change that what it costs has been seen."""
    await until(lambda: now_s() > since + CHANGE_S, 2 * CHANGE_S)


async def test_scaling_from_one_to_four_and_back_never_stands_still_for_more_than_five_seconds(
    kafka: str, tmp_path: Path, prefix: str
) -> None:
    """Receivers answer in 0 to 2.5 s, and one not at all."""
    async with staged(
        kafka, tmp_path, prefix, subscribers=SUBSCRIBERS, per_s=60, settings=PATIENT | {"RELAY_DRAIN_S": "20"}
    ) as stage:
        fleet, group = stage.fleet, stage.fleet.group
        stage.receiver.silent.add(HANGS.id)
        stalls: dict[str, float] = {}
        async with beside(stage.load.run()):
            fleet.start(0)
            await until(lambda: len(stage.receiver.entries) > 300)
            began = now_s()
            for place in (1, 2, 3):
                fleet.start(place)
            await all_in(stage, group, 4)
            await flowing(now_s())
            stalls["1 to 4"] = stall(stage, began, now_s())
            since = now_s()
            await asyncio.gather(*(fleet.stop(place) for place in (1, 2, 3)))
            await flowing(now_s())
            stalls["4 to 1"] = stall(stage, since, now_s())
            stage.windows.append(Window(Excuse.REBALANCE, began, now_s()))
        stage.receiver.silent.clear()
        judgement = await ended(stage)

    print(f"longest time without a delivery: {', '.join(f'{change}: {s:.1f} s' for change, s in stalls.items())}")
    print(f"sent twice {judgement.repeats} of {len(stage.receiver.entries)}, the bound is {judgement.bound}")
    assert {} == judgement.counts, judgement.findings[:3]
    assert max(stalls.values()) <= STALL_S


async def test_a_third_worker_takes_what_it_must_and_the_others_keep_the_rest(
    kafka: str, tmp_path: Path, prefix: str
) -> None:
    """Of four partitions one moves; what is kept is not read anew, and what hangs there is not sent again."""
    subscribers = (Subscriber("ok"), Subscriber("hang", "acct-1"))
    async with staged(kafka, tmp_path, prefix, subscribers=subscribers, per_s=60, settings=HANGING) as stage:
        fleet, group, receiver = stage.fleet, stage.fleet.group, stage.receiver
        receiver.silent.add("hang")
        async with beside(stage.load.run()):
            for place in range(2):
                fleet.start(place)
            await all_in(stage, group, 2)
            await flowing(now_s())
            await until(lambda: owners(stage, 2))
            before = await owners(stage, 2)
            since = now_s()
            hung = {one.id for one in receiver.of("hang") if one.ended is None}
            fleet.start(2)
            await all_in(stage, group, 3)
            await until(lambda: owners(stage, 3))
            after = await owners(stage, 3)
            still = {one.id for one in receiver.of("hang") if one.ended is None}
            again = {one.id for one in receiver.of("hang") if one.began > since}
            receiver.silent.clear()
            receiver.answer_all(200)
        stage.windows.append(Window(Excuse.REBALANCE, 0.0, now_s()))
        judgement = await ended(stage)
        at = {delivery_id(one, "hang"): one.partition for one in await stage.events()}

    assert {} == judgement.counts, judgement.findings[:3]
    moved = {partition for partition in before if before[partition] != after[partition]}
    assert 1 == len(moved)
    kept = {ident for ident in hung if at[ident] not in moved}
    assert kept & still
    assert not kept & again


async def owners(stage: Stage, workers: int) -> dict[int, str]:
    """Partition -> the worker of its newest result; empty while not all of these workers have any."""
    newest = dict(_owners(await stage.fleet.results()))
    return newest if len(set(newest.values())) == workers and len(newest) == 4 else {}


def _owners(rows: list[dict[str, object]]) -> Iterator[tuple[int, str]]:
    for row in sorted(rows, key=lambda row: str(row["started_at"])):
        if row["subscription_id"] == "ok":  # the others' come from delivery topics too, which others may have
            yield int(str(row["event_partition"])), str(row["worker"])
