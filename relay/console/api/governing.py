"""How all of it fares, over HTTP. Edge (aiohttp)."""

from dataclasses import asdict
from http import HTTPStatus

from aiohttp import web

from relay.access.codec import shown
from relay.console import reconciliations
from relay.console.api.answers import answer, asker, body, query
from relay.console.api.repeats import once

TOKENS = "/api/v1/tokens"
RECONCILIATION = "/api/v1/reconciliation"


async def lanes(request: web.Request) -> web.Response:
    desk, who = asker(request)
    asked = query(request)
    subscription = asked.text("subscription")
    asked.done()
    return answer(await desk.lanes(who, subscription_id=subscription))


async def reconciled(request: web.Request) -> web.Response:
    desk, who = asker(request)
    asked = await body(request)
    since_ms, until_ms = asked.time_ms("since"), asked.time_ms("until")
    asked.needed("since")
    asked.done()
    there = desk.reconcile(who, since_ms=since_ms or 0, until_ms=until_ms)
    return answer(reconciliations.shown(there), HTTPStatus.ACCEPTED, Location=RECONCILIATION)


async def reconciling(request: web.Request) -> web.Response:
    desk, who = asker(request)
    query(request).done()
    return answer(reconciliations.shown(desk.reconciliations(who)))


async def filter_tried(request: web.Request) -> web.Response:
    desk, who = asker(request)
    asked = await body(request)
    wanted, event = asked.mapping("filter"), asked.mapping("event")
    asked.done()
    trial = await desk.try_filter(who, wanted, event=event)
    return answer({"matches": trial.matches, "event": trial.event, "source": trial.source})


async def noticed(request: web.Request) -> web.Response:
    desk, who = asker(request)
    asked = query(request)
    limit = asked.whole("limit")
    asked.done()
    told = await desk.notices(who, limit=100 if limit is None else limit)
    return answer({"items": told.notices, "standing": told.standing})


async def audited(request: web.Request) -> web.Response:
    desk, who = asker(request)
    asked = query(request)
    cursor, limit = asked.cursor(), asked.whole("limit")
    asked.done()
    page = await desk.audit(who, cursor=cursor, limit=50 if limit is None else limit)
    return answer({"items": [asdict(one) for one in page.entries], "cursor": page.cursor})


async def tokens(request: web.Request) -> web.Response:
    desk, who = asker(request)
    query(request).done()
    return answer({"items": [shown(one) for one in await desk.tokens(who)]})


async def token_made(request: web.Request) -> web.Response:
    desk, who = asker(request)
    asked = await body(request)
    name, scope = asked.needed("name"), asked.needed("scope")
    account, expires_at = asked.text("account_id"), asked.text("expires_at")
    asked.done()
    one, secret = await desk.create_token(who, name=name, scope=scope, account=account, expires_at=expires_at)
    return answer({"token": shown(one), "secret": secret}, HTTPStatus.CREATED)


async def token_revoked(request: web.Request) -> web.Response:
    desk, who = asker(request)
    query(request).done()
    await desk.revoke_token(who, request.match_info["id"])
    return web.Response(status=HTTPStatus.NO_CONTENT)


async def erased(request: web.Request) -> web.Response:
    desk, who = asker(request)
    asked = await body(request)
    lead_id = asked.needed("lead_id")
    asked.done()
    return answer({"deliveries": await desk.erase(who, lead_id)}, HTTPStatus.OK)


ROUTES = [
    web.get("/api/v1/lanes", lanes),
    web.get(RECONCILIATION, reconciling),
    web.post(RECONCILIATION, reconciled),
    web.post("/api/v1/filter-trials", filter_tried),
    web.get("/api/v1/notices", noticed),
    web.get("/api/v1/audit", audited),
    web.get(TOKENS, tokens),
    web.post(TOKENS, once(token_made)),
    web.delete(TOKENS + "/{id}", token_revoked),
    web.post("/api/v1/erasures", erased),
]
