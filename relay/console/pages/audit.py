"""The audit: who did what to what. Edge."""

from aiohttp import web

from relay.console.pages import deeds, forms
from relay.console.pages.visit import Visit, handled

PAGE = 50


async def listed(visit: Visit) -> web.Response:
    """Newest first."""
    cursor = visit.asked("cursor") or None
    page = await visit.desk.audit(visit.who, cursor=cursor, limit=PAGE)
    return await visit.page(
        "audit.html",
        rows=[deeds.row(one) for one in page.entries],
        first="/audit" if cursor else None,
        next=f"/audit{forms.query({'cursor': page.cursor})}" if page.cursor else None,
    )


ROUTES = [web.get("/audit", handled(listed))]
