"""Webhooks: the list, and one of them. Edge."""

from aiohttp import web

from relay.console.pages import figures, forms, hooks, words
from relay.console.pages.overview import DEFAULT, charted, standing
from relay.console.pages.sending import tested
from relay.console.pages.visit import Visit, handled
from relay.model import EVENT_TYPES
from relay.store.history.values import Unavailable

PAGE = 25
MAX_TEXT = 200  # as long as a name


async def listed(visit: Visit) -> web.Response:
    """Those that they may see."""
    text, state, cursor = visit.asked("text")[:MAX_TEXT], visit.asked("state"), visit.asked("cursor")
    state = state if state in words.SUBSCRIPTION_STATES else ""
    page = await visit.desk.subscriptions(
        visit.who, text=text or None, state=state or None, cursor=cursor or None, limit=PAGE
    )
    ids = [one["id"] for one in page.items]
    try:
        lines = await visit.desk.sparklines(visit.who, ids, since_ms=visit.now_ms - words.DAY_MS) if ids else {}
    except Unavailable:
        lines = {}  # the banner says so; webhooks can be seen and changed without
    kept = {"text": text, "state": state}
    failing = {one.get("subscription_id") for one in await standing(visit)}
    return await visit.page(
        "webhooks.html",
        rows=[
            hooks.row(one, lines.get(one["id"], ()), now_ms=visit.now_ms, is_failing=one["id"] in failing)
            for one in page.items
        ],
        states=words.SUBSCRIPTION_STATES,
        text=text,
        state=state,
        first=f"/subscriptions{forms.query(kept)}" if cursor else None,
        next=f"/subscriptions{forms.query(kept | {'cursor': page.cursor})}" if page.cursor else None,
    )


async def one(visit: Visit) -> web.Response:
    """One of them."""
    it = await visit.desk.subscription(visit.who, visit.id)
    try:
        chart = await charted(visit, DEFAULT, it["id"])
        tiles = figures.tiles(
            chart["found"], range_name=DEFAULT, deliveries=forms.query({"subscription": it["id"]}) + "&"
        )
    except Unavailable:
        chart, tiles = {"spans": []}, []
    return await visit.page(
        "webhook.html",
        it=it,
        state=hooks.chip(it),
        spans=chart["spans"],
        tiles=tiles,
        filter=None if it["filter"] is None else forms.pretty(it["filter"]),
        secrets=hooks.secrets(it, now_ms=visit.now_ms),
        created_ms=words.parsed(it["created_at"]),
        updated_ms=words.parsed(it["updated_at"]),
        missed_since_ms=words.parsed(visit.asked("missed_since")),
        event_types=EVENT_TYPES,
        tested_type=visit.asked("type") or it["events"][0],
        test=await tested(visit, visit.asked("test")) if visit.asked("test") else None,
    )


ROUTES = [
    web.get("/subscriptions", handled(listed)),
    web.get("/subscriptions/{id}", handled(one)),
]
