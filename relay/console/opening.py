"""Something that needs the broker, opened as soon as it can be, and again when it broke. Edge."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Generic, Protocol, TypeVar

import structlog
from aiokafka.errors import KafkaError

from relay.errors import RelayError, Unreachable

log = structlog.get_logger()

T = TypeVar("T")

AGAIN_S = (0.5, 1, 2, 5, 10)  # between tries; the last from then on


class Starts(Protocol):
    """What reads a topic, and then follows it."""

    async def start(self) -> None: ...

    async def close(self) -> None: ...


F = TypeVar("F", bound=Starts)


@asynccontextmanager
async def started(one: F) -> AsyncIterator[F]:
    """It has read what there is; closed at the end, also where its start was cut short."""
    try:
        await one.start()
        yield one
    finally:
        await one.close()


class Opening(Generic[T]):
    """What is there, or why it is not."""

    def __init__(self, what: str, opened: Callable[[], AbstractAsyncContextManager[T]]) -> None:
        """
        Args:
            what: It, in the plural, for people: "replays".
            opened: Makes one.
        """
        self._what = what
        self._opened = opened
        self._it: T | None = None
        self._trouble = "it is being opened"

    def get(self) -> T:
        """
        Raises:
            Unreachable: It is not there; try again.
        """
        if self._it is None:
            raise Unreachable(f"{self._what} cannot be had just now: {self._trouble}")
        return self._it

    async def run(self, work: Callable[[T], Awaitable[None]]) -> None:
        """
        Open for as long as its work goes on; opened again whatever befalls it. Until cancelled, or its work is over.

        Args:
            work: What it does by itself.
        """
        tries = 0
        while True:
            try:
                async with self._opened() as it:
                    self._it, tries = it, 0
                    try:
                        await work(it)
                    finally:
                        self._it = None
                return  # noqa: TRY300  its work is over
            except (KafkaError, RelayError, OSError) as error:
                self._trouble = str(error) or type(error).__name__
                log.warning("console.troubled", what=self._what, error=self._trouble)
            await asyncio.sleep(AGAIN_S[min(tries, len(AGAIN_S) - 1)])
            tries += 1
