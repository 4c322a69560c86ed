"""One page, one readiness, for workers that are asked at their sockets."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import orjson
from aiohttp import ClientSession

from relay.metrics import Metrics, ProcessMetrics
from relay.pipeline.census import read
from relay.pipeline.listener import Listener, listening, serving
from relay.processes.endpoint import application

SHARED = ("127.0.0.1", 4711)  # where all are shown; nobody listens there in these tests


class Stage:
    """Workers that listen at sockets 1 and 2, and who asks them; 3 is never there."""

    def __init__(self, folder: Path, port: int, workers: dict[int, tuple[Listener, Metrics]]) -> None:
        self.folder = folder
        self.workers = workers
        self._port = port

    async def get(self, path: str) -> tuple[int, str]:
        async with ClientSession() as session, session.get(f"http://127.0.0.1:{self._port}{path}") as response:
            return response.status, await response.text()


@asynccontextmanager
async def staged(*numbers: int) -> AsyncIterator[Stage]:
    """Workers 1 and 2 listen; all of these numbers are asked."""
    async with AsyncExitStack() as stack:
        # not the test's own folder: a socket's path may have 107 bytes
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="relay-tests-")))
        workers = {}
        for number in (1, 2):
            metrics = Metrics()
            listener = await stack.enter_async_context(listening(SHARED, metrics, socket=folder / str(number)))
            workers[number] = (listener, metrics)
        app = application({number: folder / str(number) for number in numbers}, ProcessMetrics())
        yield Stage(folder, await stack.enter_async_context(serving(app, ("127.0.0.1", 0))), workers)


async def test_the_figures_of_all_are_one_page() -> None:
    """Each under its number, its gauges set at the moment, beside what is counted of the processes."""
    async with staged(1, 2) as stage:
        for number, (listener, metrics) in stage.workers.items():
            metrics.matches.add(by=number)
            listener.refresh = lambda metrics=metrics: metrics.in_flight.set(5)  # type: ignore[misc]

        status, page = await stage.get("/metrics")

    assert status == 200
    for line in (
        'relay_matches_total{process="1"} 1.0',
        'relay_matches_total{process="2"} 2.0',
        'relay_in_flight{process="2"} 5.0',
        "relay_processes 0.0",
    ):
        assert f"\n{line}\n" in page
    assert page.count("# TYPE relay_matches_total counter") == 1
    assert "unanswered_total{" not in page


async def test_all_are_ready_when_each_is() -> None:
    """Who is not is named; life is the asked process's own."""
    async with staged(1, 2) as stage:
        answers = [await stage.get("/readyz")]
        for listener, _ in stage.workers.values():
            listener.ready = lambda: True
            answers.append(await stage.get("/readyz"))
        alive = await stage.get("/livez")

    assert [(503, "starting: 1, 2\n"), (503, "starting: 2\n"), (200, "ok\n")] == answers
    assert alive == (200, "ok\n")


async def test_one_that_is_not_there_or_does_not_answer_is_left_out_and_counted() -> None:
    """The page comes all the same, within the 3 s that the most impatient of askers wait."""
    async with staged(1, 3, 4) as stage:

        async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read()  # until whoever asks gives up
            writer.close()

        server = await asyncio.start_unix_server(silent, stage.folder / "4")
        async with server, asyncio.timeout(3):
            status, page = await stage.get("/metrics")
        ready = await stage.get("/readyz")

    assert status == 200
    assert '\nrelay_in_flight{process="1"} 0.0\n' in page
    assert 'relay_in_flight{process="4"}' not in page
    assert 'relay_process_scrapes_unanswered_total{process="3"} 1.0' in page
    assert 'relay_process_scrapes_unanswered_total{process="4"} 1.0' in page
    assert (503, "starting: 1, 3, 4\n") == ready


async def test_the_lanes_of_all_are_one_page_and_who_is_silent_is_named() -> None:
    """What is asked for reaches each; one that starts, is not there or hangs is left out, well within 2 s."""
    asked: list[str] = []
    async with staged(1, 2, 3, 4) as stage:

        def lanes(query: Mapping[str, str]) -> bytes:
            asked.append(query["subscription"])
            lane = {"subscription_id": "é&=", "account_id": "a", "state": "open", "limit": 1, "max_in_flight": None}
            lane |= {"rate_per_s": None, "in_flight": 0, "queued": 0, "deferred": 5, "retry_at": None, "why": None}
            return orjson.dumps(
                {"lanes": [{**lane, "worker": "w-1"}], "total": 9, "workers": ["w-1"], "unanswered": []}
            )

        async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read()
            writer.close()

        stage.workers[1][0].lanes = lanes
        server = await asyncio.start_unix_server(silent, stage.folder / "4")
        async with server, asyncio.timeout(1.8):
            status, raw = await stage.get("/lanes?subscription=%C3%A9%26%3D&state=open")

    page = read(raw.encode())
    assert status == 200
    assert ["é&="] == asked
    assert [("é&=", 1)] == [(one["subscription_id"], one["process"]) for one in page.lanes]
    assert (9, ("w-1",), (2, 3, 4)) == (page.total, page.workers, page.unanswered)


async def test_a_socket_that_a_killed_worker_left_behind_is_taken_over() -> None:
    """The next one under its number listens there."""
    async with staged(1, 5) as stage:
        (await asyncio.start_unix_server(lambda *_: None, stage.folder / "5")).close()

        async with listening(SHARED, Metrics(), socket=stage.folder / "5"):
            _, page = await stage.get("/metrics")

    assert 'relay_in_flight{process="5"} 0.0' in page


async def test_the_address_where_all_are_shown_is_each_workers_own() -> None:
    """No delivery may call it, though another process listens there."""
    async with staged(1, 2) as stage:
        assert {4711} == {listener.port for listener, _ in stage.workers.values()}
