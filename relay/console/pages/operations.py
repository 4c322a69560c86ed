"""How all of it fares: lanes, and the proof that nothing is missing. Edge."""

from contextlib import suppress

from aiohttp import web

from relay.console.pages import forms, notices, proof, words
from relay.console.pages.names import names
from relay.console.pages.visit import Visit, handled, see
from relay.errors import Conflict

DEFAULT = "1h"
RANGES_MS = {"15m": 15 * words.MINUTE_MS, "1h": words.HOUR_MS, "6h": 6 * words.HOUR_MS, "24h": words.DAY_MS}


async def lanes(visit: Visit) -> web.Response:
    """Of each webhook with work, worst first."""
    page = await visit.desk.lanes(visit.who)
    known = await names(visit, [one["subscription_id"] for one in page["items"]])
    rows = [
        dict(one)
        | {
            "name": known.get(one["subscription_id"], one["subscription_id"]),
            "chip": words.chip(words.LANE_STATES, one["state"]),
            "retry_ms": words.parsed(one["retry_at"]),
        }
        for one in page["items"]
    ]
    return await visit.page("lanes.html", rows=rows, total=page["total"], trouble=page["trouble"])


async def reconciling(visit: Visit) -> web.Response:
    """Whether every match of a time has its outcome: how far that is, and what came of the last."""
    there = visit.desk.reconciliations(visit.who)
    return await visit.page(
        "reconcile.html",
        running=there.running,
        failed=there.failed,
        last=there.last,
        report=proof.shown(there.last.report) if there.last and there.last.report else None,
        ranges=list(RANGES_MS),
        since=DEFAULT,
    )


async def reconcile(visit: Visit) -> web.StreamResponse:
    """It is found out from now on; one that is under way already goes on instead."""
    name = forms.text(await visit.written(), "since")
    with suppress(Conflict):  # the page shows it
        visit.desk.reconcile(visit.who, since_ms=visit.now_ms - RANGES_MS.get(name, RANGES_MS[DEFAULT]))
    return see("/reconcile")


async def noticed(visit: Visit) -> web.Response:
    """What people must hear of."""
    told = await visit.desk.notices(visit.who)
    known = await names(visit, {str(one.get("subscription_id")) for one in (*told.notices, *told.standing)})
    return await visit.page(
        "notices.html",
        rows=[notices.row(one, known) for one in told.notices],
        standing=[notices.row(one, known) for one in told.standing],
    )


ROUTES = [
    web.get("/notices", handled(noticed)),
    web.get("/lanes", handled(lanes)),
    web.get("/reconcile", handled(reconciling)),
    web.post("/reconcile", handled(reconcile)),
]
