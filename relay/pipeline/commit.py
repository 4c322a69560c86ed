"""What is settled -> committed: every second, at each rebalance, and at the end. Edge (aiokafka)."""

import asyncio
import os
from collections.abc import Mapping

import structlog
from aiokafka import AIOKafkaConsumer, OffsetAndMetadata, TopicPartition
from aiokafka.errors import IllegalStateError, KafkaError, OffsetMetadataTooLargeError

from relay.pipeline.holdings import Holdings, Partition
from relay.pipeline.ledger import Commit, Ledger
from relay.pipeline.settled import CHARACTERS, NONCE_BYTES

log = structlog.get_logger()

TIMEOUT_S = 5.0  # a commit without an answer is tried again a second later


class Commits:
    """One consumer's commits, one at a time."""

    def __init__(self, consumer: AIOKafkaConsumer, holdings: Holdings) -> None:
        self._consumer = consumer
        self._holdings = holdings
        self._one_at_a_time = asyncio.Lock()
        self._characters = CHARACTERS
        self._confirmed: dict[Partition, tuple[Ledger, int]] = {}  # at which revision
        self.current_at: float | None = None  # when what is settled was last known to be committed
        self.made = 0  # since the start: that they move is seen by it

    @property
    def generation(self) -> int:
        """The group's, as far as we know; -1 when the session is over."""
        generation: int = self._consumer._coordinator.generation  # noqa: SLF001  not shown otherwise
        return generation

    @property
    def behind(self) -> bool:
        """Whether there is something to commit."""
        held = self._holdings.ledgers.items()
        return any(ledger.ready and self._confirmed.get(at) != (ledger, ledger.revision) for at, ledger in held)

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
                log.info("commit.failed", error=repr(error))

    async def _commit(self) -> None:
        generation = self.generation
        told: dict[Partition, tuple[Ledger, int]] = {}
        commits: dict[Partition, Commit] = {}
        for at, ledger in self._holdings.ledgers.items():
            if ledger.ready:  # over transaction markers and gaps too: they must not count as lag
                ledger.advance(self._position(at))
            if ledger.generation != generation or self._confirmed.get(at) == (ledger, ledger.revision):
                continue
            commit = ledger.snapshot(os.urandom(NONCE_BYTES), self._characters)
            if commit is not None:
                ledger.sent(commit)
                told[at], commits[at] = (ledger, ledger.revision), commit
        if commits and not await self._send(generation, commits):
            return
        for at, (ledger, _) in told.items():
            ledger.confirmed(commits[at])
        self.made += 1
        self._confirmed = {at: one for at, one in self._confirmed.items() if at in self._holdings.ledgers} | told
        self.current_at = asyncio.get_running_loop().time()

    async def _send(self, generation: int, commits: Mapping[Partition, Commit]) -> bool:
        """
        Said once, in the name of this generation: the client's own `commit` tries again and again, and would say its
        last word in the name of a later one, or of none, when the session has ended meanwhile.
        """
        coordinator = self._consumer._coordinator  # noqa: SLF001
        offsets = {TopicPartition(*at): OffsetAndMetadata(one.offset, one.metadata) for at, one in commits.items()}
        async with asyncio.timeout(TIMEOUT_S):
            await coordinator.ensure_coordinator_known()
            if self.generation != generation:
                return False
            await coordinator._do_commit_offsets(None, offsets)  # noqa: SLF001
        return True

    def _position(self, at: Partition) -> int:
        """The consumer's; -1 while it has none. Its own `position` would wait for one."""
        assignment = self._consumer._subscription.subscription.assignment  # noqa: SLF001
        state = assignment.state_value(TopicPartition(*at)) if assignment is not None else None
        return state.position if state is not None and state.has_valid_position else -1
