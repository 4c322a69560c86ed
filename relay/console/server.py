"""
`relay console`: the projector, the roster and the listener in one process. Edge (aiohttp).

It starts whatever else is there, and goes on by itself when that is back. Before it has read the tokens from the broker
it knows nobody, and shows nothing; from then on it shows the history that it has while the broker is away. Without a
database it says so. Deliveries notice nothing of it either way.
"""

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import structlog
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from relay.access.audit import Audit
from relay.access.guard import Guard
from relay.access.headers import security_headers
from relay.access.store import Access
from relay.clock import SystemClock
from relay.config import Config
from relay.console import health
from relay.console.api import routes as api
from relay.console.api.answers import MAX_BODY_BYTES
from relay.console.desk import Desk, Means
from relay.console.keys import DESK, GUARD, STOPPING
from relay.console.live import Live
from relay.console.opening import Opening, started
from relay.console.pages import routes as pages
from relay.console.problems import AWAY, RETRY_AFTER_S
from relay.console.reconciling import Reconciler
from relay.console.roster import Roster
from relay.ending import ended
from relay.errors import ConfigProblem, Problem, Unreachable
from relay.notices.forward import Forward
from relay.notices.posted import Notices
from relay.replay.service import Replays
from relay.settings import spelled
from relay.store.history.projector import Projector
from relay.store.history.store import SqlHistory
from relay.store.keyring import KeyRing

log = structlog.get_logger()

ACCESS: web.AppKey[Opening[Access]] = web.AppKey("access", Opening)
ANYBODY = ("/livez", "/readyz")  # may ask these
MAX_LINE = 72 * 1024  # of a request: a cursor of dead letters, and whatever else a search has
STOP_S = 5.0  # for requests under way; a live stream is told to end first


async def serve(
    config: Config, stop: asyncio.Event, *, listening: Callable[[int], None], first: Callable[[str], None]
) -> None:
    """
    Until told to stop.

    Args:
        config: All of it.
        stop: Set when it should end.
        listening: Is told the port, once there is one.
        first: Is told the first token, where there was none: an admin's, and shown nowhere else.

    Raises:
        ConfigProblem: The address cannot be listened on.
        HistoryProblem: RELAY_DATABASE_URL can be none of a history.
    """
    history, roster, clock = SqlHistory(config.database_url), Roster(config), SystemClock()
    forward = Forward(config, clock=clock)
    live = Live(config, epoch=os.urandom(4).hex())
    replays = Opening("replays", lambda: Replays(config, history=history))
    tokens = Access(config, clock=clock)
    guard, access = Guard(config, tokens, clock=clock), Opening("tokens", lambda: started(tokens))
    subscriptions = Opening("subscriptions", lambda: started(roster))
    notices = Opening("notices", lambda: started(Notices(config)))
    reconciler = Reconciler(config, clock=clock)
    desk = Desk(
        Means(
            config=config,
            roster=roster,
            history=history,
            keys=KeyRing(config.secret_keys),
            clock=clock,
            live=live,
            replays=replays,
            access=access,
            notices=notices,
            audit=Audit(config),
            reconciler=reconciler,
        )
    )
    try:
        async with (
            served(application(desk, access, guard, stop), config.console_address) as port,
            asyncio.TaskGroup() as group,
        ):
            listening(port)
            group.create_task(Projector(config, history).run(stop))
            group.create_task(forward.run(stop, port=port))
            work = (
                subscriptions.run(lambda it: it.follow()),
                live.run(),
                reconciler.run(),
                replays.run(lambda it: it.work(stop)),
                access.run(lambda it: _let_in(it, first)),
                notices.run(lambda it: it.follow()),
            )
            tasks = [group.create_task(one) for one in work]
            await stop.wait()
            log.info("console.stopping")
            await asyncio.gather(*(ended(one) for one in tasks))
    finally:
        await history.close()
    log.info("console.stopped")


def application(desk: Desk, access: Opening[Access], guard: Guard, stop: asyncio.Event) -> web.Application:
    """The API and the pages."""
    middlewares = [health.counted, api.problems, _open, guard.middleware()]
    app = web.Application(client_max_size=MAX_BODY_BYTES, middlewares=middlewares)
    app[DESK], app[GUARD], app[ACCESS], app[STOPPING] = desk, guard, access, stop
    app.on_response_prepare.append(_secured)
    api.routes(app)
    health.routes(app)
    pages.routes(app, desk)
    return app


async def _let_in(access: Access, first: Callable[[str], None]) -> None:
    """Whoever has a token; and where there is none at all, somebody is told the first."""
    token = await access.first_token()
    if token is not None:
        first(token)
    await access.follow()


@web.middleware
async def _open(request: web.Request, handler: api.Handler) -> web.StreamResponse:
    """Until the tokens were read nobody can be told from a stranger."""
    try:
        if request.path not in ANYBODY:
            request.app[ACCESS].get()
    except Unreachable:
        raise web.HTTPServiceUnavailable(text=AWAY, headers={"Retry-After": str(RETRY_AFTER_S)}) from None
    return await handler(request)


async def _secured(_: web.Request, response: web.StreamResponse) -> None:
    for name, value in security_headers().items():
        response.headers.setdefault(name, value)


class _Ours(logging.Filter):
    """What callers send that is no HTTP is answered, and is no fault of ours: anybody could fill the log with it."""

    def filter(self, record: logging.LogRecord) -> bool:
        return record.exc_info is None or not isinstance(record.exc_info[1], HttpProcessingError)


@asynccontextmanager
async def served(app: web.Application, at: tuple[str, int]) -> AsyncIterator[int]:
    """
    The port that is listened on for as long as the `async with`.

    Raises:
        ConfigProblem: It cannot be.
    """
    logger = logging.getLogger("aiohttp.server.console")
    logger.addFilter(_Ours())
    runner = web.AppRunner(
        app, logger=logger, access_log=None, handle_signals=False, shutdown_timeout=STOP_S, max_line_size=MAX_LINE
    )
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
