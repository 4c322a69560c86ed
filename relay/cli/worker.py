"""`relay worker`: deliver until told to stop."""

import asyncio
import gc
import signal

from relay.cli.common import Common, run
from relay.config import Config
from relay.errors import Invalid, Problem
from relay.pipeline.service import run_worker

COMMON = Common()
COLLECT_AFTER = 50_000  # objects; some 10 MB of them


def worker(*, processes: int = 1, common: Common = COMMON) -> int:
    """
    Deliver events until SIGTERM or SIGINT; then drain, commit and leave. Run as many as there are partitions.

    Args:
        processes: 1; this version starts no further ones itself.
    """
    config = common.load("kafka_bootstrap_servers", "secret_keys")
    if processes != 1:
        raise Invalid(Problem("processes", "this version runs one process: start several workers", str(processes)))
    run(_until_told(config))
    return 0


async def _until_told(config: Config) -> None:
    # What is there now stays; each delivery then makes a few hundred objects, most of them gone by the next. With the
    # default of 700 the collector walked everything in flight again and again: a third of the worker's CPU, measured.
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER, 20, 100)
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for one in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(one, stop.set)
    await run_worker(config, stop)
