"""
`relay.progress`, `relay.results` and dead letters over a time range -> a report. Edge (aiokafka).

Where progress ends is looked at before where results end: what is told has its outcomes acknowledged before, so all of
them are read. In memory there are 16 bytes for every delivery and 8 for every event of the range.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from relay.broker import Broker, kafka_settings
from relay.clock import SystemClock
from relay.completeness import counts, outcomes
from relay.completeness.folding import Ledgers, Partition
from relay.completeness.outcomes import Outcome, Outcomes, Unreadable
from relay.completeness.values import Report
from relay.config import Config
from relay.ending import begin, let_go
from relay.errors import TopicProblem, Unreachable
from relay.model import Record
from relay.pipeline.covered import NEVER_MS
from relay.refusals import lost
from relay.topics import Topics

SKEW_MS = 60_000  # between clocks: outcomes are looked for so much further back, and events only from so much later on
SILENT_S = 15.0  # without a record that is known to be there: the broker is gone
POLL_MS = 500
BATCH = 500  # records in one turn of the loop: some 10 ms
FETCH_BYTES = 4 * 1024 * 1024  # of a partition in one answer; results are large
ANSWER_BYTES = 16 * 1024 * 1024  # of all partitions

Tell = Callable[[int, int], None]


async def reconcile(
    config: Config, *, since_ms: int, until_ms: int | None = None, progress: Tell | None = None
) -> Report:
    """
    What workers told of since then, and whether every match has its outcome.

    Args:
        config: Where the topics are.
        since_ms: Events are looked at whose fan-outs were settled, and told of, since then; epoch milliseconds. Their
            outcomes are read from when the first of them may have been written, to the end.
        until_ms: And told of before then; None: up to now.
        progress: Told how many records have been read, and how many are to be; and the same again, from a thread, while
            what was read is compared.

    Raises:
        Unreachable: The broker does not answer.
        NotAllowed: It refuses us.
        TopicProblem: A topic is missing.
    """
    now_ms = SystemClock().now_ms()
    topics = Topics(config.topic_prefix)
    names = (topics.progress, topics.results, topics.dead_letters)
    async with Broker(config) as broker:
        partitions = await broker.topics()
        if missing := [name for name in names if name not in partitions]:
            raise TopicProblem(f"there is no topic {missing[0]}: `relay topics apply` makes it")
        # asked before progress is read: what is committed by now was told of by now
        by_time = (await broker.capabilities()).topic_configs  # the embedded one knows no times
        committed = {} if until_ms is not None else await broker.committed(config.group, config.events_topics)
    try:
        counted = {name: partitions[name] for name in (*names, *config.events_topics) if name in partitions}
        async with Log(kafka_settings(config), counted, progress, by_time=by_time) as log:
            return await _reconciled(log, topics, since_ms, until_ms, now_ms, committed)
    except KafkaError as error:
        raise lost(error, config.kafka_bootstrap_servers) from error


async def _reconciled(  # noqa: PLR0917  the question, and what is known
    log: "Log", topics: Topics, since_ms: int, until_ms: int | None, now_ms: int, committed: Mapping[Partition, int]
) -> Report:
    ledgers, found, unreadable = Ledgers(), dict[Partition, Outcomes](), 0
    held_ms = await log.held_ms(topics.results)
    async for record, _ in log.records([topics.progress], since_ms):
        if until_ms is not None and record.timestamp >= until_ms:
            continue
        told = counts.read(record.value)
        if told is None:
            unreadable += 1
        else:
            ledgers.add(told, held_ms[told.partition % len(held_ms)])
    came = await log.since(committed, since_ms + SKEW_MS)
    for at, offset in committed.items():
        ledgers.committed(at, offset, came.get(at))
    if ledgers.began_ms < NEVER_MS:
        began_ms = max(0, ledgers.began_ms - SKEW_MS)
        async for record, at in log.records([topics.results, topics.dead_letters], began_ms):
            if at.topic == topics.results:
                one = outcomes.read(record.value)
            else:
                one = outcomes.buried(dict(record.headers), record.timestamp)
            if isinstance(one, Outcome):
                found.setdefault((one.topic, one.partition), Outcomes()).add(one)
            unreadable += isinstance(one, Unreadable)
    until_ms = now_ms if until_ms is None else until_ms
    ranges = await asyncio.to_thread(ledgers.ranges, found, log.tell)  # minutes, for the most that there may be
    return Report(since_ms=since_ms, until_ms=until_ms, ranges=ranges, unreadable=unreadable)


class Log:
    """Partitions of some topics, from a time to where they end; open for as long as its `async with`."""

    def __init__(
        self, settings: Mapping[str, Any], partitions: Mapping[str, int], tell: Tell | None, *, by_time: bool
    ) -> None:
        self._by_time = by_time  # the broker finds where a time is; else all is read up to there
        self._partitions = partitions
        self._tell = tell
        self._read = self._due = 0
        self._consumer = AIOKafkaConsumer(
            **settings,
            enable_auto_commit=False,
            auto_offset_reset="earliest",  # retention may take what was just found
            fetch_max_bytes=ANSWER_BYTES,
            max_partition_fetch_bytes=FETCH_BYTES,
        )

    async def __aenter__(self) -> Self:
        await begin(self._consumer)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await let_go(self._consumer.stop())

    def _of(self, topics: Iterable[str]) -> list[TopicPartition]:
        return [TopicPartition(topic, number) for topic in topics for number in range(self._partitions[topic])]

    async def held_ms(self, topic: str) -> list[int]:
        """Of each partition from when on its records are held: 0 where none was ever removed."""
        ats = self._of([topic])
        begins = await self._consumer.beginning_offsets(ats)
        ends = await self._consumer.end_offsets(ats)
        first = await self._consumer.offsets_for_times(dict.fromkeys(ats, 0))
        now_ms = SystemClock().now_ms()
        held = []
        for at in ats:
            there = first[at].timestamp if first.get(at) is not None else now_ms
            held.append(0 if begins[at] == 0 else there if begins[at] < ends[at] else now_ms)
        return held

    async def since(self, partitions: Iterable[Partition], since_ms: int) -> dict[Partition, int]:
        """Of those of these partitions that have records of then or later, where the first of them is."""
        ats = [TopicPartition(*one) for one in partitions] if self._by_time else []
        found = await self._consumer.offsets_for_times(dict.fromkeys(ats, since_ms)) if ats else {}
        return {(at.topic, at.partition): one.offset for at, one in found.items() if one is not None}

    async def records(self, topics: Sequence[str], since_ms: int) -> AsyncIterator[tuple[Record, TopicPartition]]:
        """
        Those written since then, by partition in order, up to where the logs end now.

        Raises:
            KafkaError: The broker is in trouble.
            Unreachable: It does not bring them.
        """
        ats = self._of(topics)
        ends = await self._consumer.end_offsets(ats)
        starts = await self._consumer.beginning_offsets(ats)
        if since_ms and self._by_time:
            found = await self._consumer.offsets_for_times(dict.fromkeys(ats, since_ms))
            starts = {at: max(starts[at], one.offset) if (one := found[at]) else ends[at] for at in ats}
        left = {at for at in ats if starts[at] < ends[at]}
        self._due += sum(ends[at] - starts[at] for at in left)
        self._consumer.assign(list(left))
        for at in left:
            self._consumer.seek(at, starts[at])
        begun = set(left) if self._by_time else set[TopicPartition]()
        async for at, some in self._fetched(left, ends):
            for record in some:
                if record.timestamp >= since_ms:
                    begun.add(at)
                if at in begun and record.offset < ends[at]:
                    yield record, at
            self._read += len(some)
            self.tell()

    def tell(self) -> None:
        """How far it has come, to whoever wants to know."""
        if self._tell is not None:
            self._tell(min(self._read, self._due), self._due)

    async def _fetched(
        self, left: set[TopicPartition], ends: Mapping[TopicPartition, int]
    ) -> AsyncIterator[tuple[TopicPartition, Sequence[Record]]]:
        clock = asyncio.get_running_loop()
        heard_s = clock.time()
        while left:
            fetched = await self._consumer.getmany(*left, timeout_ms=POLL_MS, max_records=BATCH)
            for at, some in fetched.items():
                yield at, some
            done = {at for at in left if await self._consumer.position(at) >= ends[at]}
            if fetched or done:
                heard_s = clock.time()
            elif clock.time() - heard_s > SILENT_S:
                raise Unreachable(f"the broker has not brought the rest of {next(iter(left)).topic}")
            for at in done:
                self._consumer.pause(at)
            left -= done
            await asyncio.sleep(0)  # what is buffered is handed out without a turn of the loop (0.14)
