"""Runs: what was sent again and how far it is; a replay is counted, started, cancelled. Edge."""

from collections.abc import Mapping
from http import HTTPStatus

from aiohttp import web

from relay.access.values import Scope
from relay.console.pages import forms, running, wishes
from relay.console.pages.again import nonce, once
from relay.console.pages.names import every_name, names
from relay.console.pages.rendering import segment
from relay.console.pages.visit import Visit, handled, see
from relay.console.pages.wishes import Forecast, Wished
from relay.errors import Conflict, Invalid

MOST = 100  # of the list; the newest
FIELDS = {"since_ms": "since", "from_offsets": "offsets"}


async def listed(visit: Visit) -> web.Response:
    """Those that they may see, newest first."""
    runs = await visit.desk.runs(visit.who)
    shown = runs[:MOST]
    known = await names(visit, [one.subscription_id for one in shown])
    return await visit.page(
        "replays.html",
        rows=[
            running.row(one, known.get(one.subscription_id, one.subscription_id), account=visit.who.account)
            for one in shown
        ],
        more=len(runs) - len(shown),
    )


async def one(visit: Visit) -> web.Response:
    """One of them."""
    run = await visit.desk.run(visit.who, visit.id)
    known = await names(visit, [run.subscription_id])
    webhook = known.get(run.subscription_id, run.subscription_id)
    return await visit.page("replay.html", run=running.row(run, webhook, account=visit.who.account))


async def new(visit: Visit) -> web.Response:
    """The form."""
    visit.who.require(Scope.WRITE)
    return await _form(visit, wishes.wished(visit.request.query, now_ms=visit.now_ms))


@once
async def start(visit: Visit) -> web.StreamResponse:
    """It is there, and its page shows how far it is; or it is counted first, for which the log is read too."""
    written = await visit.written()
    typed = {name: forms.text(written, name) for name in wishes.FIELDS}
    wished = wishes.wished(typed, now_ms=visit.now_ms)
    if wished.problems:
        return await _form(visit, wished, problems=wished.problems)
    try:
        if forms.text(written, "do") == "count":
            preview = await visit.desk.preview(visit.who, wished.subscription_id, wished.wish)
            forecast = wishes.forecast(preview, account=visit.who.account)
            return await _form(visit, wished, forecast=forecast)
        run = await visit.desk.replay(visit.who, wished.subscription_id, wished.wish)
    except (Invalid, Conflict) as error:
        return await _form(visit, wished, problems=_beside(error))
    return see(f"/replays/{segment(run.id)}")


async def cancel(visit: Visit) -> web.StreamResponse:
    """Nothing more of it is sent."""
    run = await visit.desk.cancel(visit.who, visit.id)
    return see(f"/replays/{segment(run.id)}")


async def _form(
    visit: Visit, wished: Wished, *, problems: Mapping[str, str] | None = None, forecast: Forecast | None = None
) -> web.Response:
    known = await every_name(visit, [wished.subscription_id])
    return await visit.page(
        "replay_form.html",
        status=HTTPStatus.UNPROCESSABLE_ENTITY if problems else HTTPStatus.OK,
        shown=wished.shown,
        webhooks=sorted(known.items(), key=lambda pair: pair[1].casefold()),
        errors=problems or {},
        forecast=forecast,
        nonce=nonce(),
    )


def _beside(error: Invalid | Conflict) -> dict[str, str]:
    if isinstance(error, Conflict):
        return {"replay": str(error)}
    return {FIELDS.get(name, name): rule for name, rule in forms.by_field(error.problems).items()}


ROUTES = [
    web.get("/replays", handled(listed)),
    web.get("/replays/new", handled(new)),
    web.post("/replays/new", handled(start)),
    web.get("/replays/{id}", handled(one)),
    web.post("/replays/{id}/cancel", handled(cancel)),
]
