"""A process that carries runs on, as its environment says; until it is told to stop, or killed."""

import asyncio
import os
import signal

import uvloop

from relay import log
from relay.config import load
from relay.replay.service import Replays

WORKER = "one-of-the-tests"  # the same after a restart, so that no test waits until it is taken for dead


async def main() -> None:
    config = load(os.environ, None)
    log.configure(format_="json", level="info")
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with Replays(config, worker=WORKER) as replays:
        await replays.work(stop)


if __name__ == "__main__":
    uvloop.run(main())
