"""What goes on at a time that is known, soonest first. Pure."""

import math
from collections.abc import Iterator
from heapq import heapify, heappop, heappush
from typing import Generic, TypeVar

T = TypeVar("T")

STALE = 2  # times as many entries as there are alarms: then those that were taken back are thrown out


class Alarms(Generic[T]):
    """By name; each has one time at most, which may be set anew or taken back. Times are seconds of any clock."""

    def __init__(self) -> None:
        self._set: dict[str, tuple[float, T]] = {}
        self._heap: list[tuple[float, str]] = []  # also times that were set anew or taken back

    def __len__(self) -> int:
        return len(self._set)

    def set(self, name: str, what: T, at_s: float) -> None:
        """It goes off then, and not when it would have."""
        if self._set.get(name) != (at_s, what):
            self._set[name] = (at_s, what)
            heappush(self._heap, (at_s, name))

    def discard(self, name: str) -> None:
        """It does not go off."""
        if self._set.pop(name, None) is None:
            return
        if len(self._heap) > STALE * len(self._set):
            self._heap = [(at_s, name) for name, (at_s, _) in self._set.items()]
            heapify(self._heap)

    def next_s(self) -> float:
        """When the next goes off; never, if there is none."""
        while self._heap and self._stale(*self._heap[0]):
            heappop(self._heap)
        return self._heap[0][0] if self._heap else math.inf

    def due(self, now_s: float) -> Iterator[T]:
        """What goes off by now, and does so."""
        while self.next_s() <= now_s:
            _, name = heappop(self._heap)
            yield self._set.pop(name)[1]

    def _stale(self, at_s: float, name: str) -> bool:
        return name not in self._set or self._set[name][0] != at_s
