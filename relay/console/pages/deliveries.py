"""Delivery History: the listing, and one delivery with all its attempts. Edge."""

from http import HTTPStatus

from aiohttp import web

from relay.console.pages import asking, bodies, forms, story, words
from relay.console.pages.asking import Asked
from relay.console.pages.names import every_name, names
from relay.console.pages.rendering import segment
from relay.console.pages.visit import Visit, handled, see
from relay.errors import Invalid
from relay.model import EVENT_TYPES
from relay.store.history.values import Page

PAGE = 50
NOTHING = Page(deliveries=(), cursor=None)


async def listed(visit: Visit) -> web.StreamResponse:
    """What the URL asks for."""
    asked = asking.asked(visit.request.query, now_ms=visit.now_ms)
    if asked.shown.get("q", "").startswith(asking.DELIVERY):
        return see(f"/deliveries/{segment(asked.shown['q'])}")
    cursor, problems, page = visit.asked("cursor") or None, dict(asked.problems), NOTHING
    if not problems:
        try:
            page = await visit.desk.deliveries(visit.who, asked.search, cursor=cursor, limit=PAGE)
        except Invalid as invalid:
            problems = asking.beside(invalid.problems)
    known = await every_name(visit, {one.subscription_id for one in page.deliveries} | {asked.search.subscription_id})
    return await visit.page(
        "deliveries.html",
        status=HTTPStatus.UNPROCESSABLE_ENTITY if problems else HTTPStatus.OK,
        rows=[story.row(one, known) for one in page.deliveries],
        webhook=known.get(asked.search.subscription_id or ""),
        webhooks=sorted(known.items(), key=lambda pair: pair[1].casefold()),
        shown={**dict.fromkeys(asking.FIELDS, ""), **asked.shown},
        is_all=not asked.shown,
        problems=problems,
        searched_to_ms=page.searched_to_ms,
        tail=visit.asked("tail") == "1",
        may_redeliver=False,
        links=_links(asked, cursor, page.cursor),
        event_types=EVENT_TYPES,
        statuses=asking.STATUSES,
        triggers=words.TRIGGERS,
        ranges=asking.RANGES_MS,
    )


async def one(visit: Visit) -> web.Response:
    """A delivery: its timeline, and one of its attempts."""
    detail = await visit.desk.delivery(visit.who, visit.id)
    steps = story.steps(detail)
    step = story.chosen(steps, visit.asked("attempt") or None)
    it, run = detail.delivery, visit.asked("run") or None
    known = await names(visit, [it.subscription_id])
    result = step.result if step else {}
    return await visit.page(
        "delivery.html",
        it=it,
        state=story.state(it),
        webhook=known.get(it.subscription_id, it.subscription_id),
        steps=[
            {
                "step": one,
                "href": f"/deliveries/{segment(it.delivery_id)}{forms.query({'attempt': one.id})}",
                "is_current": one is step,
            }
            for one in steps
        ],
        step=step,
        is_settled=story.is_settled(detail, run),
        run=None,
        may_redeliver=False,
        event_time_ms=words.parsed(result.get("event_time")),
        url=result.get("url") or "",
        request_headers=story.headers(result.get("request_headers")),
        answer_headers=story.headers(result.get("response_headers")),
        answer=bodies.answer(result),
    )


def _links(asked: Asked, cursor: str | None, following: str | None) -> dict[str, str | None]:
    """Where else the listing leads."""
    there = "/deliveries"
    return {
        "first": there + asked.query() if cursor else None,
        "next": there + asked.query(cursor=following) if following else None,
        "live": there + asked.query(tail="1"),
        "still": there + asked.query(),
        "stream": "/api/v1/stream",
        "csv": None,
        "ndjson": None,
    }


ROUTES = [
    web.get("/deliveries", handled(listed)),
    web.get("/deliveries/{id}", handled(one)),
]
