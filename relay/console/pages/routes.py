"""Which handler has which path; and a path that leads nowhere. Edge (aiohttp)."""

import asyncio
from collections.abc import Awaitable, Callable
from http import HTTPStatus

from aiohttp import web

from relay.access.values import Principal
from relay.console.desk import Desk
from relay.console.keys import DESK, PRINCIPAL
from relay.console.pages import (
    access,
    audit,
    deliveries,
    editing,
    letters,
    operations,
    overview,
    people,
    replays,
    sending,
    webhooks,
)
from relay.console.pages.again import MAKING
from relay.console.pages.assets import PREFIX, Assets
from relay.console.pages.rendering import environment
from relay.console.pages.visit import ENVIRONMENT, Visit

PARTS = (
    *(overview, editing, webhooks, sending, deliveries, replays, letters),
    *(operations, audit, access, people),
)
OTHERS = ("/api/", PREFIX)  # paths whose answers are no pages


def routes(app: web.Application, desk: Desk) -> None:
    """The pages of this desk are served."""
    assets = Assets()
    app[DESK] = desk
    app[ENVIRONMENT] = environment(assets)
    app[MAKING] = asyncio.Lock()
    app.middlewares.append(_missing)
    app.router.add_get(PREFIX + "{name:.+}", assets.serve)
    for part in PARTS:
        app.add_routes(part.ROUTES)


@web.middleware
async def _missing(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """A path that leads nowhere is told of as a page, to whoever may see one."""
    try:
        return await handler(request)
    except web.HTTPClientError as error:
        who = request.get(PRINCIPAL)
        if request.path.startswith(OTHERS) or not isinstance(who, Principal):
            raise
        desk = request.app[DESK]
        visit = Visit(request, desk, who, desk.now_ms())
        status = HTTPStatus(error.status)
        said = "There is no page at this address." if status is HTTPStatus.NOT_FOUND else status.description
        return await visit.problem(status, said)
