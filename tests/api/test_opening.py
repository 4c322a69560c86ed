"""What needs the broker, opened as soon as it can be."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from relay.console import opening
from relay.console.opening import Opening, started
from relay.errors import Unreachable
from tests.kafka.driver import until


async def test_it_is_there_once_it_can_be_and_again_after_trouble(monkeypatch: pytest.MonkeyPatch) -> None:
    """Meanwhile whoever asks is told why not."""
    monkeypatch.setattr(opening, "AGAIN_S", (0.0,))
    troubles = [OSError("not yet"), None, None]
    broken = asyncio.Event()

    @asynccontextmanager
    async def made() -> AsyncIterator[str]:
        trouble = troubles.pop(0)
        if trouble is not None:
            raise trouble
        yield f"the one before {len(troubles)}"

    async def work(_: str) -> None:
        await broken.wait()
        broken.clear()
        raise Unreachable("it broke")

    it = Opening("things", made)
    with pytest.raises(Unreachable, match="things cannot be had just now"):
        it.get()
    async with asyncio.TaskGroup() as group:
        running = group.create_task(it.run(work))
        await until(lambda: len(troubles) == 1 and it.get() == "the one before 1", every=0)
        broken.set()
        await until(lambda: len(troubles) == 0 and it.get() == "the one before 0", every=0)
        running.cancel()
    with pytest.raises(Unreachable):
        it.get()


async def test_what_could_not_start_is_closed_too() -> None:
    class Reader:
        closed = False

        async def start(self) -> None:
            raise Unreachable("no")

        async def close(self) -> None:
            self.closed = True

    reader = Reader()
    with pytest.raises(Unreachable):
        async with started(reader):
            pass

    assert reader.closed
