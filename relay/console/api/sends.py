"""What a person may have sent, over HTTP. Edge (aiohttp)."""

from http import HTTPStatus

from aiohttp import web

from relay.console.api.answers import answer, asker, body, query
from relay.console.api.repeats import once
from relay.replay.runs import shown
from relay.replay.values import MOST_AT_ONCE

RUNS = "/api/v1/runs"


async def tested(request: web.Request) -> web.Response:
    desk, who = asker(request)
    asked = await body(request, needed=False)
    event_type = asked.text("event_type")
    asked.done()
    kind = "lead.updated" if event_type is None else event_type
    delivery_id = await desk.test(who, request.match_info["id"], event_type=kind)
    return answer({"delivery_id": delivery_id}, HTTPStatus.ACCEPTED)


async def redelivered(request: web.Request) -> web.Response:
    desk, who = asker(request)
    asked = await body(request)
    ids = asked.texts("deliveries", most=MOST_AT_ONCE)
    asked.done()
    done = await desk.redeliver(who, ids or [])
    outcomes = [{"id": id_, "sent": why is None, "why": why} for id_, why in done.outcomes.items()]
    return answer({"runs": done.runs, "deliveries": outcomes}, HTTPStatus.ACCEPTED)


async def runs(request: web.Request) -> web.Response:
    desk, who = asker(request)
    query(request).done()
    return answer({"items": [shown(one) for one in await desk.runs(who)]})


async def run(request: web.Request) -> web.Response:
    desk, who = asker(request)
    query(request).done()
    return answer(shown(await desk.run(who, request.match_info["id"])))


ROUTES = [
    web.post("/api/v1/subscriptions/{id}/test", once(tested)),
    web.post("/api/v1/redeliveries", once(redelivered)),
    web.get(RUNS, runs),
    web.get(RUNS + "/{id}", run),
]
