"""Runs: what was sent again, and how far it is. Edge."""

from aiohttp import web

from relay.console.pages import running
from relay.console.pages.names import names
from relay.console.pages.visit import Visit, handled

MOST = 100  # of the list; the newest


async def listed(visit: Visit) -> web.Response:
    """Those that they may see, newest first."""
    runs = await visit.desk.runs(visit.who)
    shown = runs[:MOST]
    known = await names(visit, [one.subscription_id for one in shown])
    return await visit.page(
        "replays.html",
        rows=[running.row(one, known.get(one.subscription_id, one.subscription_id)) for one in shown],
        more=len(runs) - len(shown),
    )


async def one(visit: Visit) -> web.Response:
    """One of them."""
    run = await visit.desk.run(visit.who, visit.id)
    known = await names(visit, [run.subscription_id])
    return await visit.page("replay.html", run=running.row(run, known.get(run.subscription_id, run.subscription_id)))


ROUTES = [
    web.get("/replays", handled(listed)),
    web.get("/replays/{id}", handled(one)),
]
