"""/metrics, /lanes, /livez and /readyz of several workers, each of which is asked at its own socket. Edge."""

import asyncio
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path

import orjson
from aiohttp import ClientError, ClientSession, ClientTimeout, UnixConnector, web
from prometheus_client import generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from relay.metrics import ProcessMetrics
from relay.pipeline import census
from relay.processes.exposition import merged

LANES_S = 1.0  # `relay lanes` waits for 2 s, and should hear of those that live when one does not
ANSWER_S = 2.0  # one that lives answers within milliseconds; who asks us gives up after 3 to 10 s


def application(sockets: Mapping[int, Path], metrics: ProcessMetrics) -> web.Application:
    """
    /metrics (of all that answer, and of the processes themselves), /lanes (of all that answer), /livez (of this
    process) and /readyz (of all).

    Args:
        sockets: Where each process listens, by its number.
        metrics: What is counted about them here.
    """

    async def show(_: web.Request) -> web.Response:
        pages = {}
        for number, answer in (await _ask_all(sockets, "/metrics")).items():
            if answer is None:
                metrics.unanswered.add(str(number))
            else:
                pages[number] = answer[1]
        page = generate_latest(metrics.registry) + merged(pages).encode()
        return web.Response(body=page, headers={"Content-Type": CONTENT_TYPE_PLAIN_0_0_4})

    async def lanes(request: web.Request) -> web.Response:
        answers = await _ask_all(sockets, str(request.rel_url), within_s=LANES_S)
        said = {
            number: answer[1] if answer and answer[0] == HTTPStatus.OK else "" for number, answer in answers.items()
        }
        page = census.together(census.of_process(number, text.encode()) for number, text in said.items())
        return web.Response(body=orjson.dumps(page), content_type="application/json")

    async def livez(_: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def readyz(_: web.Request) -> web.Response:
        answers = await _ask_all(sockets, "/readyz")
        starting = [number for number, answer in answers.items() if answer is None or answer[0] != HTTPStatus.OK]
        if starting:
            return web.Response(text=f"starting: {', '.join(map(str, starting))}\n", status=503)
        return web.Response(text="ok\n")

    app = web.Application()
    app.add_routes([web.get("/metrics", show), web.get("/lanes", lanes)])
    app.add_routes([web.get("/livez", livez), web.get("/readyz", readyz)])
    return app


async def _ask_all(
    sockets: Mapping[int, Path], path: str, *, within_s: float = ANSWER_S
) -> dict[int, tuple[int, str] | None]:
    """Each process's answer, asked side by side: the slowest decides how long it takes."""
    async with asyncio.TaskGroup() as group:
        asked = {number: group.create_task(_ask(socket, path, within_s)) for number, socket in sockets.items()}
    return {number: task.result() for number, task in asked.items()}


async def _ask(socket: Path, path: str, within_s: float) -> tuple[int, str] | None:
    """Status and text; None: nobody answered in time."""
    try:
        async with (
            ClientSession(connector=UnixConnector(str(socket)), timeout=ClientTimeout(total=within_s)) as session,
            session.get(f"http://process{path}") as response,
        ):
            return response.status, await response.text()
    except (ClientError, TimeoutError):
        return None
