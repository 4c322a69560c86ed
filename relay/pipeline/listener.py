"""/metrics, /lanes, /livez and /readyz of a worker, from the start: one that waits for its broker is seen to. Edge."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import structlog
from aiohttp import web

from relay.errors import ConfigProblem, Problem
from relay.metrics import Metrics, application
from relay.settings import spelled

log = structlog.get_logger()


def _nothing() -> None:
    """Of a worker that is not there yet there are no gauges to set."""


def _not_yet() -> bool:
    return False


def _none_yet(_: Mapping[str, str]) -> None:
    return None


@dataclass(slots=True)
class Listener:
    """What is served; the worker puts itself in when it is there."""

    port: int = 0  # of RELAY_METRICS_ADDRESS, whoever listens there: no delivery may call it
    refresh: Callable[[], None] = _nothing  # sets the gauges, once a scrape
    ready: Callable[[], bool] = _not_yet
    lanes: Callable[[Mapping[str, str]], bytes | None] = _none_yet  # a page, by what is asked for


@asynccontextmanager
async def listening(
    address: tuple[str, int], metrics: Metrics, *, socket: Path | None = None
) -> AsyncIterator[Listener]:
    """
    Listening for as long as the `async with`.

    Args:
        address: Where to; port 0 means any.
        metrics: What to show.
        socket: Listen on this one instead, for whoever listens at the address and asks us in its turn.

    Raises:
        ConfigProblem: The address cannot be listened on.
    """
    listener = Listener()
    app = application(
        metrics,
        refresh=lambda: listener.refresh(),  # noqa: PLW0108  set later
        ready=lambda: listener.ready(),  # noqa: PLW0108
        lanes=lambda query: listener.lanes(query),  # noqa: PLW0108
    )
    async with serving(app, socket or address) as port:
        listener.port = address[1] if socket else port
        yield listener


@asynccontextmanager
async def serving(app: web.Application, at: tuple[str, int] | Path) -> AsyncIterator[int]:
    """
    The port that is listened on for as long as the `async with`; of a Unix socket there is none, and it is 0.

    Raises:
        ConfigProblem: It cannot be listened on.
    """
    runner = web.AppRunner(app, access_log=None, handle_signals=False)
    await runner.setup()
    try:
        site = web.UnixSite(runner, at) if isinstance(at, Path) else web.TCPSite(runner, *at)
        shown = str(at) if isinstance(at, Path) else spelled(*at)
        try:
            await site.start()
        except OSError as error:
            rule = f"cannot be listened on ({error.strerror or error}): choose another, or port 0 for any"
            raise ConfigProblem(Problem("RELAY_METRICS_ADDRESS", rule, shown)) from None
        port: int = 0 if isinstance(at, Path) else runner.addresses[0][1]
        log.info("metrics.listening", address=shown if isinstance(at, Path) else spelled(at[0], port))
        yield port
    finally:
        await runner.cleanup()
