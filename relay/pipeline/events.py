"""
Events: read -> walk -> a first attempt into the lane of each subscription that matches.

One task walks record after record; a fan-out is walked lazily, a delivery at a time, as there is room for them.
"""

import asyncio
from collections.abc import Iterator
from itertools import chain

from relay.errors import Malformed
from relay.model import Delivery, Event, Record, SubscriptionId
from relay.pipeline.consume import Intake
from relay.pipeline.decode import Skipped, read_event
from relay.pipeline.dispatch import Dispatch, Turns, Work
from relay.pipeline.fan import Fan, size_in_memory
from relay.pipeline.faults import Faults
from relay.pipeline.ledger import Ledger
from relay.pipeline.match import first_delivery, once_matched

POLL_MS = 200  # how soon an idle intake sees that it should stop
BATCH_RECORDS = 500  # taken at once: some 0.7 MB, and few turns of the loop a second


class Events:
    """The intake of the events topics."""

    def __init__(
        self, intake: Intake, dispatch: Dispatch, faults: Faults, *, namespace: str, max_event_bytes: int
    ) -> None:
        self._intake = intake
        self._dispatch = dispatch
        self._tools = faults.tools
        self._room = faults.tools.room
        self._faults = faults
        self._namespace = namespace
        self._max_event_bytes = max_event_bytes
        self._turns = Turns()

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
                    await self._turns.passed()

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
        written_ms = record.timestamp
        fan = Fan(ledger, record.offset, size=size, read_ms=read_ms, give=give, closed=closed, written_ms=written_ms)
        await self._walk(record, fan, attempts)

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
        for delivery in self._matched(event, record, fan):
            if delivery is None:
                await self._turns.passed()
                continue
            if not fan.ledger.ready and not await self._intake.admits(fan.ledger):
                fan.over(whole=False)
                return
            self._tools.metrics.matches.add()
            work = Work(delivery, fan.part(delivery.subscription_id), self._intake)
            await self._dispatch.offer(work, first=True, attempts=attempts)
            await self._turns.step()
        fan.over()

    def _matched(self, event: Event, record: Record, fan: Fan) -> Iterator[Delivery | None]:
        """
        A delivery at a time: of what matches now, and of what had matched when the record was read before. None for
        each that a filter refused.
        """
        index, clock = self._tools.index, self._tools.clock
        here = (to for to in index.walk(event) if to is None or not fan.covers(to.subscription.id))
        for to in chain(here, (once_matched(id_, index.get(id_), event) for id_ in map(SubscriptionId, fan.missed()))):
            yield (
                None
                if to is None
                else first_delivery(
                    event, to, namespace=self._namespace, timestamp_ms=record.timestamp, now_ms=clock.now_ms()
                )
            )
