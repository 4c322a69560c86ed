"""
What the watchdog sees of a worker: each partition, each consumer, its commits, and the producer. Edge.

Whatever may rightly keep something waiting is told here: attempts within their timeout, timers, pauses, a full room.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from relay.pipeline.attempt import Bench
from relay.pipeline.consume import Intake
from relay.pipeline.deliveries import Deliveries
from relay.pipeline.dispatch import Dispatch
from relay.pipeline.holdings import Partition
from relay.pipeline.ledger import Ledger
from relay.pipeline.watch import Sight

LATE_S = 15.0  # an attempt that has not ended so long after its timeout is none that may be waited for


@dataclass(frozen=True, slots=True, kw_only=True)
class Sights:
    """The parts of one worker."""

    tools: Bench
    intakes: tuple[Intake, Intake]
    deliveries: Deliveries
    dispatch: Dispatch

    def groups(self) -> dict[str, list[Partition]]:
        """Each group's partitions that are held; of one that holds none, one that it could."""
        return {intake.group: list(intake.ledgers) or [(intake.topics[0], 0)] for intake in self.intakes}

    def __call__(self, ends: Mapping[Partition, int]) -> dict[str, Sight]:
        """Every part, by name."""
        now_s = self.tools.clock.monotonic()
        ledgers = [part.fan.ledger for part, until_s in self.tools.under_way.items() if now_s < until_s + LATE_S]
        within = {(one.topic, one.partition) for one in ledgers}
        sights = {"producer": self._producer()}
        for intake in self.intakes:
            sights[f"consumer {intake.group}"] = Sight(moved=intake.turns, due=intake.trouble)
            moved, behind = intake.commits
            sights[f"commits {intake.group}"] = Sight(
                moved=moved, due="settled work is not committed" if behind else None
            )
            for at, ledger in intake.ledgers.items():
                if ledger.ready:
                    sights[f"{at[0]}/{at[1]}"] = self._partition(intake, at, ledger, within, ends.get(at))
        return sights

    def refusals(self) -> int:
        """Changes whenever the broker has refused a write; while it does, nothing of ours can move for long."""
        return self.tools.produce.refusals + sum(intake.refused for intake in self.intakes)

    def _readers_wait(self) -> bool:
        """For what is under way: until there is room, or a place."""
        return self.tools.room.full or self.dispatch.holding > 0

    def _producer(self) -> Sight:
        produce = self.tools.produce
        due = "records are not acknowledged" if produce.waiting else None
        return Sight(moved=produce.acknowledged, due=due)

    def _partition(
        self, intake: Intake, at: Partition, ledger: Ledger, within: set[Partition], end: int | None
    ) -> Sight:
        """Without an end it has no leader: nothing can be read of it, which is no fault of ours."""
        due = None
        if end is not None and ledger.position < end and not intake.paused(at):
            due = f"records up to {end} are not read"
        elif ledger.open > self.deliveries.held_of(at):
            due = f"{ledger.open} records are open"
        held = end is None or at in within or (self._readers_wait() and bool(within))
        return Sight(moved=ledger.position + ledger.revision, due=due, held=held)
