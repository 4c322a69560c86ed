"""The records of a run, from its positions to its ends, a batch at a time. Edge (aiokafka)."""

from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any, Self

from aiokafka import TopicPartition
from aiokafka.errors import OffsetOutOfRangeError

from relay.config import Config
from relay.errors import RelayError
from relay.model import Record
from relay.replay.lookup import bounds, reader
from relay.replay.ranges import cut, remaining
from relay.replay.values import Run

FETCH_BYTES = 256 * 1024  # of a partition in one answer: a batch is 200 records, some 240 kB
ANSWER_BYTES = 2 * 1024 * 1024  # of all partitions
WAIT_MS = 200  # for a batch


class Replaced(RelayError):
    """The log is another than the one that the run was started on; the message is for people."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Some records, and the run as it is behind them."""

    records: tuple[Record, ...]
    run: Run


class Scan:
    """A consumer of the partitions of a run, for as long as its `async with`."""

    def __init__(self, config: Config, run: Run, *, committed_only: bool) -> None:
        self._config = config
        self._run = run
        self._committed_only = committed_only
        self._stack = AsyncExitStack()
        self._consumer: Any = None
        self._open: set[TopicPartition] = set()

    async def __aenter__(self) -> Self:
        """
        Raises:
            Unreachable, NotAllowed: The broker does not answer, or refuses us; also from `batch`'s block.
        """
        limits = {"max_partition_fetch_bytes": FETCH_BYTES, "fetch_max_bytes": ANSWER_BYTES}
        opened = reader(self._config, committed_only=self._committed_only, **limits)
        self._consumer = await self._stack.enter_async_context(opened)
        self._seek()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def batch(self, most: int) -> Batch:
        """
        The next records, `most` at most; none where none came for a moment.

        Raises:
            Replaced: The log is another one.
            KafkaError, TimeoutError: The broker is in trouble.
        """
        if not self._open:
            return Batch((), self._run)
        try:
            some = await self._consumer.getmany(*self._open, timeout_ms=WAIT_MS, max_records=most)
        except OffsetOutOfRangeError:
            await self._cut()
            return Batch((), self._run)
        until = self._run.until
        records = [one for tp, batch in some.items() for one in batch if one.offset < until[tp.topic, tp.partition]]
        positions = dict(self._run.positions)
        for tp in list(self._open):
            place = (tp.topic, tp.partition)
            positions[place] = min(await self._consumer.position(tp), until[place])
            if positions[place] >= until[place]:
                self._consumer.pause(tp)
                self._open.remove(tp)
        self._run = replace(self._run, positions=positions)
        return Batch(tuple(records), self._run)

    def _seek(self) -> None:
        left = {TopicPartition(*place): at for place, at in remaining(self._run).items()}
        self._open = set(left)
        if left:
            self._consumer.assign(list(left))
        for tp, at in left.items():
            self._consumer.seek(tp, at)

    async def _cut(self) -> None:
        """Where the log begins behind our position, that is told; where it ends before, it is another log."""
        begins, ends = await bounds(self._consumer, self._open)
        for tp in self._open:
            if self._run.positions[tp.topic, tp.partition] > ends[tp]:
                raise Replaced(f"{tp.topic} was made anew meanwhile")
        self._run = cut(self._run, {(tp.topic, tp.partition): at for tp, at in begins.items()})
        self._seek()
