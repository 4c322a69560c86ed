"""Delivery History over HTTP. Edge (aiohttp)."""

from aiohttp import web

from relay.console import views
from relay.console.api.answers import answer, asker, listing, query
from relay.console.api.asked import Asked
from relay.store.history.values import HOUR_MS, Search, State

PATH = "/api/v1/deliveries"
LIMIT = 50
DAY_MS = 24 * HOUR_MS
MAX_SPARKLINES = 200


def search(asked: Asked) -> Search:
    """Which deliveries a query asks for."""
    state = asked.one_of("state", views.STATES.values())
    return Search(
        subscription_id=asked.text("subscription"),
        lead_id=asked.text("lead"),
        state=None if state is None else State[state.upper()],
        verdict=asked.text("verdict"),
        reason=asked.text("reason"),
        status=asked.whole("status"),
        event_type=asked.text("event"),
        trigger=asked.text("trigger"),
        since_ms=asked.time_ms("since"),
        until_ms=asked.time_ms("until"),
    )


async def listed(request: web.Request) -> web.Response:
    desk, who = asker(request)
    asked = query(request)
    wanted, cursor, limit = search(asked), asked.cursor(), asked.whole("limit")
    asked.done()
    page = await desk.deliveries(who, wanted, cursor=cursor, limit=LIMIT if limit is None else limit)
    items = [views.delivery(one) for one in page.deliveries]
    return answer(listing(items, page.cursor, await desk.age(), searched_to=views.time(page.searched_to_ms)))


async def one(request: web.Request) -> web.Response:
    desk, who = asker(request)
    query(request).done()
    found = await desk.delivery(who, request.match_info["id"])
    return answer(views.detail(found) | {"age": views.age(await desk.age())})


async def sent(request: web.Request) -> web.Response:
    desk, who = asker(request)
    query(request).done()
    told = await desk.sent(who, request.match_info["id"], request.match_info["attempt"])
    return answer(views.sent(told))


async def overview(request: web.Request) -> web.Response:
    desk, who = asker(request)
    asked = query(request)
    subscription, since_ms, until_ms = asked.text("subscription"), asked.time_ms("since"), asked.time_ms("until")
    asked.done()
    end_ms = desk.now_ms() if until_ms is None else until_ms
    begin_ms = max(0, end_ms - DAY_MS) if since_ms is None else since_ms
    found = await desk.overview(who, subscription_id=subscription, since_ms=begin_ms, until_ms=end_ms)
    return answer(views.overview(found) | {"age": views.age(await desk.age())})


async def sparklines(request: web.Request) -> web.Response:
    desk, who = asker(request)
    asked = query(request)
    ids, since_ms = asked.texts("subscriptions", most=MAX_SPARKLINES), asked.time_ms("since")
    asked.done()
    begin_ms = desk.now_ms() - DAY_MS if since_ms is None else since_ms
    lines = await desk.sparklines(who, ids or [], since_ms=begin_ms)
    told = {name: [views.counts(one) for one in line] for name, line in lines.items()}
    return answer({"subscriptions": told, "age": views.age(await desk.age())})


async def age(request: web.Request) -> web.Response:
    desk, _ = asker(request)
    query(request).done()
    return answer(views.age(await desk.age()))


ROUTES = [
    web.get(PATH, listed),
    web.get(PATH + "/{id}", one),
    web.get(PATH + "/{id}/attempts/{attempt}/sent", sent),
    web.get("/api/v1/overview", overview),
    web.get("/api/v1/sparklines", sparklines),
    web.get("/api/v1/age", age),
]
