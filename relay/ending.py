"""How waits end: work that is told to stop, and clients that do not begin, or do not let go. Edge (asyncio)."""

import asyncio
from collections.abc import Awaitable, Coroutine
from typing import Any, Protocol, TypeVar

import structlog

log = structlog.get_logger()

T = TypeVar("T")


LET_GO_S = 5.0  # for a client to say goodbye; its broker may be gone, and aiokafka would wait for it
GRACE_S = 0.5  # for a transaction to be aborted, so that whoever writes next need not wait for it
AGAIN_S = 0.2  # between tries to end one that has swallowed its cancellation, as aiokafka's do


class Client(Protocol):
    """Of aiokafka's: a consumer or a producer."""

    def start(self) -> Awaitable[None]: ...

    def stop(self) -> Coroutine[Any, Any, None]: ...


async def unless(stop: asyncio.Event, work: Coroutine[Any, Any, T]) -> T | None:
    """What the work comes to; None: told to stop before it was done, and the work is cancelled."""
    outcome: list[T] = []

    async def do() -> None:
        outcome.append(await work)
        told.cancel()

    async def end() -> None:
        await stop.wait()
        await ended(doing)

    try:
        async with asyncio.TaskGroup() as group:  # cancelled ourselves, the group cancels both, once
            doing = group.create_task(do())  # it begins first: what is cancelled before it has begun was never awaited
            told = group.create_task(end())
    except ExceptionGroup as several:
        raise several.exceptions[0] from None
    return outcome[0] if outcome else None


async def watched(work: Coroutine[Any, Any, T], hopeless: Coroutine[Any, Any, Exception]) -> T:
    """
    What the work comes to; unless it is hopeless first, or this is cancelled: then it is ended, however it resists.

    Raises:
        Exception: What `hopeless` came to.
    """
    working = asyncio.gather(work, return_exceptions=True)
    watching = asyncio.gather(hopeless, return_exceptions=True)
    try:
        await asyncio.wait((working, watching), return_when=asyncio.FIRST_COMPLETED)
        finished = working.done()
    finally:
        await _end(watching, GRACE_S)
        await _end(working, GRACE_S)
    (outcome,) = working.result() if finished else watching.result()
    if isinstance(outcome, BaseException):
        raise outcome
    return outcome


async def within(work: Coroutine[Any, Any, T], seconds: float, late: Exception) -> T:
    """
    What the work comes to, if it does in time; else it is ended, however it resists: `asyncio.timeout` asks only once.

    Raises:
        Exception: `late`.
    """

    async def hopeless() -> Exception:
        await asyncio.sleep(seconds)
        return late

    return await watched(work, hopeless())


async def ended(work: asyncio.Future[Any]) -> None:
    """It is cancelled and over, also where the cancellation was lost; its own goodbye has LET_GO_S. Never raises."""
    await _end(work, LET_GO_S)


async def _end(work: asyncio.Future[Any], seconds: float) -> None:
    """Cancelled, and again, until it is over; so long after the first time, and then each AGAIN_S."""
    while not work.done():
        work.cancel()
        await asyncio.wait({work}, timeout=seconds)
        seconds = AGAIN_S
    if not work.cancelled():
        work.exception()  # asked for, or asyncio prints that nobody did


async def let_go(goodbye: Coroutine[Any, Any, None], seconds: float = LET_GO_S) -> None:
    """
    The client is closed, or at least left behind, within some seconds. Never raises.

    aiokafka's `stop` waits for brokers that no longer answer, takes a cancellation for a sign to go on, lets one of its
    own tasks' escape, and fails with a KeyError of its own where a batch was failed while it was sent (0.14).
    """
    async with asyncio.TaskGroup() as group:
        task = group.create_task(_quietly(goodbye))
        await asyncio.wait({task}, timeout=seconds)
        await _end(task, AGAIN_S)


async def begin(client: Client) -> None:
    """It has started; one that could not, or was not waited for, is let go."""
    try:
        await client.start()
    except BaseException:
        await let_go(client.stop())
        raise


async def _quietly(goodbye: Coroutine[Any, Any, None]) -> None:
    try:
        await goodbye
    except Exception as error:  # noqa: BLE001  a client that is given up has nothing left that could fail us
        log.warning("client.dropped", error=repr(error))
