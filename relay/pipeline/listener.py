"""/metrics, /livez and /readyz of a worker, from the start: one that waits for its broker is seen to wait. Edge."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import structlog
from aiohttp import web

from relay.errors import ConfigProblem, Problem
from relay.metrics import Metrics, application

log = structlog.get_logger()


def _nothing() -> None:
    """Of a worker that is not there yet there are no gauges to set."""


def _not_yet() -> bool:
    return False


@dataclass(slots=True)
class Listener:
    """What is served; the worker puts itself in when it is there."""

    port: int = 0
    refresh: Callable[[], None] = _nothing  # sets the gauges, once a scrape
    ready: Callable[[], bool] = _not_yet


@asynccontextmanager
async def listening(address: tuple[str, int], metrics: Metrics) -> AsyncIterator[Listener]:
    """
    Listening for as long as the `async with`.

    Raises:
        ConfigProblem: The address cannot be listened on.
    """
    listener = Listener()
    app = application(metrics, refresh=lambda: listener.refresh(), ready=lambda: listener.ready())  # noqa: PLW0108  set later
    runner = web.AppRunner(app, access_log=None, handle_signals=False)
    await runner.setup()
    try:
        host, port = address
        try:
            await web.TCPSite(runner, host, port).start()
        except OSError as error:
            rule = f"cannot be listened on ({error.strerror or error}): choose another, or port 0 for any"
            raise ConfigProblem(Problem("RELAY_METRICS_ADDRESS", rule, f"{host}:{port}")) from None
        listener.port = runner.addresses[0][1]
        log.info("metrics.listening", address=f"{host}:{listener.port}")
        yield listener
    finally:
        await runner.cleanup()
