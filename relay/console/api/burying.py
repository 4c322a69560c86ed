"""Dead letters over HTTP. Edge (aiohttp)."""

from collections.abc import Mapping
from http import HTTPStatus

from aiohttp import web

from relay.console import views
from relay.console.api.answers import answer, asker, body, query
from relay.console.api.asked import Asked
from relay.console.api.repeats import once
from relay.replay.letters import MAX_CURSOR
from relay.replay.values import MOST_AT_ONCE

PATH = "/api/v1/dead-letters"
LIMIT = 50
MOST_PARTITION, MOST_OFFSET = 2**31, 2**63  # as Kafka has them


async def listed(request: web.Request) -> web.Response:
    desk, who = asker(request)
    asked = query(request)
    cursor, limit = asked.text("cursor", most=MAX_CURSOR), asked.whole("limit")
    asked.done()
    letters, following = await desk.dead_letters(who, cursor=cursor, limit=LIMIT if limit is None else limit)
    return answer({"items": [views.letter(one) for one in letters], "cursor": following})


async def one(request: web.Request) -> web.Response:
    desk, who = asker(request)
    query(request).done()
    asked = Asked({name: request.match_info[name] for name in ("partition", "offset")})
    partition, offset = _place(asked)
    asked.done()
    return answer(views.letter(await desk.dead_letter(who, partition, offset)))


async def requeued(request: web.Request) -> web.Response:
    desk, who = asker(request)
    asked = await body(request)
    listed = asked.mappings("letters", most=MOST_AT_ONCE) or []
    places = list(dict.fromkeys(_read(asked, one) for one in listed))
    asked.done()
    if not places:
        asked.needed("letters")
        asked.done()
    outcomes = await desk.requeue(who, places)
    told = [
        {"partition": partition, "offset": offset, "sent": why is None, "why": why}
        for (partition, offset), why in outcomes.items()
    ]
    return answer({"letters": told}, HTTPStatus.ACCEPTED)


def _read(asked: Asked, written: Mapping[str, object]) -> tuple[int, int]:
    inner = Asked(written, into=asked)
    place = _place(inner)
    inner.close()
    return place


def _place(asked: Asked) -> tuple[int, int]:
    partition, offset = asked.number("partition", below=MOST_PARTITION), asked.number("offset", below=MOST_OFFSET)
    return partition, offset


ROUTES = [
    web.get(PATH, listed),
    web.get(PATH + "/{partition}/{offset}", one),
    web.post(PATH + "/requeue", once(requeued)),
]
