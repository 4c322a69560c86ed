"""
A bad endpoint costs only itself (promise P6): what its neighbours notice of it, on a real Kafka.

    python -m tests.bench.isolation [--pairs 5] [--events 16000] [--only CASE] [--bootstrap host:port]

20 subscriptions in 20 accounts and one worker with its defaults. A run is a backlog, then paced events, in which the
bad endpoint has been bad for the whole backlog and some seconds more before anything counts. Runs with all healthy and
runs with the bad one take turns, for a shared machine is not the same from one minute to the next. Judged are the same
subscriptions in both: those that are healthy throughout. Every run has topics of its own.

Exit status 1 when an event of a healthy one was lost or delivered twice, 2 when a bound was missed. What a delivery
costs with all healthy is told by `tests.bench.path`.
"""

import argparse
import asyncio
import math
import os
import platform
import socket
import sys
import tempfile
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.bench import audit
from tests.bench.cases import CASES, Case, Scene
from tests.bench.children import Broken, broker
from tests.bench.figures import Pair, Seen, checks, head, line, per_s, percentile, told
from tests.bench.runs import SLOWEST, peak_mb, watched
from tests.bench.stage import PARTITIONS, Sink, Stage, a_sink, bodies, lead_id

WARM_S = 5  # paced, and not counted
PACED_S = 12  # counted: 4,560 events of 19 subscriptions have a p99 with 45 above it; a flood's others 1,140, with 11
START_S = 30.0  # of a worker, until the first request; it takes 2
EVENTS = 16_000  # of backlog: 800 for one that hangs, more than RELAY_IN_FLIGHT; a full run stays under half an hour
ARRIVAL_S = 20.0  # for the last paced one: an attempt's timeout and more
DRAIN_S = "2"  # what hangs at the end is nobody's, and the default waits 30 s for it


