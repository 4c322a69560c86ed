"""
The live stream: server-sent events (HTML Living Standard, section 9.2). Edge (aiohttp).

    event: result   data: a result's fields, but for what was sent and answered
    event: missed   data: {"count": n or null}: some were passed over; the listing has them
    event: dropped  data: {"detail": …}: the stream ends; connect again, with Last-Event-ID
    : comment       each 15 s, so that nobody on the way takes the connection for dead
"""

import asyncio
from collections.abc import Mapping

import orjson
from aiohttp import web

from relay.access.values import Principal
from relay.console.api.answers import asker, query
from relay.console.api.deliveries import search
from relay.console.desk import Desk
from relay.console.keys import STOPPING
from relay.console.live import News, Result, TooSlow
from relay.errors import RelayError
from relay.store.history.values import Search

PATH = "/api/v1/stream"
HEARTBEAT_S = 15.0  # proxies close what is silent for 30 to 60 s
WRITE_S = 10.0  # for a client to take what is written: its buffers are full, and it does not read
RECONNECT_MS = 2_000


async def stream(request: web.Request) -> web.StreamResponse:
    desk, who = asker(request)
    asked = query(request)
    wanted = search(asked)
    asked.done()
    news = desk.stream(who, wanted, after=request.headers.get("Last-Event-ID"))
    first = asyncio.Event()
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"})
    return response
