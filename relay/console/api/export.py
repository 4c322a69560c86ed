"""A listing as CSV or NDJSON, a page at a time: whatever it holds, no more than a page is in memory. Edge (aiohttp)."""

import asyncio
from collections.abc import Callable

import orjson
from aiohttp import web

from relay.console import exports, views
from relay.console.api.answers import asker, query
from relay.console.api.deliveries import PATH, search
from relay.errors import RelayError
from relay.store.history.listing import MAX_LIMIT
from relay.store.history.values import Delivery

WRITE_S = 30.0  # for a client to take a page

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
    try:
        raw = head + b"".join(map(write, page.deliveries))
        while page.cursor is not None:
            await _written(response, raw)
            page = await desk.deliveries(who, wanted, cursor=page.cursor, limit=MAX_LIMIT)
            raw = b"".join(map(write, page.deliveries))
        await _written(response, raw)
        await response.write_eof()
    except (RelayError, TimeoutError, ConnectionError):
        # Its status is gone already: whoever reads sees that the end of the chunks is missing.
        if request.transport is not None:
            request.transport.abort()
    return response


async def _written(response: web.StreamResponse, raw: bytes) -> None:
    async with asyncio.timeout(WRITE_S):
        await response.write(raw)


ROUTES = [
    web.get(PATH + ".csv", csv, allow_head=False),  # which would read all of it for nothing
    web.get(PATH + ".ndjson", ndjson, allow_head=False),
]
