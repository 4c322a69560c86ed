"""Delivery History: the listing, and one delivery with all its attempts. Edge."""

from http import HTTPStatus
from typing import Any

from aiohttp import web

from relay.access.values import Scope
from relay.console.pages import asking, bodies, curl, forms, story, words
from relay.console.pages.asking import Asked
from relay.console.pages.names import every_name, names
from relay.console.pages.rendering import segment
from relay.console.pages.story import Step
from relay.console.pages.visit import Visit, handled, see
from relay.console.problems import trouble
from relay.errors import Invalid, NotAllowed, Unreachable
from relay.model import EVENT_TYPES
from relay.replay.shown import Sent
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
        may_redeliver=visit.who.may(Scope.WRITE),
        links=_links(asked, cursor, page.cursor),
        event_types=EVENT_TYPES,
        statuses=asking.STATUSES,
        triggers=words.TRIGGERS,
        ranges=asking.RANGES_MS,
    )


async def one(visit: Visit) -> web.Response:
    """A delivery: its timeline, and one of its attempts."""
    detail = await visit.desk.delivery(visit.who, visit.id)
    it, run = detail.delivery, visit.asked("run") or None
    is_settled = story.is_settled(detail, run)
    if not is_settled and visit.asked("seen") == str(it.records):  # the page asks again and again
        return web.Response(status=HTTPStatus.NO_CONTENT)
    steps = story.steps(detail)
    step = story.chosen(steps, visit.asked("attempt") or None)
    known = await names(visit, [it.subscription_id])
    path = f"/deliveries/{segment(it.delivery_id)}"
    return await visit.page(
        "delivery.html",
        it=it,
        state=story.state(it),
        webhook=known.get(it.subscription_id, it.subscription_id),
        steps=[
            {"step": one, "href": path + forms.query({"attempt": one.id}), "is_current": one is step} for one in steps
        ],
        step=step,
        is_settled=is_settled,
        poll_s=story.ask_again_s(detail, run, visit.now_ms),
        is_awaited=run is not None and not story.is_seen(detail, run),
        poll=path + forms.query({"run": run, "attempt": visit.asked("attempt"), "seen": str(it.records)}),
        may_redeliver=visit.who.may(Scope.WRITE),
        event_time_ms=words.parsed(step.result.get("event_time")) if step else None,
        **(await _request(visit, it.delivery_id, step)),
        answer_headers=story.headers(step.result.get("response_headers")) if step else {},
        answer=bodies.answer(step.result) if step else None,
    )


async def _request(visit: Visit, delivery_id: str, step: Step | None) -> dict[str, Any]:
    """What was sent, exactly; while the broker does not answer, what the result has of it."""
    if step is None or not step.is_made:
        return {"url": "", "request_headers": {}, "sent_body": None, "sent_why": "nothing was sent", "curl": None}
    try:
        sent = await visit.desk.sent(visit.who, delivery_id, step.id)
    except (Unreachable, NotAllowed) as error:
        cut = story.headers(step.result.get("request_headers"))
        why = trouble(error, operator=visit.who.account is None).detail
        sent = Sent(body=None, why=why, headers=cut, url=step.result.get("url"))
    url = sent.url or ""
    return {
        "url": url,
        "request_headers": sent.headers,
        "sent_body": None if sent.body is None else bodies.shown(sent.body),
        "sent_why": sent.why,
        "curl": None if sent.body is None else curl.command(url, sent.headers, sent.body),
    }


def _links(asked: Asked, cursor: str | None, following: str | None) -> dict[str, str | None]:
    """Where else the listing leads."""
    there = "/deliveries"
    return {
        "first": there + asked.query() if cursor else None,
        "next": there + asked.query(cursor=following) if following else None,
        "live": there + asked.query(tail="1"),
        "still": there + asked.query(),
        "stream": "/api/v1/stream" + forms.query(asking.followed(asked.search)),
        "csv": "/api/v1/deliveries.csv" + forms.query(asking.told(asked.search)),
        "ndjson": "/api/v1/deliveries.ndjson" + forms.query(asking.told(asked.search)),
    }


ROUTES = [
    web.get("/deliveries", handled(listed)),
    web.get("/deliveries/{id}", handled(one)),
]
