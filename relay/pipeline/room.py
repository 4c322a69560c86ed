"""
How much may be in memory at once (promise P5): one budget of bytes a worker for what is fetched, queued and not yet
acknowledged. Intake stops above it and goes on only below three quarters, so that it does not stutter at the mark.
"""

import asyncio

RESUME_SHARE = 0.75  # hysteresis: pausing and resuming intake costs fetches, so not at every record


class Room:
    """Waited for by the intakes, given back by whatever settles."""

    def __init__(self, *, limit_bytes: int) -> None:
        self._limit = limit_bytes
        self._resume = int(limit_bytes * RESUME_SHARE)
        self._below = asyncio.Event()
        self._below.set()
        self.held_bytes = 0

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
    def full(self) -> bool:
        """Whether the intakes wait."""
        return not self._below.is_set()
