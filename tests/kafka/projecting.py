"""A process that keeps a history, as its environment says; until it is told to stop, or killed."""

import asyncio
import os
import signal

import uvloop

from relay import log
from relay.config import load
from relay.store.history.projector import Keep, Projector
from relay.store.history.store import SqlHistory

FOR_EVER = Keep(age_ms=1_000_000_000_000)  # some thirty years: the results of a test are old


async def main() -> None:
    config = load(os.environ, None)
    log.configure(format_="json", level="info")
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    history = SqlHistory(config.database_url)
    await Projector(config, history, keep=FOR_EVER).run(stop)
    await history.close()


if __name__ == "__main__":
    uvloop.run(main())
