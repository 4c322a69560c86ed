"""
A consumer in its group, and what it does not show of itself (aiokafka 0.14). Edge.

Everything that leans on the client's private parts stands here, each with the reason.
"""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from aiokafka import AIOKafkaConsumer, OffsetAndMetadata, TopicPartition
from aiokafka.coordinator.assignors.sticky.sticky_assignor import StickyPartitionAssignor
from aiokafka.errors import BrokerResponseError, KafkaError, for_code, kafka_errors

from relay.ending import let_go
from relay.pipeline.holdings import Partition
from relay.pipeline.ledger import Commit
from relay.pipeline.offsets import committed

HEARTBEAT_MS = 1_000  # how soon a rebalance is noticed; the default of 3 s is added to every one
SESSION_MS = 10_000  # how long a killed worker's partitions stand still
REBALANCE_MARGIN_S = 12  # the group waits for the slowest drain, a commit after it, and a slow broker
POLL_MAX_MS = 24 * 3_600_000  # backpressure may keep us from polling; whether we live is not told by that
METADATA_MAX_AGE_MS = 5_000  # how soon a new partition is seen
BOUNDS_S = 4.0  # for where a log begins and ends; the client asks for 40 s, and for all partitions or none
NO_LEADER = -1
FENCED = 82  # FENCED_INSTANCE_ID: somebody has joined with our group.instance.id since (KIP-345)


class FencedInstanceIdError(BrokerResponseError):  # type: ignore[misc]
    """Unknown to the client, which would take it for the broker's own trouble (-1)."""

    errno = FENCED
    message = "FENCED_INSTANCE_ID"


kafka_errors.setdefault(FENCED, FencedInstanceIdError)


class EventsAssignor(StickyPartitionAssignor):  # type: ignore[misc]
    """Sticky; its state is kept on the class, so each consumer of a process needs a class of its own."""


class DeliveriesAssignor(StickyPartitionAssignor):  # type: ignore[misc]
    """As above, for the delivery topics."""


def died_of(task: "asyncio.Future[object]") -> str:
    """What ended a task that is over."""
    return "cancelled" if task.cancelled() else repr(task.exception())


def fenced(error: KafkaError) -> bool:
    """Whether the group has given our place to another. Of the answer to a join the client keeps only its repr."""
    return bool(error.args == (repr(for_code(FENCED)()),))


async def led(consumer: AIOKafkaConsumer, partitions: Iterable[Partition]) -> list[TopicPartition]:
    """
    Of these, the ones that have a leader, by metadata that is kept fresh from now on.

    `end_offsets` of several partitions answers for none while one of them has no leader.
    """
    there = [TopicPartition(*at) for at in partitions]
    await consumer._client.set_topics({tp.topic for tp in there})
    return [tp for tp in there if _leader(consumer, tp) != NO_LEADER]


def _leader(consumer: AIOKafkaConsumer, at: TopicPartition) -> int:
    """The broker that leads it, by the metadata that is here; NO_LEADER also where that does not know it."""
    leader: int | None = consumer._client.cluster.leader_for_partition(at)
    return NO_LEADER if leader is None else leader


