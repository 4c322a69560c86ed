"""
Events: read -> walk -> first attempts, which start in the log's order.

One task walks record after record; a fan-out is walked lazily, a delivery at a time, as places in flight come free.
"""

import asyncio

from relay.errors import Malformed
from relay.model import Delivery, Record
from relay.pipeline.attempt import Bench
from relay.pipeline.consume import Intake
from relay.pipeline.decode import Skipped, read_event
from relay.pipeline.fan import Fan, Part, size_in_memory
from relay.pipeline.faults import Faults
from relay.pipeline.ledger import Ledger
from relay.pipeline.match import first_delivery
from relay.pipeline.order import Key, Order

POLL_MS = 200  # how soon an idle intake sees that it should stop
# Begun in one turn of the loop. Without a bound every place in flight is taken before the first answer is looked at,
# and a backlog holds 512 sockets to a receiver that answers in a millisecond: 130 MB in place of 78, and no more done.
STARTS = 16
BATCH_RECORDS = 500  # taken at once: some 0.7 MB, and few turns of the loop a second


class Events:
    """The intake of the events topics."""

    def __init__(self, intake: Intake, tools: Bench, faults: Faults, *, namespace: str, max_event_bytes: int) -> None:
        self._intake = intake
        self._tools = tools
        self._room = tools.room
        self._faults = faults
        self._namespace = namespace
        self._max_event_bytes = max_event_bytes
        self._started = 0
        self._order: Order[tuple[Delivery, Part]] = Order()

    @property
    def waiting(self) -> int:
        """First attempts that wait behind one of the same lead."""
        return self._order.waiting

    async def read(self, stop: asyncio.Event, attempts: asyncio.TaskGroup) -> None:
        """Walk what comes until told to stop."""
        while not stop.is_set():
            await self._room.wait()
            self._pace()
            for ledger, records in await self._intake.fetch(POLL_MS, BATCH_RECORDS):
                read_ms = self._tools.clock.now_ms()
                for record in records:
                    self._room.take(size_in_memory(record))
                for record in records:
                    await self._take(ledger, record, read_ms, attempts)

    def _pace(self) -> None:
        """A partition whose settled map might not hold what comes next waits for its slowest; the others are read."""
        for at, ledger in self._intake.ledgers.items():
            if ledger.ready:
                (self._intake.pause if ledger.crowded(BATCH_RECORDS) else self._intake.resume)(at)

    async def _take(self, ledger: Ledger, record: Record, read_ms: int, attempts: asyncio.TaskGroup) -> None:
        size = size_in_memory(record)
        self._intake.pulse()
        if not ledger.ready and not await self._intake.admits(ledger):
            self._room.give(size)  # not started: whoever holds the partition next reads it
            return
        give, closed = self._room.give, self._intake.closed
        await self._walk(
            record, Fan(ledger, record.offset, size=size, read_ms=read_ms, give=give, closed=closed), attempts
        )

    async def _walk(self, record: Record, fan: Fan, attempts: asyncio.TaskGroup) -> None:
        try:
            event = read_event(record, max_bytes=self._max_event_bytes)
        except Malformed as malformed:
            self._faults.malformed(record, malformed, fan)
            return
        self._faults.read()
        if isinstance(event, Skipped):
            self._tools.metrics.events.add("skipped")
            fan.over()
            return
        self._tools.metrics.events.add("read")
        for to in self._tools.index.match(event):
            if fan.covers(to.subscription.id):
                continue
            if not fan.ledger.ready and not await self._intake.admits(fan.ledger):
                fan.over(whole=False)
                return
            self._tools.metrics.matches.add()
            delivery = first_delivery(
                event, to, namespace=self._namespace, timestamp_ms=record.timestamp, now_ms=self._tools.clock.now_ms()
            )
            await self._start(delivery, fan.part(delivery.subscription_id), attempts)
        fan.over()

    async def _start(self, delivery: Delivery, part: Part, attempts: asyncio.TaskGroup) -> None:
        key = (delivery.subscription_id, delivery.event.lead_id)
        if self._order.enter(key, (delivery, part)):
            await self._room.enter()
            attempts.create_task(self._chain(key, delivery, part))
            self._started += 1
            if self._started % STARTS == 0:
                await asyncio.sleep(0)  # answers that are there come first
        else:
            await self._room.queue()

    async def _chain(self, key: Key, delivery: Delivery, part: Part) -> None:
        """This attempt, then those of the same lead that came to wait behind it, in one place in flight."""
        try:
            while True:
                ledger = part.fan.ledger
                if ledger.ready or await self._intake.admits(ledger):
                    await self._faults.attempt(delivery, part)
                else:
                    part.abandon()
                following = self._order.next(key)
                if following is None:
                    return
                self._room.unqueue()
                delivery, part = following
        finally:
            self._room.leave()
