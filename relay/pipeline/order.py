"""
One first attempt at a time per (subscription, lead), in the log's order (promise P7). Pure.

A delivery whose lead is busy at its subscription waits in that pair's queue and holds no place in flight. A pair
without work is forgotten. Retries, deferrals and replays do not come here: they may overlap first attempts.
"""

from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")
Key = tuple[str, str]


class Order(Generic[T]):
    """Queues of what waits behind the attempt of its pair."""

    __slots__ = ("_busy", "waiting")

    def __init__(self) -> None:
        self._busy: dict[Key, deque[T] | None] = {}  # None: under way, and nothing waits
        self.waiting = 0

    def enter(self, key: Key, work: T) -> bool:
        """True: nothing of this pair is under way, go on. False: it is kept and will be handed out by `next`."""
        if key not in self._busy:
            self._busy[key] = None
            return True
        queue = self._busy[key]
        if queue is None:
            queue = self._busy[key] = deque()
        queue.append(work)
        self.waiting += 1
        return False

    def next(self, key: Key) -> T | None:
        """The attempt of this pair is over: what comes next, or None, and the pair is forgotten."""
        queue = self._busy[key]
        if not queue:
            del self._busy[key]
            return None
        self.waiting -= 1
        return queue.popleft()
