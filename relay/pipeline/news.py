"""
The notices topic, from its beginning and as it grows: every reader has all of it, and commits nothing. Edge (aiokafka).

Of one subscription, records come in the order in which they were written, for they are of one partition. A log that was
made anew is read from its beginning: its records are facts of their own, with the time of each.
"""

import asyncio
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Self

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from relay.ending import begin, let_go
from relay.errors import Malformed
from relay.pipeline.notice import Word, read

log = structlog.get_logger()

WAIT_MS = 1_000  # a fetch without news; one with news is answered at once (but by the embedded broker)
BATCH = 1_000  # records taken in one turn of the loop
ANSWER_BYTES = 4 * 1024 * 1024  # of all partitions at once
METADATA_MS = 60_000  # partitions that somebody added are read from then on
AGAIN_S = (1.0, 5.0, 30.0)  # after trouble, and ever after the last: a broker that restarts is back by then

Take = Callable[[Word], None]


class News:
    """A consumer of all partitions; open for as long as its `async with`."""

    def __init__(self, settings: Mapping[str, Any], topic: str, partitions: int, *, committed_only: bool) -> None:
        self._topic = topic
        self._assigned = [TopicPartition(topic, number) for number in range(partitions)]
        self._consumer = AIOKafkaConsumer(
            **settings,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level="read_committed" if committed_only else "read_uncommitted",
            fetch_max_bytes=ANSWER_BYTES,
            fetch_max_wait_ms=WAIT_MS,
            max_poll_records=BATCH,
            metadata_max_age_ms=METADATA_MS,
        )

    async def __aenter__(self) -> Self:
        """
        Raises:
            KafkaError: The broker cannot be reached.
        """
        await begin(self._consumer)
        self._consumer.assign(self._assigned)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await let_go(self._consumer.stop())

    async def everything(self, take: Take) -> None:
        """
        All up to the present end is taken; `follow` goes on from there.

        Raises:
            KafkaError: The broker is in trouble.
        """
        begins = await self._consumer.beginning_offsets(self._assigned)
        ends = await self._consumer.end_offsets(self._assigned)
        for at in self._assigned:
            self._consumer.seek(at, begins[at])
        while any([await self._consumer.position(at) < ends[at] for at in self._assigned]):
            await self._more(take)

    async def follow(self, take: Take) -> None:
        """What comes is taken, until cancelled. Never raises for trouble of the broker's."""
        troubles = 0
        while True:
            try:
                self._grow()
                await self._more(take)
                troubles = 0
            except KafkaError as error:
                again_s = AGAIN_S[min(troubles, len(AGAIN_S) - 1)]
                troubles += 1
                log.warning("notices.troubled", error=repr(error), retry_in_s=again_s)
                await asyncio.sleep(again_s)

    async def _more(self, take: Take) -> None:
        batches = await self._consumer.getmany(timeout_ms=1_000)
        wrong: list[str] = []
        for records in batches.values():
            for record in records:
                try:
                    word = read(record.value)
                except Malformed as why:
                    wrong.append(f"{record.partition}/{record.offset}: {why}")
                    continue
                if word is not None:
                    take(word)
        if wrong:
            log.warning("notices.unreadable", topic=self._topic, records=len(wrong), first=wrong[0])
        await asyncio.sleep(0)  # what is fetched already is handed out without a turn of the loop (aiokafka 0.14)

    def _grow(self) -> None:
        """Partitions that were added are read too, from their beginning."""
        there = self._consumer.partitions_for_topic(self._topic) or set()
        added = [TopicPartition(self._topic, number) for number in sorted(there) if number >= len(self._assigned)]
        if added:
            states = self._consumer._subscription.subscription.assignment  # noqa: SLF001  `position` would wait for one
            positions = {at: states.state_value(at) for at in self._assigned}
            self._assigned = [*self._assigned, *added]
            self._consumer.assign(self._assigned)
            for at, state in positions.items():
                if state.has_valid_position:
                    self._consumer.seek(at, state.position)
