"""
`relay console`: the projector, the roster and the listener in one process. Edge (aiohttp).

It starts whatever else is there: without a broker it shows the history that it has, without a database it says so, and
goes on by itself when they are back. Deliveries notice nothing of it either way.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from importlib import import_module
from importlib.util import find_spec

import structlog
from aiohttp import web

from relay.access.values import Principal, Scope
from relay.clock import SystemClock
from relay.config import Config
from relay.console.api import routes as api
from relay.console.api.answers import MAX_BODY_BYTES
from relay.console.desk import Desk, Means
from relay.console.keys import DESK, PRINCIPAL, STOPPING
from relay.console.live import Live
from relay.console.opening import Opening
from relay.console.roster import Roster
from relay.errors import ConfigProblem, Problem
from relay.replay.service import Replays
from relay.settings import spelled
from relay.store.history.projector import Projector
from relay.store.history.store import SqlHistory
from relay.store.keyring import KeyRing

log = structlog.get_logger()

PAGES = "relay.console.pages"
STOP_S = 5.0  # for requests under way; a live stream is told to end first


async def serve(config: Config, stop: asyncio.Event, *, listening: Callable[[int], None] | None = None) -> None:
    """
    Until told to stop.

    Args:
        config: All of it.
        stop: Set when it should end.
        listening: Is told the port, once there is one.

    Raises:
        ConfigProblem: The address cannot be listened on.
        HistoryProblem: RELAY_DATABASE_URL can be none of a history.
    """
    history, roster, clock = SqlHistory(config.database_url), Roster(config), SystemClock()
    live = Live(config, epoch=os.urandom(4).hex())
    replays = Opening("replays", lambda: Replays(config, delivered=history.delivered))
    desk = Desk(
        Means(
            config=config,
            roster=roster,
            history=history,
            keys=KeyRing(config.secret_keys),
            clock=clock,
            live=live,
            replays=replays,
        )
    )
    try:
        async with served(application(desk, stop), config.console_address) as port, asyncio.TaskGroup() as group:
            if listening is not None:
                listening(port)
            group.create_task(Projector(config, history).run(stop))
            work = (roster.follow(), live.run(), replays.run(lambda _: _for_ever()))
            tasks = [group.create_task(one) for one in work]
            await stop.wait()
            log.info("console.stopping")
            for one in tasks:
                one.cancel()
    finally:
        await history.close()
    log.info("console.stopped")


def application(desk: Desk, stop: asyncio.Event) -> web.Application:
    """The API, and the pages where they are there."""
    app = web.Application(client_max_size=MAX_BODY_BYTES, middlewares=[api.problems, _everybody])
    app[DESK], app[STOPPING] = desk, stop
    api.routes(app)
    if find_spec(PAGES) is not None:
        import_module(PAGES).routes(app, desk)
    return app


async def _for_ever() -> None:
    await asyncio.Event().wait()


@web.middleware
async def _everybody(request: web.Request, handler: api.Handler) -> web.StreamResponse:
    request[PRINCIPAL] = Principal(name="everybody", scope=Scope.ADMIN)
    return await handler(request)


@asynccontextmanager
async def served(app: web.Application, at: tuple[str, int]) -> AsyncIterator[int]:
    """
    The port that is listened on for as long as the `async with`.

    Raises:
        ConfigProblem: It cannot be.
    """
    runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=STOP_S)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, *at).start()
        except OSError as error:
            rule = f"cannot be listened on ({error.strerror or error}): choose another, or port 0 for any"
            raise ConfigProblem(Problem("RELAY_CONSOLE_ADDRESS", rule, spelled(*at))) from None
        port: int = runner.addresses[0][1]
        log.info("console.listening", address=spelled(at[0], port))
        yield port
    finally:
        await runner.cleanup()
