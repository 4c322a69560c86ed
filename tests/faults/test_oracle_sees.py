"""The oracle can see: the same run passes with sound workers, and fails with either of the two deliberate breaks."""

from pathlib import Path

import pytest

from tests.faults.history import Excuse, Subscriber, Window
from tests.faults.oracle import Judgement, judge
from tests.faults.receiver import now_s
from tests.faults.stage import Stage, staged
from tests.kafka.driver import WIDE, until

pytestmark = pytest.mark.kafka

HANGS = Subscriber("hang", "acct-1")
TAKES = Subscriber("ok", "acct-0")
OPEN = 100  # at the head of the partition
BEHIND = 3_000  # settled behind them
QUIET_S = 2.5  # more than a commit interval, and a commit that is slow


async def killed_with_a_head_open(stage: Stage) -> Judgement:
    """A hundred deliveries hang, thousands behind them are settled and committed over; `kill -9`; and again."""
    load, fleet, receiver = stage.load, stage.fleet, stage.receiver
    receiver.silent.add(HANGS.id)
    for n in range(OPEN):
        load.one(lead=f"lead-{3 * n + 1}", partition=0)
    for n in range(BEHIND):
        load.one(lead=f"lead-{3 * n}", partition=0)
    await load.flush()
    fleet.start(0)
    await until(lambda: len({one.id for one in receiver.of(TAKES.id)}) == BEHIND, 60)
    await until(lambda: now_s() > max(one.began for one in receiver.entries) + QUIET_S)

    await fleet.kill(0)
    killed = now_s()
    receiver.silent.clear()
    fleet.start(0)
    lag = await stage.settled(60)
    await fleet.stop(0)
    stage.windows += [Window(Excuse.CRASH, killed, killed)]
    return judge(await stage.history(lag))


async def judged(kafka: str, folder: Path, prefix: str, **settings: str) -> Judgement:
    patient = {"RELAY_TIMEOUT_S": "30", **WIDE} | settings  # nothing that hangs ends before the kill
    async with staged(kafka, folder, prefix, subscribers=(HANGS, TAKES), static=True, settings=patient) as stage:
        return await killed_with_a_head_open(stage)


async def test_sound_workers_send_only_what_was_open_again(kafka: str, tmp_path: Path, prefix: str) -> None:
    judgement = await judged(kafka, tmp_path, prefix)

    assert {} == judgement.counts, judgement.findings[:3]
    assert OPEN <= judgement.repeats <= sum(judgement.bound.values())


async def test_a_run_without_the_settled_map_fails(kafka: str, tmp_path: Path, prefix: str) -> None:
    """Everything settled behind the head comes again: far above the bound."""
    judgement = await judged(kafka, tmp_path, prefix, RELAY_TEST_BREAK="no-map")

    assert {"repeat"} == judgement.counts.keys()
    assert judgement.counts["repeat"] > BEHIND / 2
    assert judgement.repeats > 2 * sum(judgement.bound.values())


async def test_a_run_that_commits_before_the_acknowledgement_fails(kafka: str, tmp_path: Path, prefix: str) -> None:
    """What was open at the kill is never sent again; and the commits themselves were seen to be too early."""
    judgement = await judged(kafka, tmp_path, prefix, RELAY_TEST_BREAK="commit-early")

    assert {"lost", "committed too early"} == judgement.counts.keys()
    assert OPEN == judgement.lost
