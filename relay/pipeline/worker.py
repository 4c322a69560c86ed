"""
How the work of one process starts, goes on side by side, and ends.

Every task has a parent: services live as long as the worker; attempts end with the drain. The order that a delivery
goes in is `attempt.make`; the order that records are taken in, `events` and `deliveries`.
"""

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any

import structlog

from relay.pipeline.attempt import Bench
from relay.pipeline.consume import Intake
from relay.pipeline.deliveries import Deliveries
from relay.pipeline.dispatch import Dispatch
from relay.pipeline.events import Events

log = structlog.get_logger()

FLUSH_S = 5.0  # for the last acknowledgements after the drain


class Worker:
    """One process's share of the work."""

    def __init__(
        self,
        tools: Bench,
        intakes: tuple[Intake, Intake],
        events: Events,
        deliveries: Deliveries,
        dispatch: Dispatch,
        *,
        commit_interval_s: float,
        drain_s: float,
    ) -> None:
        self._tools = tools
        self._intakes = intakes
        self._events = events
        self._deliveries = deliveries
        self._dispatch = dispatch
        self._commit_interval_s = commit_interval_s
        self._drain_s = drain_s

    async def run(self, stop: asyncio.Event, also: Sequence[Coroutine[Any, Any, None]]) -> None:
        """
        Work until told to stop; then drain, flush and commit.

        Args:
            stop: Set when the worker should end.
            also: What else runs for as long, such as following the subscriptions.

        Raises:
            TooManyMalformed: The producer or the topic is wrong; nothing further is committed.
        """
        async with asyncio.TaskGroup() as group:
            work = [*also, self._tools.produce.run()]
            work += [intake.load() for intake in self._intakes]
            work += [self._commit(intake) for intake in self._intakes]
            services = [group.create_task(_endless(one)) for one in work]
            await self._attempt(stop)
            await self._flush()
            for intake in self._intakes:
                await intake.commit()
            for service in services:
                service.cancel()

    async def _attempt(self, stop: asyncio.Event) -> None:
        """Both intakes until told to stop, and then what is in flight, for as long as the drain lasts."""
        try:
            async with asyncio.timeout(None) as deadline, asyncio.TaskGroup() as attempts:
                attempts.create_task(self._events.read(stop, attempts))
                attempts.create_task(self._deliveries.read(stop, attempts))
                attempts.create_task(self._dispatch.run(attempts))
                await stop.wait()
                log.info("worker.stopping", in_flight=self._dispatch.in_flight, drain_s=self._drain_s)
                for intake in self._intakes:
                    intake.stop()
                self._dispatch.stop()
                deadline.reschedule(asyncio.get_running_loop().time() + self._drain_s)
        except TimeoutError:
            log.warning("worker.drain_exceeded", in_flight=self._dispatch.in_flight)

    async def _flush(self) -> None:
        try:
            async with asyncio.timeout(FLUSH_S):
                await self._tools.produce.flush()
        except TimeoutError:
            log.warning("worker.drain_exceeded", unacknowledged=self._tools.produce.unacknowledged)

    async def _commit(self, intake: Intake) -> None:
        while True:
            await self._tools.clock.sleep(self._commit_interval_s)
            await intake.commit()
            intake.watch_partitions()


async def _endless(service: Coroutine[Any, Any, None]) -> None:
    """
    Raises:
        RuntimeError: It has ended, and nobody told it to: the work that it did is missing from now on.
    """
    await service
    raise RuntimeError(f"{service!r} ended by itself")
