"""
Delivery topics: retries, deferrals, redeliveries, replays and test sends, each goes into its lane when it is due.

Nothing waits in memory but what is due within seconds (`delays`); what is not is put back, and its partition paused.
"""

import asyncio

from relay.errors import Malformed
from relay.model import Dropped, Reason, Record
from relay.pipeline.consume import Intake
from relay.pipeline.decode import read_delivery
from relay.pipeline.delays import Delays
from relay.pipeline.dispatch import Dispatch, Turns, Work
from relay.pipeline.events import BATCH_RECORDS, POLL_MS
from relay.pipeline.fan import Fan, size_in_memory
from relay.pipeline.faults import Faults
from relay.pipeline.holdings import Partition
from relay.pipeline.ledger import Ledger
from relay.pipeline.schedule import due_ms, jitter_ms
from relay.pipeline.seen import Seen


class Deliveries:
    """The intake of the delivery topics."""

    def __init__(
        self, intake: Intake, dispatch: Dispatch, faults: Faults, *, max_event_bytes: int, held_bytes: int
    ) -> None:
        self._intake = intake
        self._dispatch = dispatch
        self._tools = faults.tools
        self._room = faults.tools.room
        self._faults = faults
        self._max_event_bytes = max_event_bytes
        self._delays: Delays[tuple[Ledger, Record]] = Delays(limit_bytes=held_bytes)
        self._seen = Seen()
        self._turns = Turns()

    @property
    def held(self) -> int:
        """Deliveries held in memory until they are due."""
        return len(self._delays)

    def held_of(self, partition: Partition) -> int:
        """Of this one."""
        return self._delays.count(partition)

    def forgotten(self, ledger: Ledger) -> None:
        """Its partition is no longer ours: what is held of it goes."""
        self._room.give(self._delays.forget((ledger.topic, ledger.partition)))

    async def read(self, stop: asyncio.Event, attempts: asyncio.TaskGroup) -> None:
        """Attempt what falls due until told to stop."""
        while not stop.is_set():
            await self._room.wait()
            now_ms = self._tools.clock.now_ms()
            self._pace(now_ms)
            next_ms = self._delays.next_ms()
            wait_ms = POLL_MS if next_ms is None else min(max(next_ms - now_ms, 1), POLL_MS)
            for ledger, records in await self._intake.fetch(wait_ms, BATCH_RECORDS):
                self._hold(ledger, records)
            while (due := self._delays.ready(self._tools.clock.now_ms())) is not None:
                await self._start(*due, attempts)
                await self._turns.step()

    def _pace(self, now_ms: int) -> None:
        """Partitions that hold enough, or whose head is not due for long, rest; the others are read."""
        for at, ledger in self._intake.ledgers.items():
            if ledger.ready:
                rests = self._delays.rests(at, now_ms) or ledger.crowded(BATCH_RECORDS)
                (self._intake.pause if rests else self._intake.resume)(at)

    def _hold(self, ledger: Ledger, records: list[Record]) -> None:
        delay_s = self._tools.topics.delay_of(ledger.topic)
        for record in records:
            due = due_ms(record.timestamp, delay_s)
            headers = dict(record.headers)
            identity = (headers.get("relay-delivery-id") or b"") + (headers.get("relay-attempt") or b"")  # may be null
            held = self._delays.offer(
                (ledger.topic, ledger.partition),
                (ledger, record),
                due_ms=due,
                ready_ms=due + jitter_ms(identity, delay_s),
                size=size_in_memory(record),
                now_ms=self._tools.clock.now_ms(),
            )
            if not held:
                self._intake.put_back(ledger, record.offset)
                self._intake.pause((ledger.topic, ledger.partition))
                return
            self._room.take(size_in_memory(record))

    async def _start(self, ledger: Ledger, record: Record, attempts: asyncio.TaskGroup) -> None:
        size = size_in_memory(record)
        self._intake.pulse()
        if not ledger.ready and not await self._intake.admits(ledger):
            self._room.give(size)
            return
        ready_ms, give, closed = self._tools.clock.now_ms(), self._room.give, self._intake.closed
        fan = Fan(ledger, record.offset, size=size, read_ms=ready_ms, give=give, closed=closed)
        try:
            delivery = read_delivery(record, max_bytes=self._max_event_bytes)
        except Malformed as malformed:
            self._faults.malformed(record, malformed, fan)
            return
        self._faults.read()
        part = fan.part(delivery.subscription_id)
        fan.over()
        if self._seen.again(delivery, (record.topic, record.partition, record.offset)):
            self._faults.decline(delivery, Dropped(Reason.SUPERSEDED), part)
            return
        await self._dispatch.offer(Work(delivery, part, self._intake), first=False, attempts=attempts)
