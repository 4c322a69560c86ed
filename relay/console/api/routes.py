"""All of the API, and what its callers are told when something goes wrong. Edge (aiohttp)."""

from collections.abc import Awaitable, Callable
from http import HTTPStatus

import structlog
from aiohttp import web

from relay.console.api import deliveries, subscriptions
from relay.console.api.answers import Told, refused
from relay.console.api.problems import Trouble, trouble
from relay.errors import RelayError

log = structlog.get_logger()

PREFIX = "/api/"
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@web.middleware
async def problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Whatever goes wrong behind `/api/` is answered with problem details."""
    if not request.path.startswith(PREFIX):
        return await handler(request)
    try:
        return await handler(request)
    except Told as told:
        return refused(told.trouble)
    except RelayError as error:
        return refused(trouble(error))
    except web.HTTPException as error:
        kept = {name: error.headers[name] for name in ("Allow",) if name in error.headers}
        return refused(Trouble(status=HTTPStatus(error.status), detail=error.text or error.reason, headers=kept))


def routes(app: web.Application) -> None:
    """They are served."""
    app.add_routes([*subscriptions.ROUTES, *deliveries.ROUTES])
