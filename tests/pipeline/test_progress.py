"""What is told before a commit, where nobody takes it: commits go on, and memory is bounded."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from structlog.testing import capture_logs

from relay.clock import SystemClock
from relay.pipeline.covered import Covered, Lost
from relay.pipeline.ledger import Ledger
from relay.pipeline.progress import RUNS, SILENCE, WAIT_S, Progress
from tests.builders import Fetched


def a_progress(servers: str = "127.0.0.1:1") -> Progress:
    settings = {"bootstrap_servers": servers}
    return Progress(settings, topic="relay.progress", worker="w", clock=SystemClock())


def a_ledger(*matches: int, first: int = 0) -> Ledger:
    """One that has settled so many records."""
    ledger = Ledger("leads.events", 0, generation=1, covered=Covered())
    ledger.begin(first)
    ledger.take([Fetched(value=b"", offset=first + n) for n in range(len(matches))])
    for n, count in enumerate(matches):
        ledger.settle(first + n, count, 5)
    return ledger


@asynccontextmanager
async def running(progress: Progress) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as group:
        task = group.create_task(progress.run())
        await asyncio.sleep(0)
        yield
        task.cancel()


async def took_s(wait: Callable[[], Awaitable[None]]) -> float:
    clock = asyncio.get_running_loop()
    began_s = clock.time()
    await wait()
    return clock.time() - began_s


async def test_nobody_waits_where_there_is_nothing_to_tell() -> None:
    """Nor of the delivery topics, of which nothing is ever told."""
    SILENCE.cover(a_ledger(1))
    await SILENCE.told()

    async with running(progress := a_progress()):
        progress.cover(a_ledger())

        assert await took_s(progress.told) < WAIT_S / 2


async def test_a_broker_that_does_not_answer_holds_up_one_commit() -> None:
    """For a moment; those after it not at all, until it is heard from."""

    async def hear(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while await reader.read(1_000):
                pass
        writer.close()

    async with await asyncio.start_server(hear, "127.0.0.1", 0) as deaf:
        port = deaf.sockets[0].getsockname()[1]
        with capture_logs() as lines:
            async with running(progress := a_progress(f"127.0.0.1:{port}")):
                progress.cover(a_ledger(1, 2))
                first_s = await took_s(progress.told)
                progress.cover(a_ledger(1, 2, first=10))
                second_s = await took_s(progress.told)

    assert WAIT_S <= first_s < 5 * WAIT_S
    assert second_s < WAIT_S / 2
    assert ["progress.troubled"] == [line["event"] for line in lines if line["event"].startswith("progress.")]


async def test_a_broker_that_is_not_there_is_no_reason_to_wait() -> None:
    """A refused connection is an answer."""
    async with running(progress := a_progress()):
        progress.cover(a_ledger(1))
        await progress.told()

        assert await took_s(progress.told) < WAIT_S / 2


@pytest.mark.parametrize("lost", [0, 3])
def test_what_cannot_be_told_for_long_is_bounded(lost: int) -> None:
    """The oldest is dropped, and said to be; a range that was lost is kept."""
    progress = a_progress()
    for n in range(lost):
        progress.lost(Lost("leads.events", 1, n, n + 1))

    with capture_logs() as lines:
        for part in range(3):
            ledger = a_ledger(*(n % 2 for n in range(RUNS // 2)), first=part * RUNS)
            ledger.generation = part  # an assignment each: they are not made one
            progress.cover(ledger)

    dropped = [line for line in lines if line["event"] == "progress.dropped"]
    assert [0] == [line["first"] for line in dropped]
    kept = progress._waiting
    assert 2 + lost == len(kept)
