"""
The deliveries of one record: how many are open, and what happens when the last has its outcome. Pure.

A record is settled when its walk is over, every delivery of it has a verdict, and every record that tells one is
acknowledged. All of that is one count.
"""

from collections.abc import Callable
from typing import Protocol

from relay.model import Record
from relay.pipeline.ledger import Ledger

RECORD_BYTES = 1_000  # what a record holds besides its value: headers, the parsed event, its entries here and there


def size_in_memory(record: Record) -> int:
    """What taking this record costs of the byte budget."""
    return len(record.value or b"") + RECORD_BYTES


class Closed(Protocol):
    """Told once everything of a record is closed."""

    def __call__(self, ledger: Ledger, offset: int, *, settled: bool) -> None: ...


class Fan:
    """Counts down to the settlement of its record; the ticket of everything produced for it."""

    __slots__ = ("_abandoned", "_closed", "_give", "_open", "ledger", "offset", "read_ms", "size")

    def __init__(
        self, ledger: Ledger, offset: int, *, size: int, read_ms: int, give: Callable[[int], None], closed: Closed
    ) -> None:
        self.ledger = ledger
        self.offset = offset
        self.size = size
        self.read_ms = read_ms  # when it could first have been sent
        self._give = give
        self._closed = closed
        self._abandoned = False
        self._open = 1  # the walk itself
        ledger.start(offset)

    @property
    def retired(self) -> bool:
        return self.ledger.retired

    @property
    def stopping(self) -> bool:
        """Its partition is on its way to another owner, or we are going down: start nothing more."""
        return self.ledger.stopping

    def expect(self, count: int = 1) -> None:
        """So many more parts must close before it is settled."""
        self._open += count

    def close(self) -> None:
        """One part is done."""
        self._open -= 1
        if self._open == 0:
            self._give(self.size)
            self._closed(self.ledger, self.offset, settled=not self._abandoned)

    def abandon(self) -> None:
        """One part will not be done here: the record stays unsettled, and whoever reads it next does all of it."""
        self._abandoned = True
        self.close()

    def acknowledged(self, size: int) -> None:
        """One record produced for it is safe."""
        self._give(size)
        self.close()
