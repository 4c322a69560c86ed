"""
Delivery records that wait for their time. Pure.

Due times rise along a partition of a delivery topic, so its head tells when to look again. Only what is due within the
look-ahead is held in memory, where jitter may reorder it; a head that is due later is put back and its partition rests
until then, so a topic of 24 h holds nothing however much waits in it. What is held is bounded for each partition and in
all; a partition that is full rests until a quarter of that is left, so that it is not fetched for one record at a time.
"""

import heapq
from collections import Counter
from typing import Generic, TypeVar

from relay.pipeline.schedule import JITTER_MAX_S

T = TypeVar("T")
Partition = tuple[str, int]

LOOK_AHEAD_MS = int(JITTER_MAX_S * 1000)  # as far as the longest jitter reaches
LOOK_AHEAD_RECORDS = 256  # a partition; enough to spread a burst, and 0.3 MB of ordinary bodies
REFILL_RECORDS = LOOK_AHEAD_RECORDS // 4
FULL_REST_MS = 200  # how soon a partition that found no room looks again


class Delays(Generic[T]):
    """What waits, soonest first."""

    def __init__(self, *, limit_bytes: int) -> None:
        self._limit = limit_bytes
        self._heap: list[tuple[int, int, Partition, int, T]] = []
        self._held: Counter[Partition] = Counter()
        self._rests: dict[Partition, int] = {}  # until when; its next record was put back
        self._count = 0
        self.held_bytes = 0

    def __len__(self) -> int:
        return len(self._heap)

    def offer(self, partition: Partition, work: T, *, due_ms: int, ready_ms: int, size: int, now_ms: int) -> bool:
        """
        Hold one record until it is ready.

        False: it is not held. Put it back, with what follows it: `rests` tells how long its partition is left alone.
        """
        if due_ms > now_ms + LOOK_AHEAD_MS:
            self._rests[partition] = due_ms - LOOK_AHEAD_MS
            return False
        if self._held[partition] >= LOOK_AHEAD_RECORDS or (self._heap and self.held_bytes + size > self._limit):
            self._rests[partition] = now_ms + FULL_REST_MS
            return False
        self._count += 1  # equal times go in the order they came
        heapq.heappush(self._heap, (ready_ms, self._count, partition, size, work))
        self._held[partition] += 1
        self.held_bytes += size
        return True

    def rests(self, partition: Partition, now_ms: int) -> bool:
        """Whether the partition is to be left alone for now."""
        until = self._rests.get(partition)
        if until is None:
            return False
        if now_ms < until or self._held[partition] > REFILL_RECORDS:
            return True
        del self._rests[partition]
        return False

    def count(self, partition: Partition) -> int:
        """How many are held of this one."""
        return self._held.get(partition, 0)

    def next_ms(self) -> int | None:
        """When the soonest is ready; None when nothing is held."""
        return self._heap[0][0] if self._heap else None

    def ready(self, now_ms: int) -> T | None:
        """The soonest, if its time has come; it is no longer held."""
        if not self._heap or self._heap[0][0] > now_ms:
            return None
        _, _, partition, size, work = heapq.heappop(self._heap)
        self._held[partition] -= 1
        self.held_bytes -= size
        return work

    def forget(self, partition: Partition) -> int:
        """The partition is no longer ours, or is read anew; how many bytes were held of it."""
        gone = [entry for entry in self._heap if entry[2] == partition]
        self._heap = [entry for entry in self._heap if entry[2] != partition]
        heapq.heapify(self._heap)
        freed = sum(entry[3] for entry in gone)
        self.held_bytes -= freed
        self._rests.pop(partition, None)
        del self._held[partition]
        return freed
