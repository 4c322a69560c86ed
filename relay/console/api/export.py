"""A listing as CSV or NDJSON, a page at a time: whatever it holds, no more than a page is in memory. Edge (aiohttp)."""

from collections.abc import Callable

import orjson
from aiohttp import web

from relay.console import exports, views
from relay.console.api.answers import asker, query
from relay.console.api.deliveries import PATH, search
from relay.store.history.listing import MAX_LIMIT
from relay.store.history.values import Delivery

Write = Callable[[Delivery], bytes]


async def csv(request: web.Request) -> web.StreamResponse:
    def line(one: Delivery) -> bytes:
        return exports.csv(one).encode("utf-8", "replace")

    return await _streamed(request, "text/csv; charset=utf-8", "deliveries.csv", line, head=exports.CSV_HEAD.encode())


async def ndjson(request: web.Request) -> web.StreamResponse:
    def line(one: Delivery) -> bytes:
        return orjson.dumps(views.delivery(one), option=orjson.OPT_APPEND_NEWLINE)

    return await _streamed(request, "application/x-ndjson", "deliveries.ndjson", line)


async def _streamed(
    request: web.Request, content_type: str, name: str, write: Write, *, head: bytes = b""
) -> web.StreamResponse:
    """The first page is asked for before anything is answered, so that what is wrong has a status of its own."""
    desk, who = asker(request)
    asked = query(request)
    wanted = search(asked)
    asked.done()
    page = await desk.deliveries(who, wanted, limit=MAX_LIMIT)
    aged = await desk.age()
    response = web.StreamResponse(
        headers={
            "Content-Type": content_type,
            "Content-Disposition": f'attachment; filename="{name}"',
            "Cache-Control": "no-store",
            "relay-as-of": views.time(aged.as_of_ms) or "never",
        }
    )
    response.enable_chunked_encoding()
    await response.prepare(request)
    await response.write(head)
    while True:
        await response.write(b"".join(write(one) for one in page.deliveries))
        if page.cursor is None:
            break
        # A failure from here on breaks the connection: whoever reads sees that the end of the chunks is missing.
        page = await desk.deliveries(who, wanted, cursor=page.cursor, limit=MAX_LIMIT)
    await response.write_eof()
    return response


ROUTES = [web.get(PATH + ".csv", csv), web.get(PATH + ".ndjson", ndjson)]
