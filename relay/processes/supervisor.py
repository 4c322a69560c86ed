"""
Several workers: started, started again when they end, told to stop, waited for. `restarts` says what follows. Edge.

Each has a stdin that this process holds the other end of. Nothing is ever written there: when it ends, this process is
gone, by whatever death, and the worker drains and ends by itself. Each has a session of its own, so that Ctrl-C on a
terminal reaches this process alone, which passes the order on: a worker whose imports it interrupts would fail with a
traceback.
"""

import asyncio
import tempfile
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import structlog

from relay.clock import Clock, SystemClock
from relay.config import Config
from relay.ending import unless
from relay.errors import Invalid, Problem
from relay.metrics import ProcessMetrics
from relay.pipeline import commit
from relay.pipeline.listener import serving
from relay.pipeline.watchdog import CLOSE_S
from relay.pipeline.worker import FLUSH_S
from relay.processes import restarts
from relay.processes.endpoint import application
from relay.processes.restarts import GiveUp, Restart

log = structlog.get_logger()

MOST = 64  # each has a consumer's connections and RELAY_BUFFER_BYTES; a machine that could feed more is another design
# behind RELAY_DRAIN_S: the flush, a commit of each of the two consumers, and what the worker gives itself to be taken
# apart, after which it ends by itself and says why; then as much as a busy machine may add
AFTER_DRAIN_S = FLUSH_S + 2 * commit.TIMEOUT_S + CLOSE_S + 5.0
_UNSTARTED = 1  # the status of one that the machine would not start
# where a folder of ours is made: the usual place, or the one that a container with a read-only root still has
_FOLDERS = (None, "/dev/shm")  # noqa: S108  its name cannot be guessed

Command = Callable[[int, int, Path], Sequence[str]]


async def supervise(config: Config, processes: int, command: Command, stop: asyncio.Event) -> int:
    """
    Workers until told to stop, or until one of them keeps dying; the exit status of the whole.

    Args:
        config: Of the address to listen at, and how long a drain may take.
        processes: How many, from 2 to `MOST`.
        command: What to run: by its number from 1, the port that this process listens at, and the socket to listen on.
        stop: Set when all should end.

    Raises:
        ConfigProblem: The address cannot be listened at.
        Invalid: There is no folder for sockets.
    """
    metrics = ProcessMetrics()
    with private_folder() as folder:
        sockets = {number: folder / str(number) for number in range(1, processes + 1)}
        async with serving(application(sockets, metrics), config.metrics_address) as port:
            commands = {number: command(number, port, socket) for number, socket in sockets.items()}
            stop_s = config.drain_s + AFTER_DRAIN_S
            return await Supervisor(commands, stop_s=stop_s, clock=SystemClock(), metrics=metrics).run(stop)


@contextmanager
def private_folder(parents: Sequence[str | None] = _FOLDERS) -> Iterator[Path]:
    """
    A folder that nobody else may look into, in the first of these that can be written.

    Raises:
        Invalid: None of them can.
    """
    for parent in parents:
        with suppress(OSError):
            made = tempfile.TemporaryDirectory(prefix="relay-", dir=parent)
            break
    else:
        raise Invalid(Problem("TMPDIR", "must name a folder that can be written: --processes needs one for sockets"))
    with made as folder:
        yield Path(folder)


class Supervisor:
    """Workers by their number, each kept running by a task of its own."""

    def __init__(
        self, commands: Mapping[int, Sequence[str]], *, stop_s: float, clock: Clock, metrics: ProcessMetrics
    ) -> None:
        """
        Args:
            commands: What to run, by number.
            stop_s: How long one that was told to stop may take before it is killed.
            clock: Of pauses and of how long each ran.
            metrics: What is counted here.
        """
        self._commands = commands
        self._stop_s = stop_s
        self._clock = clock
        self._metrics = metrics
        self._gave_up: GiveUp | None = None
        self._last: dict[int, int] = {}  # statuses of those that were told to stop

    async def run(self, stop: asyncio.Event) -> int:
        """The exit status of the whole, once all have ended."""
        async with asyncio.TaskGroup() as group:
            for number in self._commands:
                group.create_task(self._keep(number, stop), name=f"process {number}")
            await stop.wait()
            log.info("processes.stopping", processes=len(self._commands), at_most_s=self._stop_s)
        status = self._gave_up.status if self._gave_up else restarts.together(self._last.values())
        log.info("processes.stopped", status=status)
        return status

    async def _keep(self, number: int, stop: asyncio.Event) -> None:
        """One worker after another under this number, until told to stop."""
        deaths = 0
        while not stop.is_set():
            began_s = self._clock.monotonic()
            status = await self._one(number, stop)
            ran_s = self._clock.monotonic() - began_s
            write = log.info if stop.is_set() else log.warning
            write("process.ended", process=number, status=status, ran_s=round(ran_s, 3))
            if stop.is_set():
                self._last[number] = status
                return
            match restarts.after_end(status, ran_s=ran_s, deaths=deaths):
                case Restart(after_s=after_s, deaths=deaths):
                    log.warning("process.restarting", process=number, after_s=after_s, deaths=deaths)
                    await unless(stop, self._clock.sleep(after_s))
                    if not stop.is_set():
                        self._metrics.restarts.add(str(number))
                case GiveUp() as gave_up:
                    log.error("processes.gave_up", process=number, status=gave_up.status, because=gave_up.because)
                    self._gave_up = self._gave_up or gave_up
                    stop.set()

    async def _one(self, number: int, stop: asyncio.Event) -> int:
        """Started, told to stop when it is time, and ended: its status."""
        try:
            command = self._commands[number]
            process = await asyncio.create_subprocess_exec(*command, stdin=PIPE, start_new_session=True)
        except OSError as error:  # no memory, no process left, the program gone
            log.error("process.refused", process=number, error=str(error))  # noqa: TRY400  the machine's fault, not ours
            return _UNSTARTED
        log.info("process.started", process=number, pid=process.pid)
        self._metrics.processes.inc()
        try:
            async with asyncio.TaskGroup() as group:
                stopping = group.create_task(self._stop(number, process, stop))
                status = await process.wait()
                stopping.cancel()
        finally:
            if process.returncode is None:  # a fault of ours: uvloop does not close while a child of its lives
                process.kill()
            self._metrics.processes.dec()
        return status

    async def _stop(self, number: int, process: Process, stop: asyncio.Event) -> None:
        """Told once; killed when it has not ended in time."""
        await stop.wait()
        with suppress(ProcessLookupError):  # it ended at this moment
            process.terminate()
            await self._clock.sleep(self._stop_s)
            log.error("process.killed", process=number, pid=process.pid, after_s=self._stop_s)
            process.kill()
