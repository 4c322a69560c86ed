"""
How much may be in flight and in memory at once (promise P5).

Bytes: one budget a worker for what is fetched, queued and not yet acknowledged; intake stops above it and goes on only
below three quarters, so that it does not stutter at the mark. Places: requests in flight.
"""

import asyncio

RESUME_SHARE = 0.75  # hysteresis: pausing and resuming intake costs fetches, so not at every record
QUEUE_PLACES = 5_000  # deliveries of a fan-out that wait behind others of their lead; some 1 kB each


class Room:
    """Waited for by the intakes, given back by whatever settles."""

    def __init__(self, *, limit_bytes: int, places: int) -> None:
        self._limit = limit_bytes
        self._resume = int(limit_bytes * RESUME_SHARE)
        self._below = asyncio.Event()
        self._below.set()
        self._places = asyncio.Semaphore(places)
        self._queue = asyncio.Semaphore(QUEUE_PLACES)
        self.held_bytes = 0
        self.in_flight = 0

    def take(self, size: int) -> None:
        """So many bytes more are held. Never waits: what is here is here; `wait` keeps the next from coming."""
        self.held_bytes += size
        if self.held_bytes >= self._limit:
            self._below.clear()

    def give(self, size: int) -> None:
        self.held_bytes -= size
        if self.held_bytes <= self._resume:
            self._below.set()

    async def wait(self) -> None:
        """Return once intake may go on."""
        if not self._below.is_set():
            await self._below.wait()

    @property
    def blocked(self) -> bool:
        """Whether some intake waits for what is in flight."""
        return not self._below.is_set() or self._places.locked() or self._queue.locked()

    async def enter(self) -> None:
        """Return with a place in flight; `leave` gives it back."""
        await self._places.acquire()
        self.in_flight += 1

    def leave(self) -> None:
        self._places.release()
        self.in_flight -= 1

    async def queue(self) -> None:
        """Return with a place among those that wait their turn; `unqueue` gives it back."""
        await self._queue.acquire()

    def unqueue(self) -> None:
        self._queue.release()
