"""One run of a process that posts to the sink, measured from outside: /proc for it, the sink for what arrived."""

import asyncio
import os
import time
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from tests.bench.children import Broken
from tests.bench.stage import Sink

SAMPLE_S = 0.1  # a run of some seconds has its quarters told by a dozen samples each
MIB = 1024  # of the kilobytes that /proc speaks in
SLOWEST = 200  # events a second: what is slower has stopped
GRACE_S = 60.0  # besides that, for a start and an end


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """What a process had used at a moment."""

    at_s: float
    cpu_s: float  # user and system
    rss_mb: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """From the first request at the sink to the last; CPU until everything is committed. The start is nobody's cost."""

    per_s: float
    cpu_us: float
    peak_mb: float
    first_quarter_mb: float
    last_quarter_mb: float


def sample(pid: int) -> Sample:
    """
    The process now.

    Raises:
        Broken: It has ended.
    """
    try:
        # The name stands in brackets and may hold anything; state is the first field behind it, utime the 12th.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return Sample(
            at_s=time.monotonic(),
            cpu_s=(int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"),
            rss_mb=_status(pid, "VmRSS"),
        )
    except (FileNotFoundError, ProcessLookupError, KeyError):
        raise Broken("the process ended before its work was done") from None


def _status(pid: int, name: str) -> float:
    """A size in MiB; KeyError when the process has ended and is not yet reaped."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(dict(line.split(":", 1) for line in lines)[name].split()[0]) / MIB


def run_of(
    began: Sample, ended: Sample, samples: Sequence[Sample], *, events: int, last_s: float, peak_mb: float
) -> Run:
    """
    The figures of a run.

    Args:
        began: At the first request.
        ended: When everything was committed.
        samples: Of the whole life of the process.
        events: Of the backlog, each posted once.
        last_s: When the last request was there.
        peak_mb: As the kernel tells it.
    """
    took_s = last_s - began.at_s

    def between(start: float, end: float) -> float:
        span = [one.rss_mb for one in samples if start * took_s <= one.at_s - began.at_s <= end * took_s]
        return fmean(span or [ended.rss_mb])

    return Run(
        per_s=events / took_s,
        cpu_us=(ended.cpu_s - began.cpu_s) / events * 1e6,
        peak_mb=peak_mb,
        first_quarter_mb=between(0, 0.25),
        last_quarter_mb=between(0.75, 1),
    )


def peak_mb(process: Process) -> float:
    """The most that a running process has had in memory, as the kernel tells it."""
    return _status(process.pid, "VmHWM")


@asynccontextmanager
async def watched(process: Process) -> AsyncIterator[list[Sample]]:
    """
    Samples of a process, more and more of them until the block ends.

    Raises:
        Broken: It ended meanwhile.
    """
    samples: list[Sample] = []

    async def watch() -> None:
        while True:
            samples.append(sample(process.pid))
            await asyncio.sleep(SAMPLE_S)

    try:
        async with asyncio.TaskGroup() as group:
            watching = group.create_task(watch())
            yield samples
            watching.cancel()
    except ExceptionGroup as several:
        raise several.exceptions[0] from None


async def measure(process: Process, sink: Sink, *, events: int, done: Callable[[], Awaitable[None]]) -> Run:
    """
    The run of a process that is starting.

    Args:
        process: Will post each of the events to the sink.
        sink: Knows of none of them yet.
        events: How many.
        done: Returns once nothing of the work is left, behind the last request.

    Raises:
        Broken: The process ended, or not every event came in time.
    """
    async with (
        Broken.after(events / SLOWEST + GRACE_S, "not every event was received and settled"),
        watched(process) as samples,
    ):
        await sink.wait(1)
        began = sample(process.pid)
        await sink.wait(events)
        last_s = time.monotonic()
        await done()
        ended = sample(process.pid)
        run = run_of(began, ended, samples, events=events, last_s=last_s, peak_mb=peak_mb(process))
    return run  # noqa: RET504  inside, a type checker holds that the blocks might keep an exception to themselves
