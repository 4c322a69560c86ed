"""What a random schedule does not time well: each fault alone, at its worst moment, judged by the oracle as well."""

from pathlib import Path

import pytest

from tests.faults.history import Excuse, Subscriber, Window
from tests.faults.oracle import delivery_id
from tests.faults.receiver import now_s
from tests.faults.scene import all_in, beside, ended
from tests.faults.stage import Stage, staged
from tests.kafka.driver import WIDE, until

pytestmark = pytest.mark.kafka

OK = Subscriber("ok")
SESSION_S = 10.0
SOON_S = 2.0  # with an instance id, and after a worker that leaves
NEW_PARTITION_S = 10.0
LEAVE = {"RELAY_ON_STOP": "leave"}
NOTICED_S = 2.0  # the last heartbeat before a kill, and a slow machine


async def test_a_worker_frozen_past_its_session_neither_drains_nor_commits_when_it_wakes(
    kafka: str, tmp_path: Path, prefix: str
) -> None:
    """The group is empty by then, so that the broker would take its commit, and offsets would go backwards."""
    async with staged(kafka, tmp_path, prefix, subscribers=(OK,), settings={"RELAY_TIMEOUT_S": "30", **WIDE}) as stage:
        stage.observer.every_s = 0.1
        receiver, fleet, load = stage.receiver, stage.fleet, stage.load
        async with beside(stage.observer.run()):
            fleet.start(0)
            for _ in range(500):
                load.one()
            await load.flush()
            await until(lambda: len(receiver.entries) == 500)
            receiver.silent.add(OK.id)
            for n in range(200):
                load.one(lead=f"lead-{n}")  # none waits behind another of its lead
            await load.flush()
            await until(lambda: len(receiver.entries) == 700)

            frozen = now_s()
            fleet.freeze(0)
            receiver.silent.clear()
            fleet.start(1)
            for _ in range(300):
                load.one()
            await load.flush()
            await until(lambda: len({one.id for one in receiver.entries}) == 1_000, 40)
            await stage.settled(20)
            await fleet.stop(1)
            before = len(receiver.entries)
            fleet.thaw(0)
            stage.windows.append(Window(Excuse.ZOMBIE, frozen, now_s()))
            for _ in range(100):
                load.one()
            await load.flush()
            await until(lambda: len({one.id for one in receiver.entries}) == 1_100, 40)
        judgement = await ended(stage)

    assert {} == judgement.counts, judgement.findings[:3]
    again = len(receiver.entries) - before - 100
    assert again == 0


async def test_a_frozen_worker_writes_no_retry_for_what_others_have_delivered_meanwhile(
    kafka: str, tmp_path: Path, prefix: str
) -> None:
    """Its receiver said 500 while it was frozen, and 200 to its heir: when it wakes, nothing is sent any more."""
    settings = {"RELAY_TIMEOUT_S": "60", **WIDE}
    async with staged(kafka, tmp_path, prefix, subscribers=(OK,), settings=settings) as stage:
        receiver, fleet, load = stage.receiver, stage.fleet, stage.load
        fleet.start(0)
        await all_in(stage, fleet.group, 1)
        receiver.silent.add(OK.id)
        for n in range(20):
            load.one(lead=f"lead-{n}")
        await load.flush()
        await until(lambda: len(receiver.entries) == 20)

        frozen = now_s()
        fleet.freeze(0)
        assert 20 == receiver.answer_all(500)
        receiver.silent.clear()
        fleet.start(1)
        await until(lambda: len(receiver.entries) == 40, 60)
        await stage.settled(20)
        fleet.thaw(0)
        stage.windows.append(Window(Excuse.ZOMBIE, frozen, now_s()))
        await until(lambda: fleet.logged("worker.frozen", 1), 30)
        await all_in(stage, fleet.group, 2)
        await stage.settled(30)
        judgement = await ended(stage)

    assert {} == judgement.counts, judgement.findings[:3]
    assert 40 == len(receiver.entries)
    assert 0 == judgement.inherited


async def test_partitions_that_are_added_while_the_only_static_member_is_down_are_read(
    kafka: str, tmp_path: Path, prefix: str
) -> None:
    """The group gives it back what it had; what has grown meanwhile it has to ask for."""
    async with staged(kafka, tmp_path, prefix, subscribers=(OK,), static=True) as stage:
        receiver, fleet, load = stage.receiver, stage.fleet, stage.load
        fleet.start(0)
        await all_in(stage, fleet.group, 1)
        load.one()
        await load.flush()
        await until(lambda: receiver.entries)
        await stage.settled(20)
        await fleet.kill(0)
        killed = now_s()
        stage.windows.append(Window(Excuse.CRASH, killed, killed))

        count = await grown(stage)
        fleet.start(0)
        await until(lambda: fleet.logged("worker.started", 2))
        took = await until(lambda: len({one.id for one in receiver.entries}) == 1 + 10 * count, 60)
        judgement = await ended(stage)

    assert {} == judgement.counts, judgement.findings[:3]
    assert took < NEW_PARTITION_S


