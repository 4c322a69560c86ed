"""What is settled -> committed: every second, at each rebalance, and at the end. Edge."""

import asyncio
import os

import structlog
from aiokafka.errors import (
    GroupCoordinatorNotAvailableError,
    IllegalStateError,
    KafkaError,
    OffsetMetadataTooLargeError,
)

from relay.pipeline.client import Client
from relay.pipeline.holdings import Holdings, Partition
from relay.pipeline.ledger import Commit, Ledger
from relay.pipeline.progress import SILENCE, Telling
from relay.pipeline.settled import CHARACTERS, NONCE_BYTES

log = structlog.get_logger()

TIMEOUT_S = 5.0  # a commit without an answer is tried again a second later


class Commits:
    """One consumer's commits, one at a time."""

    def __init__(self, consumer: Client, holdings: Holdings, telling: Telling = SILENCE) -> None:
        """
        Args:
            consumer: Whose commits they are.
            holdings: What it holds.
            telling: Told of what is settled before that is committed.
        """
        self._consumer = consumer
        self._holdings = holdings
        self._telling = telling
        self._one_at_a_time = asyncio.Lock()
        self._characters = CHARACTERS
        self._confirmed: dict[Partition, tuple[Ledger, int]] = {}  # at which revision
        self.current_at: float | None = None  # when what is settled was last known to be committed
        self.made = 0  # since the start: that they move is seen by it
        self.refused = 0  # likewise

    @property
    def behind(self) -> bool:
        """Whether there is something to commit."""
        held = self._holdings.ledgers.items()
        return any(ledger.ready and self._confirmed.get(at) != (ledger, ledger.revision) for at, ledger in held)

    def age_s(self) -> float | None:
        """How long ago everything that was settled was known to be committed; None: never yet."""
        return None if self.current_at is None else asyncio.get_running_loop().time() - self.current_at

    async def commit(self) -> None:
        """
        What is settled is committed, partition by partition; the same state not twice.

        Never raises for trouble of the broker's: the next commit says it all again.
        """
        async with self._one_at_a_time:
            try:
                await self._commit()
            except OffsetMetadataTooLargeError:
                self._characters //= 2  # offset.metadata.max.bytes is less there than Kafka's default
                log.warning("commit.map_refused", characters=self._characters)
            except (KafkaError, IllegalStateError, TimeoutError) as error:
                # what a coordinator answers whose own log takes no writes, for too few replicas are in sync
                self.refused += isinstance(error, GroupCoordinatorNotAvailableError)
                log.info("commit.failed", error=repr(error))

    async def _commit(self) -> None:
        generation = self._consumer.generation
        told: dict[Partition, tuple[Ledger, int]] = {}
        commits: dict[Partition, Commit] = {}
        skipped = False
        for at, ledger in self._holdings.ledgers.items():
            if ledger.ready:  # over transaction markers and gaps too: they must not count as lag
                ledger.advance(self._consumer.at(at))
            if self._confirmed.get(at) == (ledger, ledger.revision):
                continue
            if ledger.generation != generation:
                skipped = True
                continue
            commit = ledger.snapshot(os.urandom(NONCE_BYTES), self._characters)
            if commit is not None:
                self._telling.cover(ledger)
                ledger.sent(commit)
                told[at], commits[at] = (ledger, ledger.revision), commit
        if commits:
            await self._telling.told()  # so that whatever is committed can be proved complete
            async with asyncio.timeout(TIMEOUT_S):
                if not await self._consumer.commit_once(generation, commits):
                    return
        for at, (ledger, _) in told.items():
            ledger.confirmed(commits[at])
        self._confirmed = {at: one for at, one in self._confirmed.items() if at in self._holdings.ledgers} | told
        if commits or not skipped:
            self.made += 1
            self.current_at = asyncio.get_running_loop().time()
