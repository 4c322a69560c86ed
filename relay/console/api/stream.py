"""
The live stream: server-sent events (HTML Living Standard, section 9.2). Edge (aiohttp).

    event: result   data: a delivery as a listing has it, of which this result were all that is known; attempt_id
    event: missed   data: {"count": n or null}: some were passed over; the listing has them
    event: dropped  data: {"detail": …}: the stream ends; connect again, with Last-Event-ID
    : comment       each 15 s, so that nobody on the way takes the connection for dead
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import suppress

import orjson
from aiohttp import web

from relay.console import views
from relay.console.api.answers import asker, query
from relay.console.api.deliveries import search
from relay.console.keys import GUARD, STOPPING
from relay.console.live import Missed, Result
from relay.errors import RelayError

PATH = "/api/v1/stream"
HEARTBEAT_S = 15.0  # proxies close what is silent for 30 to 60 s
WRITE_S = 10.0  # for a client to take what is written: its buffers are full, and it does not read
RECONNECT_MS = 2_000
MAX_ID = 100  # characters of Last-Event-ID
GONE = (TimeoutError, ConnectionError)  # a client that has left, or reads nothing

News = AsyncGenerator[Result | Missed, None]
Write = Callable[[bytes], Awaitable[None]]


async def stream(request: web.Request) -> web.StreamResponse:
    desk, who = asker(request)
    asked = query(request)
    wanted = search(asked)
    asked.done()
    last = request.headers.get("Last-Event-ID", "")[:MAX_ID] or None
    news = desk.stream(who, wanted, after=last)
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"})
    response.headers["X-Accel-Buffering"] = "no"  # nginx would keep events until it has a buffer full of them
    try:
        await response.prepare(request)
        await _passed_on(request, response, news)
    finally:
        await news.aclose()
    return response


async def _passed_on(request: web.Request, response: web.StreamResponse, news: News) -> None:
    """Until the client is gone or let go, may look on no longer, or the console ends."""
    stopping = request.app[STOPPING]

    async def write(raw: bytes) -> None:
        async with asyncio.timeout(WRITE_S):
            await response.write(raw)

    async with asyncio.TaskGroup() as group:
        work = (_read(news, write), _beat(write, lambda: request.app[GUARD].knows(request)), _end(stopping))
        tasks = [group.create_task(one) for one in work]
        done, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for one in pending:
            one.cancel()
    why = next(iter(done)).result()
    if why is not None:
        with suppress(*GONE):
            await write(_event("dropped", None, {"detail": why}))


async def _read(news: News, write: Write) -> str | None:
    """Why it ends; None: there is nobody to tell."""
    try:
        await write(b"retry: %d\n\n" % RECONNECT_MS)
        async for one in news:
            if isinstance(one, Missed):
                await write(_event("missed", one.id, {"count": one.count}))
            else:
                await write(_event("result", one.id, {"attempt_id": one.attempt_id} | views.delivery(one.delivery)))
    except RelayError as why:
        return str(why)
    except GONE:
        pass
    return None


async def _beat(write: Write, still: Callable[[], bool]) -> str | None:
    try:
        while still():
            await asyncio.sleep(HEARTBEAT_S)
            await write(b": still here\n\n")
    except GONE:
        return None
    return "you may look on no longer"


async def _end(stopping: asyncio.Event) -> str:
    await stopping.wait()
    return "the console ends"


def _event(kind: str, id_: str | None, data: object) -> bytes:
    named = b"" if id_ is None else b"id: " + id_.encode() + b"\n"
    return b"event: " + kind.encode() + b"\n" + named + b"data: " + orjson.dumps(data) + b"\n\n"


ROUTES = [web.get(PATH, stream, allow_head=False)]