async def came(sink: Sink, events: int, *, within_s: float) -> bool:
    """Whether so many events had been received in time."""
    try:
        async with asyncio.timeout(within_s):
            await sink.wait(events)
    except TimeoutError:
        return False
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One scene on one stage, and which events, by number, are its backlog and which are paced."""

    stage: Stage
    case: Case
    scene: Scene
    backlog: range
    timed: range

    async def seen(self, *, nobody: str) -> Seen:
        """
        Everything was played, and audited.

        Raises:
            Broken: Something was lost or delivered twice, or the worker ended.
        """
        stage, scene = self.stage, self.scene
        await stage.prepare(scene.subscribers(sink=stage.sink.url, nobody=nobody))
        await stage.append(stage.topics[0], bodies(len(self.backlog), account=scene.account))
        await stage.sink.reset()
        latencies_ms: list[float] = []
        sent = list(self.backlog)
        async with (
            stage.worker(*stage.topics, group=stage.prefix, RELAY_DRAIN_S=DRAIN_S) as process,
            watched(process),
        ):
            rate, late = await self._caught_up()
            if not late:  # paced events behind a backlog that stands still would tell nothing else
                sent += self.timed
                latencies_ms = await self._latencies_ms()
                late = latencies_ms.count(math.inf)
            peak = peak_mb(process)
        passed = await audit.settled(stage, first_timed=self.timed.start)
        found = await audit.verdicts(stage)
        deferred = audit.judge(found, filter(self.case.judged, sent), arrived=not late, passed=passed)
        await stage.remove()
        return Seen(
            per_s=rate,
            p50_ms=percentile(latencies_ms, 0.5),
            p99_ms=percentile(latencies_ms, 0.99),
            peak_mb=peak,
            deferred=deferred,
            late=late,
        )

    async def _caught_up(self) -> tuple[float, int]:
        """Deliveries a second over the backlog, and how many of them had not come in time."""
        sink, expected = self.stage.sink, list(filter(self.case.judged, self.backlog))
        async with Broken.after(START_S, "nothing was received"):
            await sink.wait(1)
        limit_s = len(self.backlog) / SLOWEST  # what needs longer has missed every bound
        await came(sink, self._answered(self.backlog), within_s=limit_s)
        times = await sink.times()
        arrivals = [times[lead] for number in expected if (lead := lead_id(number)) in times]
        rate = per_s(arrivals, began_ns=min(times.values()), limit_s=limit_s, expected=len(expected))
        return rate, len(expected) - len(arrivals)

    async def _latencies_ms(self) -> list[float]:
        """From append to request, of the events that count; infinite where it had not come in time."""
        stage, timed = self.stage, self.timed
        await stage.sink.reset()
        appended = await stage.pace(
            stage.topics[1],
            bodies(len(timed), first=timed.start, account=self.scene.account),
            first=timed.start,
            per_s=self.scene.traffic.per_s,
        )
        await came(stage.sink, self._answered(timed), within_s=ARRIVAL_S)
        times = await stage.sink.times()
        warm = int(WARM_S * self.scene.traffic.per_s)
        leads = [lead_id(number) for number in timed[warm:] if self.case.judged(number)]
        return [(times[lead] - appended[lead]) / 1e6 if lead in times else math.inf for lead in leads]

    def _answered(self, events: range) -> int:
        return sum(map(self.scene.answered, events))


def a_run(stage: Stage, case: Case, scene: Scene, *, events: int) -> Run:
    """So many events of backlog; an event's place in the log follows from its number, for each topic begins a row."""
    first = -(-events // PARTITIONS) * PARTITIONS
    paced = int((WARM_S + PACED_S) * scene.traffic.per_s)
    return Run(stage=stage, case=case, scene=scene, backlog=range(events), timed=range(first, first + paced))


@contextmanager
def refusing() -> Iterator[str]:
    """A URL at which nobody listens, nor will: its port is taken."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}/"


async def bench(bootstrap: str, *, cases: Sequence[Case], pairs: int, events: int) -> bool:
    """Every case is measured and told; whether all bounds hold."""
    print(f"{events:,} events of backlog, {PARTITIONS} partitions, one worker; ", end="")
    print(f"Python {platform.python_version()}, {os.cpu_count()} CPUs; {pairs} pairs\n{head()}", flush=True)
    hold = True
    with tempfile.TemporaryDirectory(prefix="relay-bench-") as folder, refusing() as nobody:
        async with a_sink() as sink:
            for case in cases:
                done: list[Pair] = []
                for number in range(1, pairs + 1):
                    seen: list[Seen] = []
                    for scene, says in ((case.healthy, "all healthy"), (case.scene, case.says)):
                        prefix = f"bench-{uuid.uuid4().hex[:8]}"
                        stage = Stage(bootstrap=bootstrap, sink=sink, prefix=prefix, folder=Path(folder))
                        seen.append(await a_run(stage, case, scene, events=events).seen(nobody=nobody))
                        print(f"{case.name} {number}/{pairs}, {says}: {told(seen[-1])}", file=sys.stderr, flush=True)
                    done.append(Pair(healthy=seen[0], bad=seen[1]))
                print(line(case, done), flush=True)
                hold &= all(one.holds is not False for one in checks(case, done))
    return hold


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--events", type=int, default=EVENTS, help="of the backlog")
    parser.add_argument("--only", choices=[case.name for case in CASES], metavar="CASE", help="%(choices)s")
    parser.add_argument("--bootstrap", default=os.environ.get("RELAY_TEST_KAFKA"), help="a Kafka that runs already")
    given = parser.parse_args()
    cases = [case for case in CASES if given.only in {None, case.name}]
    try:
        with broker(given.bootstrap) as bootstrap:
            hold = asyncio.run(bench(bootstrap, cases=cases, pairs=given.pairs, events=given.events))
    except Broken as broken:
        print(broken, file=sys.stderr)
        return 1
    return 0 if hold else 2


if __name__ == "__main__":
    sys.exit(main())
