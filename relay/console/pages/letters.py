"""Dead letters: browsed, one looked at, put back. Edge."""

import re
from http import HTTPStatus

from aiohttp import web

from relay.access.values import Scope
from relay.console.pages import bodies, buried, forms, words
from relay.console.pages.frame import Banner
from relay.console.pages.names import names
from relay.console.pages.visit import NOT_KEPT, Visit, handled
from relay.errors import NotFound
from relay.replay.letters import DeadLetter

PAGE = 25
PLACE = re.compile(r"([0-9]{1,9})/([0-9]{1,18})", re.ASCII)


async def listed(visit: Visit) -> web.Response:
    """Newest first."""
    cursor = visit.asked("cursor") or None
    letters, following = await visit.desk.dead_letters(visit.who, cursor=cursor, limit=PAGE)
    known = await names(visit, {one.subscription_id for one in letters if one.subscription_id})
    return await visit.page(
        "letters.html",
        rows=[buried.row(one, known) for one in letters],
        first="/dead-letters" if cursor else None,
        next=f"/dead-letters{forms.query({'cursor': following})}" if following else None,
    )


async def one(visit: Visit) -> web.Response:
    """With all of its bytes."""
    letter = await _found(visit)
    known = await names(visit, [letter.subscription_id] if letter.subscription_id else [])
    return await visit.page("letter.html", it=buried.row(letter, known), body=bodies.shown(letter.value))


async def download(visit: Visit) -> web.Response:
    """Its bytes as they are, also those that could not be read."""
    letter = await _found(visit)
    name = f"dead-letter-{letter.partition}-{letter.offset}"
    headers = NOT_KEPT | {"Content-Disposition": f'attachment; filename="{name}"'}
    return web.Response(body=letter.value, content_type="application/octet-stream", headers=headers)


async def _found(visit: Visit) -> DeadLetter:
    partition, offset = visit.request.match_info["partition"], visit.request.match_info["offset"]
    if not PLACE.fullmatch(f"{partition}/{offset}"):
        raise NotFound("there is no such dead letter")
    return await visit.desk.dead_letter(visit.who, int(partition), int(offset))


async def requeue(visit: Visit) -> web.Response:
    """Those that were chosen are sent once more."""
    visit.who.require(Scope.WRITE)
    written = await visit.written()
    places = [
        (int(found[1]), int(found[2])) for text in forms.every(written, "place") if (found := PLACE.fullmatch(text))
    ]
    if not places:
        return await visit.problem(HTTPStatus.UNPROCESSABLE_ENTITY, "Nothing was chosen.", back="/dead-letters")
    outcomes = await visit.desk.requeue(visit.who, places)
    sent = sum(why is None for why in outcomes.values())
    visit.banners.append(
        Banner(
            tone="good" if sent == len(outcomes) else "wait",
            title=f"{words.count(sent)} of {words.count(len(outcomes))} on their way.",
            text="" if sent == len(outcomes) else "Why the others are not stands below.",
        )
    )
    rows = [{"place": f"{partition}/{offset}", "why": why} for (partition, offset), why in outcomes.items()]
    return await visit.page("requeued.html", rows=rows)


ROUTES = [
    web.get("/dead-letters", handled(listed)),
    web.post("/dead-letters/requeue", handled(requeue)),
    web.get("/dead-letters/{partition}/{offset}", handled(one)),
    web.get("/dead-letters/{partition}/{offset}/bytes", handled(download)),
]
