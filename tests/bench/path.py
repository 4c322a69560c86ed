"""
The whole path on a real Kafka, beside a bare loop that posts the same bodies.

    python -m tests.bench.path [--events 50000] [--pairs 3] [--latency-seconds 20] [--bootstrap host:port]

Worker and loop take turns, for a shared machine is not the same from one minute to the next. CPU is of the process
alone (user and system), from its first request on: the worker's until all is committed. Then 200 events a second: from
handing an event to the producer (its append is part of it) to its whole request at the receiver. Exit status 1 when
anything was lost, never for being slow.
"""

import argparse
import asyncio
import os
import platform
import statistics
import sys
import tempfile
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.bench import guard, lanes, ledger
from tests.bench.children import Broken, broker, child
from tests.bench.runs import Run, measure
from tests.bench.stage import PARTITIONS, STOP_S, Stage, a_sink, bodies

RATE = 200  # events a second of the latency run: what the promise is about
ARRIVAL_S = 30.0  # for the last of them


async def worker_run(stage: Stage, events: int, group: str) -> Run:
    """The backlog through a worker; every event has its one result."""
    topic, _ = stage.topics
    await stage.sink.reset()
    results = await stage.results()
    async with stage.worker(topic, group=group) as process:
        run = await measure(process, stage.sink, events=events, done=lambda: stage.committed(topic, group=group))
    if (told := await stage.results() - results) < events:
        raise Broken(f"{events} events were delivered and committed, but {told} results were written")
    return run


async def loop_run(stage: Stage, events: int, backlog: Path) -> Run:
    """The same bodies through the bare loop."""

    async def done() -> None:
        """The last request is the end."""

    await stage.sink.reset()
    async with child("tests.bench.loop", stage.sink.url, str(backlog)) as process:
        run = await measure(process, stage.sink, events=events, done=done)
        assert process.stdin is not None
        process.stdin.close()
        async with Broken.after(STOP_S, "did not stop"):
            if await process.wait():
                raise Broken(f"exit status {process.returncode}")
    return run


async def latencies(stage: Stage, seconds: int) -> list[float]:
    """Milliseconds from append to request, in no order; the worker is at work before the first that counts."""
    _, topic = stage.topics
    await stage.sink.reset()
    async with (
        stage.worker(topic, group=f"{stage.prefix}-timed"),
        Broken.after(seconds + 2 * ARRIVAL_S, "not every timed event was received"),
    ):
        await stage.append(topic, bodies(1))
        await stage.sink.wait(1)
        await stage.sink.reset()
        appended = await stage.pace(topic, bodies(seconds * RATE, first=1), first=1, per_s=RATE)
        await stage.sink.wait(len(appended))
        received = await stage.sink.times()
    return [(received[lead] - at) / 1e6 for lead, at in appended.items()]


def spread(values: Sequence[float]) -> str:
    return "".join(f"{value:9,.0f}" for value in (min(values), statistics.median(values), max(values)))


def table(runs: dict[str, list[Run]]) -> Iterator[str]:
    """A line a client, and how their CPU compares."""
    yield f"{'':12}{'deliveries/s':>27}{'CPU us a delivery':>27}{'peak':>8}{'RSS, MB: first and last':>26}"
    yield f"{'':12}{'min   median      max':>27}{'min   median      max':>27}{'MB':>8}{'quarter of the run':>26}"
    for name, of in runs.items():
        per_s, cpu_us = spread([run.per_s for run in of]), spread([run.cpu_us for run in of])
        peak = max(run.peak_mb for run in of)
        first = statistics.median(run.first_quarter_mb for run in of)
        last = statistics.median(run.last_quarter_mb for run in of)
        yield f"{name:12}{per_s}{cpu_us}{peak:8.0f}{first:20.0f}{last:6.0f}"
    worker, loop = ([run.cpu_us for run in of] for of in runs.values())
    ratio = statistics.median(worker) / statistics.median(loop)
    yield f"CPU ratio {ratio:.2f} of medians, {min(worker) / min(loop):.2f} of minima"


async def bench(bootstrap: str, *, events: int, pairs: int, latency_seconds: int) -> None:
    """Everything is measured and told."""
    with tempfile.TemporaryDirectory(prefix="relay-bench-") as folder:
        async with a_sink() as sink:
            stage = Stage(bootstrap=bootstrap, sink=sink, prefix=f"bench-{uuid.uuid4().hex[:8]}", folder=Path(folder))
            await stage.prepare()
            if pairs:
                await backlog(stage, events=events, pairs=pairs)
            if latency_seconds:
                print(latency_line(await latencies(stage, latency_seconds)))


async def backlog(stage: Stage, *, events: int, pairs: int) -> None:
    """Worker and loop have taken turns over the same bodies."""
    file = stage.folder / "backlog"
    with file.open("wb") as lines:
        lines.writelines(body + b"\n" for body in bodies(events))
    size = file.stat().st_size // events - 1
    print(f"{events:,} events of {size:,} bytes, {PARTITIONS} partitions, one worker; ", end="")
    print(f"Python {platform.python_version()}, {os.cpu_count()} CPUs", flush=True)
    with file.open("rb") as lines:
        await stage.append(stage.topics[0], (line.rstrip(b"\n") for line in lines))
    runs: dict[str, list[Run]] = {"relay": [], "bare loop": []}
    for number in range(pairs):
        runs["relay"].append(await worker_run(stage, events, f"{stage.prefix}-{number}"))
        runs["bare loop"].append(await loop_run(stage, events, file))
    print("\n".join(table(runs)), flush=True)
    path_us = statistics.median(run.cpu_us for run in runs["relay"])
    guarded = await asyncio.to_thread(guard.line, path_us)  # it has a loop of its own
    print(ledger.line(path_us), lanes.line(path_us), guarded, sep="\n", flush=True)


def latency_line(ms: list[float]) -> str:
    cuts = statistics.quantiles(ms, n=100, method="inclusive")
    return (
        f"latency at {RATE}/s, {len(ms):,} events, append to request: "
        f"p50 {cuts[49]:.1f} ms, p99 {cuts[98]:.1f} ms, max {max(ms):.1f} ms"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=50_000)
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--latency-seconds", type=int, default=20)
    parser.add_argument("--bootstrap", default=os.environ.get("RELAY_TEST_KAFKA"), help="a Kafka that runs already")
    given = parser.parse_args()
    try:
        with broker(given.bootstrap) as bootstrap:
            asyncio.run(bench(bootstrap, events=given.events, pairs=given.pairs, latency_seconds=given.latency_seconds))
    except Broken as broken:
        print(broken, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
