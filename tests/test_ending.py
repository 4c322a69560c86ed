"""Work ends when it is told to, whatever its clients think of it."""

import asyncio

import pytest

from relay.ending import watched
from relay.errors import Conflict, Unreachable


async def never() -> Unreachable:
    await asyncio.get_running_loop().create_future()
    raise AssertionError


async def hopeless() -> Unreachable:
    return Unreachable("gone")


class Stubborn:
    """As aiokafka's `stop`: each cancellation is a sign to wait for something else."""

    def __init__(self, times: int) -> None:
        self.times = times

    async def __call__(self) -> None:
        while self.times:
            try:
                await asyncio.get_running_loop().create_future()
            except asyncio.CancelledError:
                self.times -= 1
        raise asyncio.CancelledError


async def test_work_that_is_done_is_what_it_comes_to() -> None:
    """Its result, or its own failure."""

    async def answer() -> int:
        return 7

    async def fail() -> int:
        raise Conflict("somebody was faster")

    assert await watched(answer(), never()) == 7
    with pytest.raises(Conflict, match="somebody was faster"):
        await watched(fail(), never())


async def test_hopeless_work_is_ended_however_it_resists() -> None:
    """And why it is hopeless is what is told."""
    work = Stubborn(3)

    with pytest.raises(Unreachable, match="gone"):
        await watched(work(), hopeless())

    assert work.times == 0


async def test_work_that_is_cancelled_is_ended_however_it_resists() -> None:
    """Ctrl-C cancels once; that is all that it does."""
    work = Stubborn(3)

    async with asyncio.TaskGroup() as group:
        command = group.create_task(watched(work(), never()))
        await asyncio.sleep(0)
        command.cancel()

    assert command.cancelled()
    assert work.times == 0
