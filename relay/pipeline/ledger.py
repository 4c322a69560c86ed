"""
What of one partition has been taken and settled while one assignment lasts. Pure.

An offset is committable when it and all below it are settled: every delivery of the record has an outcome, and every
record that tells it is acknowledged. Offsets are never assumed contiguous: compaction and transaction markers leave
gaps. One ledger belongs to one assignment; a late settlement lands in a retired one and moves nothing.
"""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Commit:
    """What may be committed: the next offset to read after a restart, and the metadata that goes with it."""

    offset: int
    metadata: str = ""


class Ledger:
    """Taken, started, settled; one partition, one assignment."""

    __slots__ = ("_open", "_position", "_started", "draining", "generation", "partition", "retired", "topic")

    def __init__(self, topic: str, partition: int, *, generation: int) -> None:
        self.topic = topic
        self.partition = partition
        self.generation = generation
        self.retired = False
        self.draining = False  # about to be revoked: nothing new is started
        self._position: int | None = None  # the next offset to be read; None while loading
        self._open: dict[int, None] = {}  # in the log's order, for records are taken in it
        self._started: set[int] = set()

    @property
    def ready(self) -> bool:
        return self._position is not None and not self.retired

    @property
    def stopping(self) -> bool:
        """On its way to another owner, or there already: nothing new is started."""
        return self.draining or self.retired

    @property
    def open(self) -> int:
        """How many records are taken and not settled."""
        return len(self._open)

    @property
    def in_flight(self) -> int:
        """How many records are started and not settled: what a drain waits for."""
        return len(self._started)

    def begin(self, offset: int) -> None:
        """Loaded: reading goes on at this offset."""
        self._position = offset

    def take(self, offsets: Iterable[int]) -> None:
        """These were fetched, in the log's order; none is committable before it is settled."""
        for offset in offsets:
            assert self._position is not None, "taken while loading"
            assert offset >= self._position, f"{offset} was read already"
            self._open[offset] = None
            self._position = offset + 1

    def advance(self, position: int) -> None:
        """The consumer has read up to here, over markers and gaps too; never moves back."""
        assert self._position is not None, "advanced while loading"
        self._position = max(self._position, position)

    def start(self, offset: int) -> None:
        """Its deliveries are under way; a drain waits for it."""
        if not self.retired:
            self._started.add(offset)

    def settle(self, offset: int) -> None:
        """Every delivery of it has an outcome, acknowledged. In a retired ledger, or twice, changes nothing."""
        if not self.retired:
            self._open.pop(offset, None)
            self._started.discard(offset)

    def abandon(self, offset: int) -> None:
        """It will not be settled here: nothing at or above it is committed, and a drain no longer waits for it."""
        self._started.discard(offset)

    def put_back(self, offset: int) -> None:
        """
        Read again from here: it and what follows was not started and is no longer held.

        For records that are not due and too large or too many to keep; the consumer seeks to the same offset.
        """
        for held in [taken for taken in self._open if taken >= offset]:
            assert held not in self._started, "put back what is under way"
            del self._open[held]
        self._position = offset

    def snapshot(self) -> Commit | None:
        """What may be committed now; None while loading and once retired. One synchronous call, one moment."""
        if not self.ready:
            return None
        assert self._position is not None
        return Commit(next(iter(self._open), self._position))

    def retire(self) -> None:
        """The assignment is over: nothing of it may be committed any more, and no retry may be written for it."""
        self.retired = True
        self._open.clear()
        self._started.clear()
