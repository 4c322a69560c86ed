"""Work ends when it is told to, whatever its clients think of it."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from relay import ending
from relay.ending import begin, unless, watched, within
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


async def test_work_that_is_late_is_ended_however_it_resists() -> None:
    """And what is in time is what it comes to."""
    stubborn, late = Stubborn(2), Unreachable("late")

    with pytest.raises(Unreachable, match="late"):
        await within(stubborn(), 0.01, late)
    assert 0 == stubborn.times
    assert 7 == await within(asyncio.sleep(0, 7), 60, late)


async def test_work_that_is_cancelled_is_ended_however_it_resists() -> None:
    """Ctrl-C cancels once; that is all that it does."""
    work = Stubborn(3)

    async with asyncio.TaskGroup() as group:
        command = group.create_task(watched(work(), never()))
        await asyncio.sleep(0)
        command.cancel()

    assert command.cancelled()
    assert work.times == 0


class Polite:
    """It says goodbye when it is cancelled, and that takes a while."""

    def __init__(self) -> None:
        self.has_begun = asyncio.Event()
        self.said = False

    async def __call__(self) -> None:
        try:
            self.has_begun.set()
            await asyncio.get_running_loop().create_future()
        finally:
            for _ in range(3):
                await asyncio.sleep(0)
            self.said = True


async def test_work_that_is_told_to_stop_or_cancelled_is_cancelled_once() -> None:
    """It has its time to clean up; a second time would cut that short."""
    stop, stopped, cancelled = asyncio.Event(), Polite(), Polite()

    async with asyncio.TaskGroup() as group:
        task = group.create_task(unless(asyncio.Event(), cancelled()))
        group.create_task(unless(stop, stopped()))
        await cancelled.has_begun.wait()
        await stopped.has_begun.wait()
        task.cancel()
        stop.set()

    assert task.cancelled()
    assert (True, True) == (cancelled.said, stopped.said)


async def test_work_that_is_told_to_stop_and_loses_that_is_told_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once its time for a goodbye is over: `asyncio.wait_for` of 3.11 may lose a cancellation, and so do clients."""
    monkeypatch.setattr(ending, "LET_GO_S", 0.01)
    stop, deaf = asyncio.Event(), Stubborn(3)

    async with asyncio.TaskGroup() as group:
        group.create_task(unless(stop, deaf()))
        for _ in range(3):  # until it waits
            await asyncio.sleep(0)
        stop.set()

    assert deaf.times == 0


class Client:
    """It remembers what it was told, and starts as it was made to."""

    def __init__(self, start: Callable[[], Awaitable[None]]) -> None:
        self.start = start
        self.stopped = 0

    async def stop(self) -> None:
        self.stopped += 1


async def test_a_client_that_has_begun_is_not_let_go() -> None:
    async def start() -> None:
        """At once."""

    client = Client(start)
    await begin(client)

    assert client.stopped == 0


async def test_a_client_that_could_not_begin_is_let_go_and_its_trouble_told() -> None:
    async def start() -> None:
        raise ConnectionRefusedError

    client = Client(start)
    with pytest.raises(ConnectionRefusedError):
        await begin(client)

    assert client.stopped == 1


async def test_a_client_that_nobody_waits_for_any_more_is_let_go() -> None:
    begun = asyncio.Event()

    async def start() -> None:
        begun.set()
        await asyncio.Event().wait()

    client = Client(start)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(begin(client))
        await begun.wait()
        task.cancel()

    assert task.cancelled()
    assert client.stopped == 1
