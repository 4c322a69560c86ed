"""Webhooks over HTTP. Edge (aiohttp)."""

from http import HTTPStatus
from types import NoneType
from typing import Any

from aiohttp import web

from relay.console.api.answers import answer, asker, body, query
from relay.console.api.asked import Asked
from relay.console.api.idempotency import subscription_id
from relay.console.api.repeats import key_of, once
from relay.console.desk.subscribing import STATES

PATH = "/api/v1/subscriptions"
LIMIT = 50
KINDS = {
    **dict.fromkeys(("events", "bot_ids", "signatures"), ("a list", (list,))),
    **dict.fromkeys(("filter", "tls"), ("a JSON object or null", (dict, NoneType))),
    **dict.fromkeys(("timeout_s", "rate_per_s"), ("a number or null", (int, float, NoneType))),
    "max_in_flight": ("a whole number or null", (int, NoneType)),
}


async def listed(request: web.Request) -> web.Response:
    desk, who = asker(request)
    asked = query(request)
    text, account, cursor = asked.text("text"), asked.text("account"), asked.cursor()
    state, limit = asked.one_of("state", STATES), asked.whole("limit")
    asked.done()
    page = await desk.subscriptions(
        who, text=text, state=state, account=account, cursor=cursor, limit=LIMIT if limit is None else limit
    )
    return answer({"items": page.items, "cursor": page.cursor})


async def created(request: web.Request) -> web.Response:
    desk, who = asker(request)
    asked = await body(request)
    secret, form = asked.secret("secret"), _form(asked, but=("secret",))
    key = key_of(request)
    ident = None if key is None else subscription_id(who.name, key)
    one, generated = await desk.create(who, form, secret=secret, ident=ident, wrong=asked.problems)
    location = f"{PATH}/{one['id']}"
    return answer({"subscription": one, "secret": generated}, HTTPStatus.CREATED, ETag=one["etag"], Location=location)


async def one(request: web.Request) -> web.Response:
    desk, who = asker(request)
    query(request).done()
    return _shown(await desk.subscription(who, request.match_info["id"]))


async def updated(request: web.Request) -> web.Response:
    desk, who = asker(request)
    asked = await body(request)
    form, id_ = _form(asked), request.match_info["id"]
    return _shown(await desk.update(who, id_, form, wrong=asked.problems, if_match=_if_match(request)))


async def deleted(request: web.Request) -> web.Response:
    desk, who = asker(request)
    query(request).done()
    await desk.delete(who, request.match_info["id"], if_match=_if_match(request))
    return web.Response(status=HTTPStatus.NO_CONTENT)


async def paused(request: web.Request) -> web.Response:
    desk, who = asker(request)
    asked = await body(request, needed=False)
    reason = asked.text("reason")
    asked.done()
    return _shown(await desk.pause(who, request.match_info["id"], reason=reason, if_match=_if_match(request)))


async def resumed(request: web.Request) -> web.Response:
    desk, who = asker(request)
    (await body(request, needed=False)).done()
    return _shown(await desk.resume(who, request.match_info["id"], if_match=_if_match(request)))


async def rotated(request: web.Request) -> web.Response:
    desk, who = asker(request)
    asked = await body(request, needed=False)
    secret, activate_in, expire_in = asked.secret("secret"), asked.text("activate_in"), asked.text("expire_in")
    asked.done()
    one, generated = await desk.rotate(
        who,
        request.match_info["id"],
        secret=secret,
        activate_in="0s" if activate_in is None else activate_in,
        expire_in="24h" if expire_in is None else expire_in,
        if_match=_if_match(request),
    )
    return answer({"subscription": one, "secret": generated}, ETag=one["etag"])


def _form(asked: Asked, *, but: tuple[str, ...] = ()) -> dict[str, object]:
    """
    For `forms.read_form`, which takes a command line's spellings too: of JSON each field has its kind, and what
    has another is left out.
    """
    for name, kinds in KINDS.items():
        asked.kind(name, kinds)
    wrong = {problem.field for problem in asked.problems}
    return {name: one for name, one in asked.rest(but=but).items() if name not in wrong}


def _if_match(request: web.Request) -> str | None:
    return request.headers.get("If-Match")


def _shown(one: dict[str, Any]) -> web.Response:
    return answer(one, ETag=one["etag"])


ROUTES = [
    web.get(PATH, listed),
    web.post(PATH, once(created)),
    web.get(PATH + "/{id}", one),
    web.patch(PATH + "/{id}", updated),
    web.delete(PATH + "/{id}", deleted),
    web.post(PATH + "/{id}/pause", paused),
    web.post(PATH + "/{id}/resume", resumed),
    web.post(PATH + "/{id}/rotate", once(rotated)),
]
