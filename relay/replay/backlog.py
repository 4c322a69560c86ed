"""
How much of `.now` workers have not settled. Edge (aiokafka).

By what their group has committed: also what is settled above a committed offset is in there, so that one slow receiver
at the head of a partition does not make all behind it look undelivered.
"""

import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import GroupCoordinatorNotAvailableError

from relay.broker import REQUEST_MS, Broker, kafka_settings
from relay.config import Config
from relay.ending import begin, let_go
from relay.pipeline import settled
from relay.topics import Topics

ANSWER_S = 5.0  # both questions; a broker that lives answers within milliseconds


@dataclass(frozen=True, slots=True)
class Standing:
    """What of a partition is not settled; transaction markers count until they are behind what is committed."""

    open: frozenset[int]
    rest: int  # and all from here on
    end: int  # of the log

    @property
    def count(self) -> int:
        """How many that are."""
        return len(self.open) + self.end - self.rest

    def holds(self, offset: int) -> bool:
        """Whether this one is among them, also where it was written since."""
        return offset in self.open or offset >= self.rest


def standing(offset: int, metadata: str, *, first: int, end: int) -> Standing:
    """
    How a partition stands, by what the group has committed.

    Args:
        offset: Committed; negative: nothing is yet.
        metadata: What came with it.
        first: Where the log begins.
        end: And ends.
    """
    known = settled.decode(metadata, offset) if offset >= first else None
    if known is not None and known.top < end:
        return Standing(frozenset(known.open), known.top + 1, end)
    return Standing(frozenset(), min(end, max(offset, first)), end)


class Backlog:
    """Two connections, for as long as its `async with`."""

    def __init__(self, config: Config) -> None:
        self._config = config
        topics = Topics(config.topic_prefix)
        self._topic, self._group = topics.deliveries(0), topics.deliveries_group
        self._admin = AIOKafkaAdminClient(**kafka_settings(config), request_timeout_ms=REQUEST_MS)
        self._consumer: Any = None
        self._partitions: list[TopicPartition] = []
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        """
        Raises:
            Unreachable, NotAllowed, KafkaError: The broker does not answer, or refuses us.
        """
        async with Broker(self._config) as broker:
            partitions = (await broker.topics()).get(self._topic, 0)
            committed_only = (await broker.capabilities()).transactions
        self._partitions = [TopicPartition(self._topic, number) for number in range(partitions)]
        self._consumer = AIOKafkaConsumer(
            **kafka_settings(self._config),
            isolation_level="read_committed" if committed_only else "read_uncommitted",
        )
        async with AsyncExitStack() as stack:
            stack.push_async_callback(lambda: let_go(self._admin.close()))
            await self._admin.start()
            await begin(self._consumer)
            stack.push_async_callback(lambda: let_go(self._consumer.stop()))
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def look(self) -> Mapping[int, Standing]:
        """
        How each partition stands now.

        Raises:
            KafkaError, TimeoutError: The broker is in trouble.
        """
        async with asyncio.timeout(ANSWER_S):
            committed = await self._committed()
            firsts = await self._consumer.beginning_offsets(self._partitions)
            ends = await self._consumer.end_offsets(self._partitions)
        return {
            tp.partition: standing(*committed.get(tp, (-1, "")), first=firsts[tp], end=ends[tp])
            for tp in self._partitions
        }

    async def _committed(self) -> Mapping[TopicPartition, tuple[int, str]]:
        try:
            offsets = await self._admin.list_consumer_group_offsets(self._group, partitions=self._partitions)
        except GroupCoordinatorNotAvailableError:
            return {}  # no group has ever been here
        return {tp: (one.offset, one.metadata or "") for tp, one in offsets.items()}
