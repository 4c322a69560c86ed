"""
Ends the process when it stands still, so that whoever starts it again gets a fresh one. Edge.

The watchdog is a task of the worker, and its guard a thread: a loop that is blocked can say nothing of itself.
"""

import asyncio
import faulthandler
import os
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, Self

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from relay.clock import Clock
from relay.ending import let_go
from relay.errors import RelayError
from relay.pipeline.client import METADATA_MAX_AGE_MS, led
from relay.pipeline.watch import Sight, Watch

log = structlog.get_logger()

LOOK_S = 5.0  # between looks: a dozen of them before anything is called stuck
ASK_S = 5.0  # for the broker's answer
TELL_S = 60.0  # between two lines about the broker's trouble, which may last for hours
BEAT_S = 1.0  # of the loop, and between looks of the guard
CLOSE_S = 30.0  # for taking everything apart, once stuck: what is stuck may hold that up too
EXIT_STATUS = 70  # EX_SOFTWARE of sysexits.h

Partition = tuple[str, int]


class Stuck(RelayError):
    """Something that had work stood still, and the broker was there; the message says what."""

    exit_code = EXIT_STATUS


class Guard:
    """A thread that ends the process when the event loop no longer turns, or when it does not end as it should."""

    def __init__(self, stuck_s: float) -> None:
        self._beat = 0
        self._left_s = self._stuck_s = stuck_s
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="guard", daemon=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join()

    async def beat(self, clock: Clock) -> None:
        """The loop turns, until cancelled; then the worker is being taken apart, and that has its time too."""
        self._thread.start()
        try:
            while True:
                self._beat += 1
                await clock.sleep(BEAT_S)
        finally:
            self.ending()

    def ending(self) -> None:
        """From now on the process has so long to end, whatever turns."""
        if self._stuck_s:
            self._left_s, self._stuck_s = CLOSE_S, 0

    def _watch(self) -> None:
        """Counted in looks of its own: a process that was stopped for a while has missed them too."""
        seen = -1
        while not self._ended.wait(BEAT_S):
            if self._beat != seen and self._stuck_s:
                seen, self._left_s = self._beat, self._stuck_s
            else:
                self._left_s -= BEAT_S
            if self._left_s <= 0:
                log.error("worker.stuck", cause="the event loop does not turn" if self._stuck_s else "it does not end")
                faulthandler.dump_traceback(file=sys.stderr, all_threads=True)
                os._exit(EXIT_STATUS)


class Watchdog:
    """
    Looks at the parts of a worker, and at the broker with connections of its own, one a group.

    The broker answers when those that lead the partitions do, and both groups' coordinators: while one of them is away
    there is trouble, and no standstill of ours. So it is while writes are refused, which no read shows: two of three
    brokers are down, and the third answers. A partition without a leader is in trouble alone.
    """

    def __init__(
        self,
        settings: Mapping[str, Any],
        sights: Callable[[Mapping[Partition, int]], Mapping[str, Sight]],
        groups: Callable[[], Mapping[str, Sequence[Partition]]],
        refusals: Callable[[], int],
        *,
        clock: Clock,
        guard: Guard,
        stuck_s: float,
    ) -> None:
        """
        Args:
            settings: Of the client.
            sights: The worker's parts by name, as they are, given where the partitions end.
            groups: By name, partitions that are held, or any one that could be.
            refusals: Changes whenever the broker has refused a write of the worker's.
            clock: Whose seconds count.
            guard: Told when the worker is to end.
            stuck_s: How long a standstill may last.
        """
        self._settings = settings
        self._sights = sights
        self._groups = groups
        self._refusals = refusals
        self._refused = 0  # when last looked
        self._told_s: float | None = None  # when the broker's trouble was last told
        self._asks: dict[str, AIOKafkaConsumer] = {}
        self._clock = clock
        self._guard = guard
        self._stuck_s = stuck_s
        self._watches: dict[str, Watch] = {}

    async def run(self) -> None:
        """
        Watch until cancelled.

        Raises:
            Stuck: A part that had work stood still.
        """
        try:
            while True:
                await self._clock.sleep(LOOK_S)
                try:
                    async with asyncio.timeout(ASK_S):
                        ends = await self._ends()
                except (KafkaError, OSError, TimeoutError) as error:
                    await self._hang_up()  # a connection that has gone bad must not blind us
                    self._look({}, trouble=repr(error))
                else:
                    self._look(ends, trouble=None)
        finally:
            await self._hang_up()

    async def _hang_up(self) -> None:
        while self._asks:
            _, asks = self._asks.popitem()
            await let_go(asks.stop())

    async def _ends(self) -> dict[Partition, int]:
        """Where each partition that has a leader ends, for `read_committed`; the coordinators have answered too."""
        ends: dict[Partition, int] = {}
        for group, partitions in self._groups().items():
            if group not in self._asks:
                self._asks[group] = AIOKafkaConsumer(
                    **self._settings,
                    group_id=group,
                    enable_auto_commit=False,
                    isolation_level="read_committed",
                    metadata_max_age_ms=METADATA_MAX_AGE_MS,  # a leader that comes back is seen by the next look
                )
                await self._asks[group].start()  # without a subscription it never joins
            found = await self._asks[group].end_offsets(await led(self._asks[group], partitions))
            ends |= {(tp.topic, tp.partition): end for tp, end in found.items()}
            await self._asks[group].committed(TopicPartition(*partitions[0]))
        return ends

    def _look(self, ends: Mapping[Partition, int], *, trouble: str | None) -> None:
        sights, before = self._sights(ends), self._watches
        refused, self._refused = self._refused, self._refusals()
        if trouble is None and refused != self._refused:
            trouble = "it refuses writes"
        if trouble is not None:
            self._tell(trouble)
        self._watches = {name: before.get(name) or Watch(self._stuck_s) for name in sights}
        for name, sight in sights.items():
            cause = self._watches[name].see(sight, answers=trouble is None, now_s=self._clock.monotonic())
            if cause is not None:
                log.error("worker.stuck", part=name, cause=cause)
                self._guard.ending()
                raise Stuck(f"{name}: {cause}")

    def _tell(self, trouble: str) -> None:
        now_s = self._clock.monotonic()
        if self._told_s is None or now_s - self._told_s >= TELL_S:
            self._told_s = now_s
            log.warning("broker.troubled", error=trouble)
