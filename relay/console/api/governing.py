"""How all of it fares, over HTTP. Edge (aiohttp)."""

from http import HTTPStatus

from aiohttp import web

from relay.console.api.answers import answer, asker, body, query


async def lanes(request: web.Request) -> web.Response:
    desk, who = asker(request)
    asked = query(request)
    subscription = asked.text("subscription")
    asked.done()
    return answer(await desk.lanes(who, subscription_id=subscription))


async def reconciled(request: web.Request) -> web.Response:
    desk, who = asker(request)
    asked = query(request)
    since_ms, until_ms = asked.time_ms("since"), asked.time_ms("until")
    asked.needed("since")
    asked.done()
    report = await desk.reconcile(who, since_ms=since_ms or 0, until_ms=until_ms)
    return answer(report.shown())


async def filter_tried(request: web.Request) -> web.Response:
    desk, who = asker(request)
    asked = await body(request)
    wanted, event = asked.mapping("filter"), asked.mapping("event")
    asked.done()
    trial = await desk.try_filter(who, wanted, event=event)
    return answer({"matches": trial.matches, "event": trial.event, "source": trial.source})


async def erased(request: web.Request) -> web.Response:
    desk, who = asker(request)
    asked = await body(request)
    lead_id = asked.needed("lead_id")
    asked.done()
    return answer({"deliveries": await desk.erase(who, lead_id)}, HTTPStatus.OK)


ROUTES = [
    web.get("/api/v1/lanes", lanes),
    web.get("/api/v1/reconciliation", reconciled),
    web.post("/api/v1/filter-trials", filter_tried),
    web.post("/api/v1/erasures", erased),
]
