"""`relay worker`: deliver until told to stop, in this process or in several that it looks after."""

import asyncio
import dataclasses
import gc
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import structlog
from cyclopts import Parameter

from relay.cli.common import Common, run
from relay.config import Config
from relay.errors import Invalid, Problem
from relay.pipeline.service import run_worker
from relay.processes.exposition import LABEL
from relay.processes.supervisor import MOST, supervise

COMMON = Common()
COLLECT_AFTER = 50_000  # objects; some 10 MB of them
STDIN = 0

Place = tuple[int, int, Path]  # of one of several: its number, the port that all of them are shown at, its own socket


def worker(
    *,
    processes: int = 1,
    child: Annotated[Place | None, Parameter(show=False)] = None,
    common: Common = COMMON,
) -> int:
    """
    Deliver events until SIGTERM or SIGINT; then drain, commit and leave. Run as many as there are partitions.

    Args:
        processes: So many workers on this machine, 1 to 64: one that ends is started again, and their figures are
            shown on one page. RELAY_INSTANCE_ID gets each one's number behind it.
        child: One of them, as the process that looks after them starts it.
    """
    config = common.load("kafka_bootstrap_servers", "secret_keys")
    if not 1 <= processes <= MOST:
        raise Invalid(Problem("processes", f"must be from 1 to {MOST}", str(processes)))
    if child is not None:
        run(_one_of_several(config, child))
    elif processes == 1:
        run(_alone(config))
    else:
        return run(_several(config, processes, common.config))
    return 0


async def _alone(config: Config) -> None:
    await _work(config, _told())


async def _several(config: Config, processes: int, file: Path | None) -> int:
    """Workers with the same environment and file as this process, looked after; the status of the whole."""

    def command(number: int, port: int, socket: Path) -> Sequence[str]:
        settings = () if file is None else ("--config", str(file))
        place = (str(number), str(port), str(socket))
        return (sys.executable, "-m", "relay", "worker", *settings, "--child", *place)

    return await supervise(config, processes, command, _told())


async def _one_of_several(config: Config, place: Place) -> None:
    """A worker with a number, which is shown at a socket, and ends when stdin does."""
    number, port, socket = place
    structlog.contextvars.bind_contextvars(**{LABEL: number})  # all of them write to one log
    instance_id = config.instance_id and f"{config.instance_id}-{number}"
    # nobody's receiver is at the port where all are shown
    config = dataclasses.replace(config, instance_id=instance_id, metrics_address=(config.metrics_address[0], port))
    stop, loop = _told(), asyncio.get_running_loop()

    def look() -> None:
        if not os.read(STDIN, 1):  # whoever started us is gone
            loop.remove_reader(STDIN)
            stop.set()

    loop.add_reader(STDIN, look)
    await _work(config, stop, socket)


async def _work(config: Config, stop: asyncio.Event, socket: Path | None = None) -> None:
    # What is there now stays; each delivery then makes a few hundred objects, most of them gone by the next. With the
    # default of 700 the collector walked everything in flight again and again: a third of the worker's CPU, measured.
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER, 20, 100)
    await run_worker(config, stop, socket_path=socket)


def _told() -> asyncio.Event:
    """Set by SIGTERM and SIGINT."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for one in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(one, stop.set)
    return stop