class Client(AIOKafkaConsumer):  # type: ignore[misc]
    """A member of a group that commits by hand."""

    def __init__(
        self,
        settings: Mapping[str, Any],
        *,
        group: str,
        assignor: type[StickyPartitionAssignor],
        fetch: Mapping[str, int],
        drain_s: float,
        instance_id: str | None,
    ) -> None:
        self.group = group
        super().__init__(
            **settings,
            **fetch,
            group_id=group,
            group_instance_id=instance_id,
            enable_auto_commit=False,
            auto_offset_reset="none",
            isolation_level="read_committed",
            partition_assignment_strategy=(assignor,),
            session_timeout_ms=SESSION_MS,
            heartbeat_interval_ms=HEARTBEAT_MS,
            rebalance_timeout_ms=int((drain_s + REBALANCE_MARGIN_S) * 1000),
            max_poll_interval_ms=POLL_MAX_MS,
            metadata_max_age_ms=METADATA_MAX_AGE_MS,
        )

    async def end(self, *, leave: bool) -> None:
        """Disconnected; with `leave` the group hears of it at once, of a static member too, whose `stop` is silent."""
        if leave:
            self._coordinator._group_instance_id = None
        await let_go(self.stop())

    @property
    def generation(self) -> int:
        """The group's, as far as we know; -1 when the session is over."""
        generation: int = self._coordinator.generation
        return generation

    @property
    def trouble(self) -> str | None:
        """A task of its own that is no more, which it tells nobody; None: it is well."""
        if self._fetcher._fetch_task.done():
            return f"the client does not fetch any more ({died_of(self._fetcher._fetch_task)})"
        if self._coordinator._coordination_task.done():
            task = self._coordinator._coordination_task
            return f"the client does not take part in its group any more ({died_of(task)})"
        return None

    def brokers(self) -> list[tuple[str, int]]:
        """Host and port of each broker, by the metadata that is here."""
        return [(one.host, one.port) for one in self._client.cluster.brokers()]

    def at(self, partition: Partition) -> int:
        """The next offset that it would hand out; -1 while it has none, where `position` would wait for one."""
        assignment = self._subscription.subscription.assignment
        state = assignment.state_value(TopicPartition(*partition)) if assignment is not None else None
        return state.position if state is not None and state.has_valid_position else -1

    def count(self, topic: str) -> int:
        """Partitions of a topic, by the metadata that is here."""
        return len(self._client.cluster.partitions_for_topic(topic) or ())

    def by_leader(self, partitions: Iterable[Partition]) -> dict[int, list[Partition]]:
        """
        Partitions by the broker that leads them, by the metadata that is here; those that none leads under NO_LEADER.

        For these the metadata is asked for anew: a question to the client itself would wait for it, and fail for all.
        """
        led: dict[int, list[Partition]] = defaultdict(list)
        for at in partitions:
            led[_leader(self, TopicPartition(*at))].append(at)
        if NO_LEADER in led:
            self._client.force_metadata_update()
        return dict(led)

    async def bounds(self, partitions: Sequence[Partition]) -> dict[Partition, tuple[int, int]]:
        """
        Where their logs begin and end, of those that a broker leads and tells it of in time: asked together, and where
        that fails each by itself, so that one's trouble is its own. Never raises for trouble of the broker's.
        """
        led = [at for leader, some in self.by_leader(partitions).items() if leader != NO_LEADER for at in some]
        known = await self._bounds(led)
        if not known and len(led) > 1:
            for one in await asyncio.gather(*(self._bounds([at]) for at in led)):
                known |= one
        return known

    async def _bounds(self, partitions: Sequence[Partition]) -> dict[Partition, tuple[int, int]]:
        """Of all or of none."""
        asked = [TopicPartition(*at) for at in partitions]
        try:
            async with asyncio.timeout(BOUNDS_S):
                begins, ends = await self.beginning_offsets(asked), await self.end_offsets(asked)
        except (KafkaError, TimeoutError):
            return {}
        return {(tp.topic, tp.partition): (begins[tp], ends[tp]) for tp in asked}

    def rejoin(self) -> None:
        """The group is asked to share out anew."""
        self._coordinator.request_rejoin()

    async def confirmed(self) -> bool:
        """
        Whether the group still has us: a heartbeat is sent, and taken. Refused, the client joins anew by itself.

        Raises:
            KafkaError: The broker is in trouble.
        """
        await self._coordinator.ensure_coordinator_known()
        taken: bool = await self._coordinator._do_heartbeat()
        return taken

    async def committed_with_metadata(self, partitions: Iterable[Partition]) -> dict[Partition, Commit]:
        """
        Offset and metadata in one answer, of those that have any; `committed` drops the metadata.

        Raises:
            KafkaError: The broker is in trouble.
        """
        return await committed(self._coordinator, partitions)

    async def commit_once(self, generation: int, commits: Mapping[Partition, Commit]) -> bool:
        """
        Said once, in the name of this generation; False: it is over, and nothing was said.

        The client's own `commit` tries again and again, and would say its last word in the name of a later generation,
        or of none, when the session has ended meanwhile.

        Raises:
            KafkaError: Not taken, or not known to be.
        """
        offsets = {TopicPartition(*at): OffsetAndMetadata(one.offset, one.metadata) for at, one in commits.items()}
        await self._coordinator.ensure_coordinator_known()
        if self.generation != generation:
            return False
        await self._coordinator._do_commit_offsets(None, offsets)
        return True
