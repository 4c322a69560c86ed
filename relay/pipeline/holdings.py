"""
The ledgers of the partitions that a consumer holds, through rebalances. Pure.

Every rebalance takes all partitions away and gives most of them back. Their ledgers are suspended meanwhile: what is
in flight goes on, and a partition that comes back before anybody else had it goes on where it was, with nothing sent
twice. It does so only if its generation is the next one (or the same, confirmed) and what the broker holds is what this
ledger sent; in every other case the ledger is retired, and the partition starts from what is committed.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from relay.pipeline.covered import UNTOLD, Covered
from relay.pipeline.ledger import Commit, Ledger
from relay.pipeline.phase import Phase
from relay.pipeline.settled import Settled

Partition = tuple[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Where a partition stands by the broker's word."""

    held: Commit  # what is committed; offset -1: nothing is
    start: int  # where reading begins
    settled: Settled | None = None  # the map, if there is no doubt about it


class Holdings:
    """Ledgers by partition, and those whose fate is open."""

    def __init__(self, *, told: bool = False) -> None:
        """
        Args:
            told: Whether their ledgers keep what is to be told of them: `relay.progress`.
        """
        self._told = told
        self.ledgers: dict[Partition, Ledger] = {}
        self.suspended: dict[Partition, Ledger] = {}
        self._closing = False

    @property
    def active(self) -> bool:
        """Whether attempts are under way that a drain waits for."""
        return any(ledger.active for ledger in self.ledgers.values())

    def loading(self) -> Mapping[Partition, Ledger]:
        """Those whose place in the log is not known yet."""
        return {at: ledger for at, ledger in self.ledgers.items() if ledger.phase is Phase.LOADING}

    def assigned(self, partitions: Iterable[Partition], generation: int) -> list[Ledger]:
        """
        These are ours now.

        Returns:
            The ledgers that are retired by that: their partitions went elsewhere, or may have been elsewhere.
        """
        self.ledgers = {at: self._made(at, generation) for at in partitions}
        if self._closing:
            for ledger in self.ledgers.values():
                ledger.close()
        kept, self.suspended = self.suspended, {}
        for at, old in kept.items():
            if at in self.ledgers and generation in (old.generation, old.generation + 1):
                self.suspended[at] = old
        return _retired(old for at, old in kept.items() if at not in self.suspended)

    def drain(self, generation: int) -> bool:
        """
        The group is about to rebalance: nothing new is started.

        Returns:
            Whether they are still ours to commit: False after a session that ended unnoticed, for others may be ahead.
        """
        current = all(ledger.generation == generation for ledger in self.ledgers.values())
        if current:
            for ledger in self.ledgers.values():
                ledger.drain()
        return current

    def doubt(self) -> bool:
        """The process was frozen: nothing new is started until the group confirms us. Whether there is anything."""
        doubted = [ledger.doubt() for ledger in self.ledgers.values()]
        return any(doubted)

    def trust(self, generation: int) -> Mapping[Partition, Ledger]:
        """The group has confirmed us: these go on where they were. What was fetched meanwhile has not been taken."""
        held = {at: ledger for at, ledger in self.ledgers.items() if ledger.generation == generation}
        return {at: ledger for at, ledger in held.items() if ledger.reopen()}

    def revoked(self, *, current: bool) -> list[Ledger]:
        """
        They are no longer ours, until some of them are again.

        Args:
            current: What `drain` said.

        Returns:
            The ledgers that are retired by that.
        """
        waiting, self.suspended = self.suspended, {}
        held, self.ledgers = self.ledgers, {}
        for at, ledger in held.items():
            if at in waiting:  # it came back, and before we knew where it stood the group rebalances again
                waiting[at].generation = ledger.generation
                ledger.retire()
                ledger = waiting[at]  # noqa: PLW2901  it stands for the partition
            elif current:
                ledger.suspend()
            if current and ledger.undecided:
                self.suspended[at] = ledger
        return _retired(ledger for at, ledger in (*held.items(), *waiting.items()) if at not in self.suspended)

    def begin(self, at: Partition, found: Found) -> tuple[Ledger, list[Ledger]]:
        """
        The partition is read on.

        Returns:
            Its ledger from now on, the suspended one if that may go on; and what is retired by that.
        """
        old, ledger = self.suspended.pop(at, None), self.ledgers[at]
        if old is not None and old.recognises(found.held):
            old.resume(ledger.generation)
            self.ledgers[at] = old
            return old, []
        ledger.begin(found.start, found.held, found.settled)
        return ledger, _retired([old] if old is not None else [])

    def start_over(self, at: Partition) -> list[Ledger]:
        """Its place in the log is gone: it is loaded again, unless the worker is going down."""
        old = self.ledgers.get(at)
        if old is None or self._closing:
            return []
        self.ledgers[at] = self._made(at, old.generation)
        return _retired([old])

    def _made(self, at: Partition, generation: int) -> Ledger:
        return Ledger(*at, generation=generation, covered=Covered() if self._told else UNTOLD)

    def close(self) -> list[Ledger]:
        """The worker is going down, and takes nothing on any more; what waits for its fate has it."""
        self._closing = True
        doubted = [ledger for ledger in self.ledgers.values() if ledger.phase is Phase.DOUBTED]
        for ledger in self.ledgers.values():
            ledger.close()
        held = self.ledgers.items()  # but what was being loaded, which an answer on its way would begin
        self.ledgers = {at: ledger for at, ledger in held if not ledger.retired}
        gone, self.suspended = self.suspended, {}
        return _retired([*gone.values(), *doubted])


def _retired(ledgers: Iterable[Ledger]) -> list[Ledger]:
    gone = list(ledgers)
    for ledger in gone:
        ledger.retire()
    return gone
