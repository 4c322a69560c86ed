"""
The results topic, all partitions of it, from where the store stands. Edge (aiokafka).

Without a group: offsets are the store's. A log that was deleted and made anew under our feet is noticed by its first
record, which is looked at whenever something was read.
"""

import time
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Any, Self

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from relay.ending import begin, let_go
from relay.model import Record
from relay.store.history.resuming import mark_of, resume
from relay.store.history.values import Gap, Position

BATCH = 5_000  # records of one transaction: what it costs besides its rows is small then
BATCH_BYTES = 16 * 1024 * 1024  # and of what they hold, with one fetch more
FETCH_BYTES = 4 * 1024 * 1024  # of a partition in one answer: a batch's worth in two or three
ANSWER_BYTES = 16 * 1024 * 1024  # of all partitions
WAIT_MS = 200  # for news: what is shown is that old at least
FIND_S = 10.0  # for one record that is known to be there
METADATA_MS = 10_000  # partitions that somebody added are read from then on


class Tail:
    """A consumer of all partitions; open for as long as its `async with`."""

    def __init__(self, settings: Mapping[str, Any], topic: str, partitions: Iterable[int]) -> None:
        self._topic = topic
        self._assigned = {number: TopicPartition(topic, number) for number in partitions}
        self._first: Any = None
        self._consumer = AIOKafkaConsumer(
            **settings,
            enable_auto_commit=False,
            auto_offset_reset="none",  # a log that was cut or made anew is for `resume` to judge
            fetch_max_bytes=ANSWER_BYTES,
            max_partition_fetch_bytes=FETCH_BYTES,
            fetch_max_wait_ms=WAIT_MS,
            metadata_max_age_ms=METADATA_MS,
        )

    async def __aenter__(self) -> Self:
        """
        Raises:
            KafkaError: The broker cannot be reached.
        """
        await begin(self._consumer)
        self._consumer.assign(list(self._assigned.values()))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await let_go(self._consumer.stop())

    def grown(self) -> bool:
        """Whether the topic has other partitions by now."""
        now = self._consumer.partitions_for_topic(self._topic)
        return now is not None and now != self._assigned.keys()

    async def resume(self, there: Mapping[int, Position]) -> list[tuple[Position, Position, Gap | None]]:
        """
        The next record of each partition is the one behind what the store has, or the first that the log still holds.

        Returns:
            Of each partition: as the store has it, where it goes on, and what is to be told of that.

        Raises:
            KafkaError: The broker is in trouble.
        """
        self._first = await self._look_first()
        begins = await self._consumer.beginning_offsets(list(self._assigned.values()))
        ends = await self._consumer.end_offsets(list(self._assigned.values()))
        found = []
        for number, tp in self._assigned.items():
            at = there.get(number, Position(partition=number))
            record = None
            if at.mark is not None and begins[tp] <= at.mark.offset < ends[tp]:
                record = await self._find(tp, at.mark.offset)
            mark = None if record is None else mark_of(record)
            found.append((at, *resume(at, begin=begins[tp], end=ends[tp], found=mark)))
        for _, on, _ in found:
            self._consumer.seek(self._assigned[on.partition], on.next_offset)
        return found

    async def records(self) -> dict[int, list[Record]]:
        """
        What has come since, by partition; nothing when nothing came for a while.

        Raises:
            OffsetOutOfRangeError: The log does not hold our position any more: `resume`.
            KafkaError: The broker is in trouble.
        """
        batch: dict[int, list[Record]] = {}
        count = size = 0
        wait_ms = WAIT_MS
        while count < BATCH and size < BATCH_BYTES:
            some = await self._consumer.getmany(timeout_ms=wait_ms, max_records=BATCH - count)
            if not some:
                break
            wait_ms = 0  # what is there already is taken along
            for tp, records in some.items():
                batch.setdefault(tp.partition, []).extend(records)
                count += len(records)
                size += sum(len(record.value or b"") for record in records)
        return batch

    async def same(self) -> bool:
        """Whether the log begins as it did: if not it was cut, or is another, and `resume` says which."""
        before, self._first = self._first, await self._look_first()
        return bool(before == self._first)

    async def ends(self) -> dict[int, int]:
        """Of each partition the offset that its next record gets."""
        ends = await self._consumer.end_offsets(list(self._assigned.values()))
        return {tp.partition: offset for tp, offset in ends.items()}

    async def _look_first(self) -> Any:  # noqa: ANN401  an untyped library's
        return await self._consumer.offsets_for_times(dict.fromkeys(self._assigned.values(), 0))

    async def _find(self, tp: TopicPartition, offset: int) -> Record:
        """The record at this offset, or the first behind it."""
        self._consumer.seek(tp, offset)
        until = time.monotonic() + FIND_S
        while time.monotonic() < until:
            some = await self._consumer.getmany(tp, timeout_ms=WAIT_MS, max_records=1)
            if some:
                return next(iter(some.values()))[0]  # type: ignore[no-any-return]
        raise KafkaError(f"the record at {offset} of {tp.topic}/{tp.partition} does not come")
