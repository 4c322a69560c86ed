"""All of the API, and what its callers are told when something goes wrong. Edge (aiohttp)."""

from collections.abc import Awaitable, Callable
from functools import cache
from http import HTTPStatus
from pathlib import Path

import structlog
from aiohttp import web

from relay.console.api import burying, deliveries, export, governing, sends, stream, subscriptions
from relay.console.api.answers import Told, refused
from relay.console.api.idempotency import Answers
from relay.console.api.repeats import ANSWERS
from relay.console.keys import PRINCIPAL
from relay.console.problems import Trouble, trouble
from relay.errors import RelayError

log = structlog.get_logger()

PREFIXES = ("/api/", "/metrics")
DESCRIPTION = "/api/v1/openapi.yaml"
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@web.middleware
async def problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Whatever goes wrong behind these is answered with problem details."""
    if not request.path.startswith(PREFIXES):
        return await handler(request)
    try:
        return await handler(request)
    except Told as told:
        return refused(told.trouble)
    except RelayError as error:
        who = request.get(PRINCIPAL)
        return refused(trouble(error, operator=who is not None and who.account is None))
    except web.HTTPException as error:
        kept = {
            name: error.headers[name] for name in ("Allow", "WWW-Authenticate", "Retry-After") if name in error.headers
        }
        return refused(Trouble(status=HTTPStatus(error.status), detail=error.text or error.reason, headers=kept))


def routes(app: web.Application) -> None:
    """They are served."""
    app[ANSWERS] = Answers()
    app.add_routes([*subscriptions.ROUTES, *export.ROUTES, *deliveries.ROUTES, *stream.ROUTES])
    app.add_routes([*sends.ROUTES, *burying.ROUTES, *governing.ROUTES, web.get(DESCRIPTION, _described)])


@cache
def description() -> bytes:
    """schemas/openapi.yaml: beside this file once it is installed."""
    beside = Path(__file__).parent / "openapi.yaml"
    return (beside if beside.is_file() else Path(__file__).parents[3] / "schemas/openapi.yaml").read_bytes()


async def _described(_: web.Request) -> web.Response:
    return web.Response(body=description(), content_type="application/yaml", charset="utf-8")
