"""/livez, /readyz and /metrics of a console. Edge (aiohttp)."""

from collections.abc import Awaitable, Callable
from http import HTTPStatus

from aiohttp import web
from prometheus_client import generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from relay.console.api.answers import asker
from relay.console.keys import DESK
from relay.errors import NotAllowed
from relay.metrics import ConsoleMetrics

METRICS = web.AppKey("metrics", ConsoleMetrics)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@web.middleware
async def counted(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Each request by its route, as it is written, and by what came of it; one that nobody has made by none."""
    resource = request.match_info.route.resource
    route = "none" if resource is None else resource.canonical
    status = "500"
    try:
        response = await handler(request)
        status = str(response.status)
    except web.HTTPException as answered:
        status = str(answered.status)
        raise
    else:
        return response
    finally:
        request.app[METRICS].requests.add(route, status)


async def livez(_: web.Request) -> web.Response:
    """The event loop answers."""
    return web.Response(text="ok\n")


async def readyz(request: web.Request) -> web.Response:
    """Tokens and subscriptions were read, and the history answers."""
    wrong = await request.app[DESK].trouble()
    if not wrong:
        return web.Response(text="ok\n")
    return web.Response(text="".join(f"{one}\n" for one in wrong), status=HTTPStatus.SERVICE_UNAVAILABLE)


async def metrics(request: web.Request) -> web.Response:
    """For whoever may see every account."""
    desk, who = asker(request)
    if who.account is not None:
        raise NotAllowed("figures are of all accounts, and you are bound to one")
    figures, age = request.app[METRICS], await desk.age()
    figures.behind.set(float("nan") if age.behind_s is None else age.behind_s)
    figures.streams.set(desk.onlookers)
    body = generate_latest(figures.registry)
    return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_PLAIN_0_0_4})


def routes(app: web.Application) -> None:
    """They are served; whoever asks of life and readiness needs no token."""
    app[METRICS] = ConsoleMetrics()
    app.add_routes([web.get("/livez", livez), web.get("/readyz", readyz), web.get("/metrics", metrics)])
