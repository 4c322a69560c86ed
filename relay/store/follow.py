"""
A compacted topic of one partition: from its beginning to its end, and then as it grows. Edge (aiokafka).

Partition 0 only: on a real broker it is the only one, and the embedded broker's other three stay empty.

A log that was deleted and made anew may be as long as the old one by the time that its reader asks for more, and then
no offset is out of range. So its first record is its name: where it stands, and its timestamp. Compaction changes that
too, now and then; then everything is read again for nothing.
"""

import asyncio
from types import TracebackType
from typing import Any, Self

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import OffsetOutOfRangeError

from relay.ending import begin, let_go
from relay.model import Record

PARTITION = 0
TURN = 1_000  # records
FETCH_WAIT_MS = 200  # a change is in force within 2 s; this is what a fetch without news costs of that


class Follower:
    """Reads without a group: every reader has all of it, and commits nothing."""

    def __init__(self, settings: dict[str, Any], topic: str, *, committed_only: bool) -> None:
        self._at = TopicPartition(topic, PARTITION)
        self._first: Any = None  # offset and timestamp of the log's first record; None: it has none
        self._consumer = AIOKafkaConsumer(
            **settings,
            enable_auto_commit=False,
            auto_offset_reset="none",  # a log that was made anew is read anew, and whoever reads it has to know
            isolation_level="read_committed" if committed_only else "read_uncommitted",
            fetch_max_wait_ms=FETCH_WAIT_MS,
            max_poll_records=TURN,  # a turn of the loop is not held up by a million subscriptions
        )

    async def __aenter__(self) -> Self:
        """
        Raises:
            KafkaError: The broker cannot be reached.
        """
        await begin(self._consumer)
        self._consumer.assign([self._at])
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await let_go(self._consumer.stop())

    async def everything(self) -> list[Record]:
        """
        All records up to the present end, oldest first; `more` goes on from there.

        Raises:
            KafkaError: The broker is in trouble.
        """
        self._first = await self._look_first()
        return await self._read(await self.begin(), await self.end())

    async def between(self, begin: int, end: int) -> list[Record]:
        """
        Those from one offset to another that there are, oldest first; `end` is not beyond the log's.

        Raises:
            OffsetOutOfRangeError: The log begins behind that.
            KafkaError: The broker is in trouble.
        """
        return [one for one in await self._read(begin, end) if one.offset < end]

    async def begin(self) -> int:
        """
        Where it begins now.

        Raises:
            KafkaError: The broker is in trouble.
        """
        begin: int = (await self._consumer.beginning_offsets([self._at]))[self._at]
        return begin

    async def end(self) -> int:
        """
        Where it ends now, for these readers.

        Raises:
            KafkaError: The broker is in trouble.
        """
        end: int = (await self._consumer.end_offsets([self._at]))[self._at]
        return end

    async def more(self) -> list[Record]:
        """
        What has come since; empty when nothing came for a while.

        Raises:
            OffsetOutOfRangeError: The log was cut or made anew: read everything again.
            KafkaError: The broker is in trouble; try again.
        """
        first = await self._look_first()
        if first != self._first and await self._consumer.position(self._at):  # 0: nothing of another log was read
            raise OffsetOutOfRangeError("the log has another beginning")
        self._first = first
        return await self._fetch()

    async def _read(self, begin: int, end: int) -> list[Record]:
        """To the end at least; what came along beyond it is there too, and is not read again."""
        self._consumer.seek(self._at, begin)
        records: list[Record] = []
        while await self._consumer.position(self._at) < end:
            records += await self._fetch()
            await asyncio.sleep(0)  # what is buffered is handed out without a turn of the loop (0.14)
        return records

    async def _look_first(self) -> Any:  # noqa: ANN401  an untyped library's
        return (await self._consumer.offsets_for_times({self._at: 0}))[self._at]

    async def _fetch(self) -> list[Record]:
        batches = await self._consumer.getmany(self._at, timeout_ms=1_000)
        return [record for batch in batches.values() for record in batch]
