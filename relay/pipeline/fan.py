"""
The deliveries of one record: which are open, and what happens when the last has its outcome. Pure.

A delivery is settled when its attempt is over and every record that tells it is acknowledged; a record, when its walk
is over and all of its deliveries are settled.
"""

from collections.abc import Callable, Iterator
from typing import Protocol

from relay.model import Record
from relay.pipeline.ledger import Ledger
from relay.pipeline.settled import Walked

NOBODY = ""  # the subscription of what is for none, and no match: it stands before every id
RECORD_BYTES = (
    2_000  # what a record holds besides its body while a delivery of it waits: measured, half of it the event
)


def size_in_memory(record: Record) -> int:
    """What taking this record costs of the byte budget."""
    return len(record.value or b"") + RECORD_BYTES


class Closed(Protocol):
    """Told whenever a part of a ledger's records is over."""

    def __call__(self, ledger: Ledger) -> None: ...


class Fan:
    """One record being walked: its deliveries in id order, and how far they got."""

    __slots__ = (
        *("began_ms", "ledger", "matches", "offset", "read_ms", "size"),
        *(
            "_abandoned",
            "_closed",
            "_done",
            "_give",
            "_left",
            "_open",
            "_restored",
            "_through",
            "_unmatched",
            "_walking",
        ),
    )

    def __init__(
        self,
        ledger: Ledger,
        offset: int,
        *,
        size: int,
        read_ms: int,
        give: Callable[[int], None],
        closed: Closed,
        written_ms: int | None = None,
    ) -> None:
        self.ledger = ledger
        self.offset = offset
        self.size = size
        self.read_ms = read_ms  # when it could first have been sent
        self._give = give
        self._closed = closed
        self._abandoned = False
        self._walking = True
        self._left = 0  # parts that are neither settled nor abandoned
        self._done = 0
        self._restored = restored = ledger.start(offset, self)
        # when the first of its outcomes may have been written: an earlier walk's, no sooner than the record itself
        self.began_ms = read_ms if restored is None or written_ms is None else min(read_ms, written_ms)
        # Ids without a settlement, each with its rank among all that match: those before it that are not open have one.
        self._open: dict[str, int] = {}
        self.matches = 0  # deliveries that were made, an earlier walk's included
        if restored is not None:
            done = restored.done or (0,) * len(restored.open)
            self._open = {one: done[place] + place for place, one in enumerate(restored.open)}
            self.matches = restored.matches + len(self._open) - (NOBODY in self._open)
        self._unmatched = set(self._open)  # of these, the ones that the walk has not come to
        self._through: str | None = self._restored.through if self._restored else ""  # as Walked's

    def covers(self, subscription_id: str) -> bool:
        """Whether an earlier walk of the record settled this one."""
        return self._restored is not None and self._restored.covers(subscription_id)

    def part(self, subscription_id: str) -> "Part":
        """One delivery more; the walk goes in id order."""
        self._left += 1
        if subscription_id not in self._open:
            self._open[subscription_id] = self.matches if subscription_id != NOBODY else 0
            self.matches += subscription_id != NOBODY
        self._unmatched.discard(subscription_id)
        if self._through is not None and subscription_id > self._through:
            self._through = subscription_id
        return Part(self, subscription_id)

    def missed(self) -> Iterator[str]:
        """What an earlier walk of the record left open and this one has not come to: it does not match any more."""
        yield from sorted(self._unmatched)

    def over(self, *, whole: bool = True) -> None:
        """The walk is over; not whole: it was broken off, and whoever reads the record next does the rest."""
        self._walking = False
        self._abandoned |= not whole
        if whole:
            self._through = None
            if self._unmatched:
                self._forget(self._unmatched)
        self._finish()

    def walked(self) -> Walked | None:
        """How far it got, for the settled map; None: nothing of it is settled yet."""
        if self._restored is None and not self._done:
            return None
        open_ = sorted(self._open)
        done = [self._open[one] - place for place, one in enumerate(open_)]
        done.append(self.matches - len(open_) + (NOBODY in self._open))
        return Walked(self._through, tuple(open_), tuple(done) if done[-1] else ())

    def _forget(self, gone: set[str]) -> None:
        """Of a record that cannot be read any more: these have not been made again, and will not be."""
        self.matches -= len(gone - {NOBODY})
        left = self._open.items()
        self._open = {one: rank - sum(before < one for before in gone) for one, rank in left if one not in gone}

    def closed(self, subscription_id: str, *, settled: bool, begun: bool) -> None:
        """One part is over."""
        self._left -= 1
        self.ledger.active -= begun
        if settled:
            self._done += 1
            self._open.pop(subscription_id, None)
            if self._walking or self._left or self._abandoned:
                self.ledger.progressed(self.offset)
        else:
            self._abandoned = True
        self._finish()
        self._closed(self.ledger)

    def acknowledged(self, size: int) -> None:
        """A record produced for it no longer takes memory."""
        self._give(size)

    def _finish(self) -> None:
        if self._walking or self._left:
            return
        self._give(self.size)
        if not self._abandoned:
            self.ledger.settle(self.offset, self.matches, self.began_ms)


class Part:
    """One delivery of a fan, and the ticket of everything produced for it: counts down to its settlement."""

    __slots__ = ("_begun", "_open", "fan", "subscription_id")

    def __init__(self, fan: Fan, subscription_id: str) -> None:
        self.fan = fan
        self.subscription_id = subscription_id
        self._open = 1  # its attempt
        self._begun = False

    @property
    def retired(self) -> bool:
        """Its assignment is over: only its result may still be written."""
        return self.fan.ledger.retired

    @property
    def suspended(self) -> bool:
        """Whether its assignment is over is not known yet: its retry is held back."""
        return self.fan.ledger.suspended

    def begin(self) -> None:
        """Its attempt is under way: a drain waits for it."""
        self._begun = True
        self.fan.ledger.active += 1

    def expect(self) -> None:
        """One more record must be acknowledged before it is settled."""
        self._open += 1

    def close(self) -> None:
        """Its attempt is over."""
        self._open -= 1
        if self._open == 0:
            self.fan.closed(self.subscription_id, settled=True, begun=self._begun)

    def abandon(self) -> None:
        """It will not be done here: the record stays unsettled, and whoever reads it next does it."""
        self.fan.closed(self.subscription_id, settled=False, begun=self._begun)

    def acknowledged(self, size: int) -> None:
        """One record produced for it is safe."""
        self.fan.acknowledged(size)
        self.close()
