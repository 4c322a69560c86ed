"""The overview: figures, chart, what is in trouble. Edge."""

from collections.abc import Mapping, Sequence
from typing import Any

from aiohttp import web

from relay.console.pages import charts, figures, notices, story
from relay.console.pages.names import names
from relay.console.pages.visit import Visit, handled
from relay.errors import TopicProblem, Unreachable
from relay.store.history.values import Search, State, step_of

DEFAULT = "24h"
FEW = 6  # of what was given up lately: a glance


async def overview(visit: Visit) -> web.Response:
    """Of all that they may see."""
    asked = visit.asked("range")
    name = asked if asked in charts.RANGES_MS else DEFAULT
    chart = await charted(visit, name, None)
    page = await visit.desk.deliveries(visit.who, Search(state=State.GAVE_UP), limit=FEW)
    trouble = await standing(visit)
    ids = {one.subscription_id for one in page.deliveries} | {str(one.get("subscription_id")) for one in trouble}
    known = await names(visit, ids)
    return await visit.page(
        "overview.html",
        **chart,
        ranges=figures.ranges(charts.RANGES_MS, name, "/"),
        tiles=figures.tiles(chart["found"], range_name=name, deliveries="?"),
        troubled=len(trouble),
        given_up=[story.row(one, known) for one in page.deliveries],
        trouble=[notices.row(one, known) for one in trouble],
    )


async def standing(visit: Visit) -> Sequence[Mapping[str, Any]]:
    """Webhooks in trouble; while nobody can tell, the figures are shown without."""
    try:
        return (await visit.desk.notices(visit.who, limit=1)).standing
    except (Unreachable, TopicProblem):
        return ()


async def charted(visit: Visit, name: str, subscription_id: str | None) -> dict[str, Any]:
    """What a chart of this range needs."""
    since_ms, until_ms = visit.now_ms - charts.RANGES_MS[name], visit.now_ms + 1
    found = await visit.desk.overview(visit.who, subscription_id=subscription_id, since_ms=since_ms, until_ms=until_ms)
    step_ms = step_of(until_ms - since_ms)
    spans = charts.spans(found.series, since_ms=since_ms, until_ms=until_ms, step_ms=step_ms)
    return {"found": found, "spans": spans}


ROUTES = [web.get("/", handled(overview))]
