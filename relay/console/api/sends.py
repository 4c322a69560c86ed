"""What a person may have sent, over HTTP. Edge (aiohttp)."""

from http import HTTPStatus

from aiohttp import web

from relay.console import views
from relay.console.api.answers import answer, asker, body, query
from relay.console.api.asked import Asked
from relay.console.api.repeats import once
from relay.replay.values import MOST_AT_ONCE, Wish

RUNS = "/api/v1/runs"
MAX_DIGITS = 9  # of a partition
MOST_OFFSET = 2**63  # as Kafka has it


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


def _wish(asked: Asked) -> Wish:
    """From a time, or from offsets of the events topics: `{"leads.events/0": 1042}`."""
    offsets = asked.mapping("from_offsets")
    places: dict[tuple[str, int], int] = {}
    for name, offset in (offsets or {}).items():
        topic, _, number = name.rpartition("/")
        sound = number.isascii() and number.isdigit() and len(number) <= MAX_DIGITS and type(offset) is int
        if not sound or not 0 <= offset < MOST_OFFSET:
            asked.wrong("from_offsets", "maps topic/partition to an offset", name)
        else:
            places[topic, int(number)] = offset
    return Wish(
        since_ms=asked.time_ms("since"),
        from_offsets=None if offsets is None else places,
        undelivered=asked.flag("undelivered") or False,
    )


async def previewed(request: web.Request) -> web.Response:
    desk, who = asker(request)
    asked = await body(request)
    subscription_id, wish = asked.needed("subscription_id"), _wish(asked)
    asked.done()
    told = await desk.preview(who, subscription_id, wish)
    return answer(views.preview(told, account=who.account))


async def replayed(request: web.Request) -> web.Response:
    desk, who = asker(request)
    asked = await body(request)
    subscription_id, wish = asked.needed("subscription_id"), _wish(asked)
    asked.done()
    one = await desk.replay(who, subscription_id, wish)
    return answer(views.run(one, account=who.account), HTTPStatus.ACCEPTED, Location=f"{RUNS}/{one.id}")


async def cancelled(request: web.Request) -> web.Response:
    desk, who = asker(request)
    (await body(request, needed=False)).done()
    return answer(views.run(await desk.cancel(who, request.match_info["id"]), account=who.account))


async def runs(request: web.Request) -> web.Response:
    desk, who = asker(request)
    query(request).done()
    return answer({"items": [views.run(one, account=who.account) for one in await desk.runs(who)]})


async def run(request: web.Request) -> web.Response:
    desk, who = asker(request)
    query(request).done()
    return answer(views.run(await desk.run(who, request.match_info["id"]), account=who.account))


ROUTES = [
    web.post("/api/v1/subscriptions/{id}/test", once(tested)),
    web.post("/api/v1/redeliveries", once(redelivered)),
    web.get(RUNS, runs),
    web.post("/api/v1/replays/preview", previewed),
    web.post("/api/v1/replays", once(replayed)),
    web.post(RUNS + "/{id}/cancel", cancelled),
    web.get(RUNS + "/{id}", run),
]
