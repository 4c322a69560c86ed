"""
What of one partition has been taken and settled while one assignment lasts. Pure.

An offset is committable when it and all below it are settled: every delivery of the record has an outcome, and every
record that tells it is acknowledged. What is settled above that goes into the commit's metadata (`settled`). Offsets
are never assumed contiguous: compaction and transaction markers leave gaps.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Protocol

from relay.model import Record
from relay.pipeline.covered import UNTOLD, Covered
from relay.pipeline.phase import COMMITTABLE, HELD_BACK, SUSPENDABLE, UNDECIDED, Phase
from relay.pipeline.settled import CHARACTERS, Print, Settled, Walked, encode, fits, lower_half, print_of


@dataclass(frozen=True, slots=True)
class Commit:
    """What may be committed: the next offset to read after a restart, and the metadata that goes with it."""

    offset: int
    metadata: str = ""


SENT = 64  # commits without an answer that are remembered: 4 kB each, and minutes of a broker in trouble
NOTHING = Commit(-1)  # what Kafka says of a partition without a committed offset


class Progress(Protocol):
    """The fan-out of a record that is being walked."""

    def walked(self) -> Walked | None:
        """How far it got; None: nothing of it is settled yet."""
        ...


class Ledger:
    """Taken, started, settled; one partition, one assignment."""

    __slots__ = (
        *("active", "covered", "generation", "partition", "phase", "revision", "topic"),
        *("_expected", "_fans", "_open", "_part_done", "_position", "_restored", "_sent", "_top", "_top_print"),
    )

    def __init__(self, topic: str, partition: int, *, generation: int, covered: Covered = UNTOLD) -> None:
        self.topic = topic
        self.partition = partition
        self.generation = generation
        self.covered = covered  # what is to be told of it before its next commit
        self.phase = Phase.LOADING
        self.active = 0  # attempts begun and not yet told of: what a drain waits for
        self.revision = 0  # rises whenever there is something new to commit
        self._position = 0  # the next offset to be read
        self._open: dict[int, Print | None] = {}  # in the log's order; None: known from the map, not read again yet
        self._expected: deque[int] = deque()  # of these, the ones at or below the top that are to be read again
        self._fans: dict[int, Progress] = {}
        self._part_done: dict[int, None] = {}  # records of which some deliveries are settled
        self._restored: dict[int, Walked] = {}  # what the map says of records that are not walked again yet
        self._top = -1  # the highest settled offset
        self._top_print: Print | None = None
        self._sent: list[Commit] = []  # what the broker may hold of ours, or what we were loaded from

    @property
    def ready(self) -> bool:
        """What is read of it may be taken."""
        return self.phase is Phase.OPEN

    @property
    def undecided(self) -> bool:
        """Whether it goes on is not known yet: nothing is started, and nothing is given up."""
        return self.phase in UNDECIDED

    @property
    def suspended(self) -> bool:
        """The partition may be another's: what that one would write too is held back."""
        return self.phase in HELD_BACK

    @property
    def retired(self) -> bool:
        return self.phase is Phase.RETIRED

    @property
    def open(self) -> int:
        """How many records are known and not settled."""
        return len(self._open)

    @property
    def position(self) -> int:
        """The next offset to be read."""
        return self._position

    def crowded(self, more: int) -> bool:
        """Whether the map might not fit if so many more records were taken: the partition waits for its slowest."""
        if not self._open:
            return False
        base = next(iter(self._open))
        return not fits(len(self._open) + more, self._position + more - base)

    # -- the assignment

    def begin(self, start: int, held: Commit = NOTHING, settled: Settled | None = None) -> None:
        """
        Loaded: reading goes on here, and passes over what the map says is settled.

        Args:
            start: The next offset to be read.
            held: What the broker holds as committed.
            settled: The map that came with it; None: it had none, or there was doubt.
        """
        self.phase = Phase.OPEN
        self._position = start
        self._sent = [held]
        if settled is not None:
            self._open = dict.fromkeys(settled.open)
            self._expected = deque(settled.open)
            self._restored = dict(settled.walked)
            self._top, self._top_print = settled.top, settled.print

    def drain(self) -> None:
        """The group rebalances: nothing new is started until it is known who holds the partition next."""
        if self.phase in {Phase.OPEN, Phase.DOUBTED}:
            self.phase = Phase.DRAINING

    def doubt(self) -> bool:
        """The process was frozen for as long as a session; whether that leaves anything open."""
        doubted = self.phase is Phase.OPEN
        self.phase = Phase.DOUBTED if doubted else self.phase
        return doubted

    def reopen(self) -> bool:
        """The group has confirmed us: OPEN again, if it was DOUBTED; whether it was."""
        doubted = self.phase is Phase.DOUBTED
        self.phase = Phase.OPEN if doubted else self.phase
        return doubted

    def suspend(self) -> None:
        """What could be committed is; the partition may be another's by now."""
        if self.phase in SUSPENDABLE:
            self.phase = Phase.SUSPENDED
        else:
            self.retire()  # was loading, or going down: nothing of it would go on

    def resume(self, generation: int) -> None:
        """It came back before anybody else had it."""
        assert self.phase is Phase.SUSPENDED, "resumed without having been suspended"
        self.phase, self.generation = Phase.OPEN, generation

    def close(self) -> None:
        """The worker is going down: nothing new is started, what is in flight may be committed."""
        if self.phase in COMMITTABLE:
            self.phase = Phase.CLOSING
        else:
            self.retire()

    def retire(self) -> None:
        """The assignment is over: nothing of it may be committed any more, and no retry may be written for it."""
        self.phase = Phase.RETIRED
        self._open, self._fans, self._part_done, self._restored = {}, {}, {}, {}
        self._expected.clear()

    # -- its records

    def take(self, records: Sequence[Record]) -> list[Record]:
        """
        These were fetched, in the log's order; none is committable before it is settled.

        Returns:
            Those that are to be walked; what the map says is settled is not among them.
        """
        taken = []
        for record in records:
            offset = record.offset
            assert offset >= self._position, f"{offset} was read already"
            while self._expected and self._expected[0] < offset:
                self._gone(self._expected.popleft())
            if offset > self._position:
                self.covered.nothing(self._position, offset)
            if offset > self._top:
                self._open[offset] = print_of(record)
                taken.append(record)
            elif self._expected and self._expected[0] == offset:
                self._open[self._expected.popleft()] = print_of(record)
                taken.append(record)
            else:
                self.revision += 1  # passed over: the position alone is news
            self._position = offset + 1
        return taken

    def advance(self, position: int) -> None:
        """The consumer has read up to here, over markers and gaps too; never moves back."""
        while self._expected and self._expected[0] < position:
            self._gone(self._expected.popleft())
        if position > self._position:
            self.covered.nothing(self._position, position)
            self._position = position
            self.revision += 1

    def _gone(self, offset: int) -> None:
        """The map has it as open, and the log no longer holds it."""
        del self._open[offset]
        self._restored.pop(offset, None)
        self.revision += 1

    def start(self, offset: int, fan: Progress) -> Walked | None:
        """Its walk begins; how far an earlier one got, by the map."""
        if self.phase is not Phase.RETIRED:
            self._fans[offset] = fan
            if offset in self._restored:
                self._part_done[offset] = None
        return self._restored.pop(offset, None)

    def progressed(self, offset: int) -> None:
        """A delivery of it is settled, others are not."""
        if offset in self._fans:
            self._part_done[offset] = None
            self.revision += 1

    def settle(self, offset: int, matches: int = 0, began_ms: int = 0) -> None:
        """Every delivery of it has an outcome, acknowledged. In a retired ledger, or twice, changes nothing."""
        if offset not in self._open:
            return
        self.covered.settled(offset, matches, began_ms)
        fingerprint = self._open.pop(offset)
        if offset > self._top:
            self._top, self._top_print = offset, fingerprint
        self._fans.pop(offset, None)
        self._part_done.pop(offset, None)
        self.revision += 1

    def put_back(self, offset: int) -> None:
        """
        Read again from here: it and what follows was not started and is no longer held.

        For records that are not due and too large or too many to keep; the consumer seeks to the same offset.
        """
        held = [taken for taken in self._open if taken >= offset]
        assert not any(taken in self._fans for taken in held), "put back what is under way"
        for taken in held:
            if taken > self._top:
                del self._open[taken]
        self._expected = deque(taken for taken in held if taken <= self._top)  # these the log must bring again
        self._position = offset

    # -- what is committed

    @property
    def committable(self) -> int | None:
        """The offset that may be committed now; None while loading and once it is over."""
        if self.phase not in COMMITTABLE:
            return None
        return next(iter(self._open), self.end)

    @property
    def end(self) -> int:
        """From here on nothing is known, by us or by whoever had the partition before."""
        return max(self._position, self._top + 1)

    def snapshot(self, nonce: bytes = bytes(8), characters: int = CHARACTERS) -> Commit | None:
        """What may be committed now; None while loading and once it is over. One synchronous call, one moment."""
        base = self.committable
        if base is None or not self._open:
            return None if base is None else Commit(base)
        settled = self._settled(base)
        while settled is not None:
            if text := encode(settled, nonce, characters):
                return Commit(base, text)
            settled = lower_half(settled, self._open)
        return Commit(base)

    def _settled(self, base: int) -> Settled | None:
        walked = {**self._restored}
        for offset in self._part_done:
            if (how_far := self._fans[offset].walked()) is not None:
                walked[offset] = how_far
        top, fingerprint = self._top, self._top_print
        if walked and (highest := max(walked)) > top:
            top, fingerprint = highest, self._open[highest]
        if top < base or fingerprint is None:
            return None
        open_ = tuple(takewhile(top.__ge__, self._open))
        return Settled(base=base, top=top, print=fingerprint, open=open_, walked=walked)

    def sent(self, commit: Commit) -> None:
        """It is on its way: from now on the broker may hold it, whatever we hear."""
        self._sent.append(commit)
        if len(self._sent) > SENT:
            del self._sent[1]  # the first is what it held when we last heard of it, and holds if it takes none

    def confirmed(self, commit: Commit) -> None:
        """The broker holds it, and nothing older."""
        self._sent = [commit]

    def recognises(self, held: Commit) -> bool:
        """Whether what the broker holds is ours, so that nobody else committed in between."""
        return held in self._sent
