"""
Outgoing records -> Kafka, acknowledged. One task, one batch in flight a partition, one future a batch.

aiokafka's per-record `send` wakes every waiter at each drain (aio-libs/aiokafka#528), so batches are built here, with
`create_batch().append()`, from what gathered while the last one was on its way.

A batch that fails is sent again, in order, through a new producer: an idempotent one does not recover from a lost batch
(aio-libs/aiokafka#1017). Its records stay here meanwhile, so no receiver is called again for them.
"""

import asyncio
import zlib
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from relay.clock import Clock
from relay.ending import let_go
from relay.model import Outgoing
from relay.pipeline.room import Room

log = structlog.get_logger()

BATCH_BYTES = 256 * 1024  # some 150 results: few requests, and what one partition may hold up is small
# A broker keeps a write that lacks replicas for so long before it refuses it, and tells nothing meanwhile: half of the
# watchdog's patience, so that a refusal is seen in time; as long as Kafka's own clients wait.
REQUEST_MS = 30_000
REBUILD_PAUSE_S = 1.0  # between two tries to get a working producer


class Ticket(Protocol):
    """What waits for the acknowledgement of its records."""

    @property
    def retired(self) -> bool:
        """Its assignment is over: only its results may still be written."""
        ...

    @property
    def suspended(self) -> bool:
        """Whether its assignment is over is not known yet: everything but its results is held back."""
        ...

    def acknowledged(self, size: int) -> None:
        """One record of it, of so many bytes, is safe on the broker (or may no longer be written)."""
        ...


def retries(producer: AIOKafkaProducer) -> int:
    """
    How often the batches that it still has were sent again, beyond the first time.

    Private, but the only sign (0.14): an idempotent producer tries again for ever what the broker refuses for now, as
    when too few replicas are in sync, and tells nobody.
    """
    accumulator = producer._message_accumulator  # noqa: SLF001
    queued = (batch for batches in accumulator._batches.values() for batch in batches)  # noqa: SLF001
    batches = (*queued, *accumulator._pending_batches)  # noqa: SLF001
    return sum(max(0, batch.retry_count - 1) for batch in batches)  # it counts how often they were sent


class Unwatched:
    """The ticket of a record that no source waits for."""

    retired = suspended = False

    def __init__(self, give: Callable[[int], None]) -> None:
        self._give = give

    def acknowledged(self, size: int) -> None:
        """It no longer takes memory."""
        self._give(size)


def send_unwatched(record: Outgoing, produce: "Produce", room: Room) -> None:
    """The record is queued, and no source waits for it."""
    room.take(size_of(record))
    produce.send(record, Unwatched(room.give))


class Lane:
    """What gathers for one partition while its last batch is on the way."""

    __slots__ = ("marked", "partition", "pending", "sending", "topic")

    def __init__(self, topic: str, partition: int) -> None:
        self.topic = topic
        self.partition = partition
        self.pending: deque[tuple[Outgoing, Ticket]] = deque()
        self.sending: list[tuple[Outgoing, Ticket]] | None = None
        self.marked = False


def by_key(key: bytes | None, partitions: Sequence[int], _: Sequence[int]) -> int:
    """
    The partition of a record with this key, whichever of relay's producers writes it; a `partitioner` of aiokafka's.

    Not its own murmur2, which is Python and takes 10 microseconds a key. CRC32 is librdkafka's `consistent`.
    """
    return partitions[zlib.crc32(key or b"") % len(partitions)]


def size_of(record: Outgoing) -> int:
    """Bytes that a record holds in memory while it waits, headers aside."""
    return len(record.value or b"") + len(record.key or b"")


