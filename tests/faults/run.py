"""One run: a schedule played on a stage under load, a calm end, and the judgement."""

import asyncio
import logging
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import orjson

from tests.faults.cluster import Cluster
from tests.faults.hands import Hands
from tests.faults.history import FILES, Excuse, History, read
from tests.faults.oracle import Judgement, judge
from tests.faults.receiver import now_s
from tests.faults.schedule import Fault, Pace, schedule
from tests.faults.stage import Stage, staged

FIRST_S = 20  # until the first workers have found each other
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """All that makes a run what it is."""

    seed: int
    seconds: float
    nodes: int
    pace: Pace
    per_s: float  # events
    patience_s: float  # after the calm: until nothing is left to do
    workers: int = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a run came to."""

    plan: Plan
    faults: Counter[str]
    judged: Judgement
    lag: dict[str, int]
    died: tuple[str, ...]
    took_s: float
    folder: Path

    def forget(self) -> None:
        """Its logs and history are gone."""
        shutil.rmtree(self.folder)


async def play(plan: Plan, say: Say) -> Outcome:
    """Everything up, the schedule played, everything down; logs and history are left in the folder."""
    client = logging.getLogger("aiokafka")
    level = client.level
    client.setLevel(logging.CRITICAL)  # brokers that are away are no news here
    folder = Path(tempfile.mkdtemp(prefix="relay-faults-"))
    began = time.monotonic()
    faults = schedule(plan.seed, seconds=plan.seconds, nodes=plan.nodes, pace=plan.pace)
    say(f"seed {plan.seed}: {len(faults)} faults in {plan.seconds:.0f} s on {plan.nodes} node(s); logs in {folder}")
    cluster = await asyncio.to_thread(Cluster, folder / "kafka", plan.nodes)
    await asyncio.to_thread(cluster.__enter__)
    try:
        async with staged(
            cluster.bootstrap, folder, f"soak{plan.seed}", cluster=cluster, per_s=plan.per_s, seed=plan.seed
        ) as stage:
            history = await _played(stage, plan, faults, say)
    finally:
        client.setLevel(level)
        await asyncio.to_thread(cluster.close)
    judged, took_s = judge(history), time.monotonic() - began
    _keep(history, judged, folder, took_s)
    return Outcome(
        plan=plan, faults=Counter(fault.kind.value for fault in faults), judged=judged, lag=dict(history.lag),
        died=history.died, took_s=took_s, folder=folder,
    )  # fmt: skip


async def _played(stage: Stage, plan: Plan, faults: tuple[Fault, ...], say: Say) -> History:
    for _ in range(plan.workers):
        stage.fleet.join()
    async with asyncio.TaskGroup() as group:
        services = [group.create_task(one) for one in (stage.fleet.watch(), stage.observer.run())]
        load = group.create_task(stage.load.run())
        began = time.monotonic()
        hands = Hands(stage)
        hands.excused(Excuse.REBALANCE, now_s(), now_s() + FIRST_S)
        for fault in faults:
            await asyncio.sleep(max(0, began + fault.at_s - time.monotonic()))
            say(f"{time.monotonic() - began:6.1f} s  {fault.kind} for {fault.lasts_s} s, {_figures(stage)}")
            await hands.do(fault)
        await asyncio.sleep(max(0, began + plan.seconds - plan.pace.calm_s - time.monotonic()))
        say(f"{time.monotonic() - began:6.1f} s  calm, {_figures(stage)}")
        load.cancel()
        await stage.load.flush()
        lag = await stage.settled(plan.pace.calm_s + plan.patience_s)
        say(f"{time.monotonic() - began:6.1f} s  settled, lag {sum(lag.values())}, {_figures(stage)}")
        for service in services:
            service.cancel()
        await stage.fleet.stop_all()
    return await stage.history(lag)


def _figures(stage: Stage) -> str:
    return (
        f"{len(stage.fleet.places)} workers, {len(stage.load.acked)} events, {len(stage.receiver.entries)} requests, "
        f"{len(stage.fleet.died)} died"
    )


def again(plan: Plan, folder: Path) -> Outcome:
    """A run that was kept, judged anew: an oracle that has learnt something needs no other half an hour."""
    history, took_s = read(folder / "history")
    faults = schedule(plan.seed, seconds=plan.seconds, nodes=plan.nodes, pace=plan.pace)
    return Outcome(
        plan=plan, faults=Counter(fault.kind.value for fault in faults), judged=judge(history), lag=dict(history.lag),
        died=history.died, took_s=took_s, folder=folder,
    )  # fmt: skip


def _keep(history: History, judged: Judgement, folder: Path, took_s: float) -> None:
    """The history beside the logs, a file a kind, a line each."""
    kept = folder / "history"
    kept.mkdir()
    rest = {"took_s": took_s, "lag": history.lag, "subscribers": history.subscribers}
    rest |= {"proof": history.proof, "missing": history.missing}
    (kept / "rest.json").write_bytes(orjson.dumps(rest))
    for name in FILES:
        with (kept / f"{name}.jsonl").open("wb") as file:
            file.writelines(orjson.dumps(one) + b"\n" for one in getattr(history, name))
    with (kept / "findings.jsonl").open("wb") as file:
        file.writelines(orjson.dumps(one) + b"\n" for one in judged.findings)