async def grown(stage: Stage) -> int:
    """Two partitions more, and ten events on each there is; how many there are."""
    count = await stage.tool.grow(stage.fleet.events, 2)
    stage.load = stage.load.anew()
    for partition in range(count):
        for _ in range(10):
            stage.load.one(partition=partition)
    await stage.load.flush()
    return count


@pytest.mark.parametrize("static", [False, True], ids=["dynamic", "instance-id"])
async def test_partitions_that_are_added_are_read_within_ten_seconds_from_their_beginning(
    kafka: str, tmp_path: Path, prefix: str, *, static: bool
) -> None:
    async with staged(kafka, tmp_path, prefix, subscribers=(OK,), static=static) as stage:
        receiver, fleet, load = stage.receiver, stage.fleet, stage.load
        for place in range(2):
            fleet.start(place)
        await all_in(stage, fleet.group, 2)
        load.one()
        await load.flush()
        await until(lambda: receiver.entries)

        count = await grown(stage)
        took = await until(lambda: len({one.id for one in receiver.entries}) == 1 + 10 * count, 60)
        judgement = await ended(stage)

    assert {} == judgement.counts, judgement.findings[:3]
    assert took < NEW_PARTITION_S


@pytest.mark.parametrize("static", [False, True], ids=["dynamic", "instance-id"])
async def test_deliveries_flow_again_soon_after_kill_9_and_a_restart(
    kafka: str, tmp_path: Path, prefix: str, *, static: bool
) -> None:
    """Within the session timeout; with an id, two seconds after the new process is up."""
    async with staged(kafka, tmp_path, prefix, subscribers=(OK,), static=static) as stage:
        receiver, fleet = stage.receiver, stage.fleet
        async with beside(stage.load.run()):
            fleet.start(0)
            await until(lambda: len(receiver.entries) > 200)
            await fleet.kill(0)
            killed, before = now_s(), len(receiver.entries)
            stage.windows.append(Window(Excuse.CRASH, killed, killed))
            fleet.start(0)
            await until(lambda: fleet.logged("worker.started", 2))
            up = now_s()
            await until(lambda: len(receiver.entries) > before)
            flows = now_s()
        judgement = await ended(stage)

    print(f"{flows - killed:.1f} s after the kill, {flows - up:.1f} s after the new process was up")
    assert {} == judgement.counts, judgement.findings[:3]
    assert flows - killed < SESSION_S + NOTICED_S
    assert not static or flows - up < SOON_S


async def test_partitions_move_within_two_seconds_of_a_stop_that_leaves(
    kafka: str, tmp_path: Path, prefix: str
) -> None:
    """Events of every partition, written after the stop, arrive from the one that stays."""
    async with staged(kafka, tmp_path, prefix, subscribers=(OK,), static=True, settings=LEAVE) as stage:
        receiver, fleet, load = stage.receiver, stage.fleet, stage.load
        for place in range(2):
            fleet.start(place)
        await all_in(stage, fleet.group, 2)
        await all_in(stage, f"{prefix}.deliveries", 2)
        load.one()
        await load.flush()
        await until(lambda: receiver.entries)

        await fleet.stop(0)
        for partition in range(4):
            load.one(partition=partition)
        await load.flush()
        after = {delivery_id(event, OK.id) for event in load.acked[1:]}
        took = await until(lambda: after <= {one.id for one in receiver.entries}, 30)
        judgement = await ended(stage)

    assert {} == judgement.counts, judgement.findings[:3]
    assert took < SOON_S


async def test_offsets_reset_by_another_tool_are_where_reading_goes_on_with_the_same_ids(
    kafka: str, tmp_path: Path, prefix: str
) -> None:
    """Everything from there is sent again, whatever was known to be settled, and nothing else."""
    async with staged(kafka, tmp_path, prefix, subscribers=(OK,)) as stage:
        receiver, fleet, load = stage.receiver, stage.fleet, stage.load
        for n in range(400):
            load.one(partition=n % 4)
        await load.flush()
        fleet.start(0)
        await until(lambda: len(receiver.entries) == 400)
        await stage.settled(20)
        await fleet.stop(0)
        await all_in(stage, fleet.group, 0)

        await stage.tool.move(fleet.group, {(fleet.events, n): 40 for n in range(4)})
        stage.windows += [Window(Excuse.RESET, now_s(), now_s(), fleet.events, n, 40, 100) for n in range(4)]
        fleet.start(0)
        await until(lambda: len(receiver.entries) == 400 + 4 * 60)
        judgement = await ended(stage)

    assert {} == judgement.counts, judgement.findings[:3]
    assert 4 * 60 == judgement.repeats == judgement.bound[Excuse.RESET]