class Produce:
    """Takes records at any time, without waiting; tells their tickets once they are acknowledged."""

    def __init__(self, connect: Callable[[], Awaitable[AIOKafkaProducer]], *, results: str, clock: Clock) -> None:
        self._connect = connect
        self._results = results
        self._clock = clock
        self._producer: AIOKafkaProducer | None = None
        self._lanes: dict[tuple[str, int], Lane] = {}
        self._marked: deque[Lane] = deque()
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._partitions: dict[str, int] = {}
        self._broken: BaseException | None = None
        self._held: list[tuple[Outgoing, Ticket]] = []  # until it is known whether their assignment goes on
        self.unacknowledged = 0
        self.acknowledged = 0  # records since the start: that they move is seen by it
        self._refused = 0  # batches, and tries to get another producer

    async def open(self, topics: Sequence[str]) -> None:
        """Connected, and the partition counts of these topics known."""
        self._producer = await self._connect()
        for topic in topics:
            self._partitions[topic] = len(await self._producer.partitions_for(topic))

    async def close(self) -> None:
        """Let go of the connection; what is not acknowledged by now is not."""
        producer, self._producer = self._producer, None
        if producer is not None:
            # stop() would wait for what cannot be sent; private, but the only way to tell it not to (0.14)
            producer._message_accumulator.fail_all(KafkaError("the producer is closed"))  # noqa: SLF001
            await let_go(producer.stop())

    def send(self, record: Outgoing, ticket: Ticket) -> None:
        """Queue one record; its ticket hears of it once it is acknowledged."""
        self.unacknowledged += 1
        self._idle.clear()
        if ticket.suspended and record.topic != self._results:
            self._held.append((record, ticket))
        else:
            self._queue(record, ticket)

    def decided(self) -> None:
        """Held back records are looked at again: sent, given up, or held further."""
        held, self._held = self._held, []
        for record, ticket in held:
            if ticket.suspended:
                self._held.append((record, ticket))
            else:
                self._queue(record, ticket)

    def _queue(self, record: Outgoing, ticket: Ticket) -> None:
        partition = self._partition(record)
        lane = self._lanes.get((record.topic, partition))
        if lane is None:
            lane = self._lanes[record.topic, partition] = Lane(record.topic, partition)
        lane.pending.append((record, ticket))
        self._mark(lane)

    @property
    def waiting(self) -> int:
        """Records that are to be sent and are not acknowledged."""
        return self.unacknowledged - len(self._held)

    @property
    def refusals(self) -> int:
        """Changes whenever the broker has refused to take something: batches, tries to get another producer."""
        return self._refused + (retries(self._producer) if self._producer is not None else 0)

    async def flush(self) -> None:
        """Return once everything queued so far and since is acknowledged."""
        await self._idle.wait()

    async def run(self) -> None:
        """Send until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._marked and self._broken is None:
                lane = self._marked.popleft()
                lane.marked = False
                if lane.sending is None and lane.pending:
                    await self._submit(lane)
            if self._broken is not None:
                await self._rebuild()

    async def _submit(self, lane: Lane) -> None:
        assert self._producer is not None
        batch = self._producer.create_batch()
        lane.sending = []
        while lane.pending:
            record, ticket = lane.pending[0]
            if ticket.retired and record.topic != self._results:
                lane.pending.popleft()  # the partition's new owner makes its own; a chain of retries must not fork
                self._acknowledge([(record, ticket)])
                continue
            if ticket.suspended and record.topic != self._results:
                self._held.append(lane.pending.popleft())
                continue
            if batch.append(timestamp=None, key=record.key, value=record.value, headers=list(record.headers)) is None:
                break
            lane.sending.append(lane.pending.popleft())
        if not lane.sending:
            lane.sending = None
            return
        batch.close()
        try:
            future = await self._producer.send_batch(batch, lane.topic, partition=lane.partition)
        except Exception as error:  # noqa: BLE001  a sender that has died raises whatever it died of (a KeyError, 0.14)
            self._failed(lane, error)
            return
        future.add_done_callback(lambda done: self._done(lane, done))

    def _done(self, lane: Lane, future: "asyncio.Future[object]") -> None:
        if future.cancelled():
            return
        error = future.exception()
        if error is not None:
            self._failed(lane, error)
            return
        sent, lane.sending = lane.sending or [], None
        if lane.pending:
            self._mark(lane)
        self._acknowledge(sent)

    def _acknowledge(self, sent: Sequence[tuple[Outgoing, Ticket]]) -> None:
        self.unacknowledged -= len(sent)
        self.acknowledged += len(sent)
        if self.unacknowledged == 0:
            self._idle.set()
        for record, ticket in sent:
            ticket.acknowledged(size_of(record))

    def _failed(self, lane: Lane, error: BaseException) -> None:
        # a sender that died of a fault of its own, and what is failed by `close`, was refused by nobody
        self._refused += isinstance(error, KafkaError) and self._producer is not None
        lane.pending.extendleft(reversed(lane.sending or []))
        lane.sending = None
        self._broken = self._broken or error
        self._mark(lane)
        self._wake.set()

    async def _rebuild(self) -> None:
        log.warning("producer.failed", error=repr(self._broken), unacknowledged=self.unacknowledged)
        await self.close()  # fails what else is on its way, which queues it again
        await self._clock.sleep(REBUILD_PAUSE_S)
        while self._producer is None:
            try:
                self._producer = await self._connect()
            except (KafkaError, OSError) as error:
                self._refused += 1
                log.warning("producer.unreachable", error=repr(error))
                await self._clock.sleep(REBUILD_PAUSE_S)
        self._broken = None
        for lane in self._lanes.values():
            if lane.pending:
                self._mark(lane)
        log.info("producer.replaced", unacknowledged=self.unacknowledged)

    def _mark(self, lane: Lane) -> None:
        if not lane.marked and lane.sending is None:
            lane.marked = True
            self._marked.append(lane)
            self._wake.set()

    def _partition(self, record: Outgoing) -> int:
        """That of the source, so that results are co-partitioned with events; else by the key."""
        count = self._partitions[record.topic]
        if record.partition is not None:
            return record.partition % count
        return by_key(record.key, range(count), ())
