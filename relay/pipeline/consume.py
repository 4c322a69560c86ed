"""
Records of the partitions that this worker holds, each with the ledger of its assignment. Explicit commits.

aiokafka runs rebalances in a task of its own, hands out records while the assigned callback still runs, and sends no
heartbeat until that returns. So the callback pauses, notes down ledgers and returns; `load` reads offsets, seeks and
resumes; records of a partition that is not ready are ignored.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, OffsetAndMetadata, TopicPartition
from aiokafka.coordinator.assignors.sticky.sticky_assignor import StickyPartitionAssignor
from aiokafka.errors import IllegalStateError, KafkaError, NoOffsetForPartitionError, OffsetOutOfRangeError

from relay.metrics import Metrics
from relay.model import Record
from relay.pipeline.ledger import Ledger
from relay.pipeline.start import Lost, start_offset

log = structlog.get_logger()

HEARTBEAT_MS = 1_000  # how soon a rebalance is noticed; the default of 3 s is added to every one
SESSION_MS = 10_000  # how long a killed worker's partitions stand still
REBALANCE_MARGIN_S = 12  # the group waits for the slowest drain, a commit after it, and a slow broker
POLL_MAX_MS = 24 * 3_600_000  # backpressure may keep us from polling; whether we live is not told by that
METADATA_MAX_AGE_MS = 5_000  # how soon a new partition is seen
COMMIT_TIMEOUT_S = 5.0  # a commit without an answer is tried again a second later
EVENTS_FETCH_BYTES = 512 * 1024  # a partition; some 450 events, enough that a fetch costs little an event
DELIVERIES_FETCH_BYTES = 64 * 1024  # a partition; ten delays times many partitions must not fill the memory
DELIVERIES_FETCH_WAIT_MS = 100  # a resumed partition waits for the fetch that is under way without it


class EventsAssignor(StickyPartitionAssignor):  # type: ignore[misc]
    """Sticky; its state is kept on the class, so each consumer of a process needs a class of its own."""


class DeliveriesAssignor(StickyPartitionAssignor):  # type: ignore[misc]
    """As above, for the delivery topics."""


class Intake(ConsumerRebalanceListener):  # type: ignore[misc]
    """One consumer in its group, and the ledgers of what it holds."""

    def __init__(
        self,
        settings: Mapping[str, Any],
        *,
        group: str,
        topics: Sequence[str],
        assignor: type[StickyPartitionAssignor],
        fetch: Mapping[str, int],
        drain_s: float,
        instance_id: str | None = None,
        lost: Callable[[Lost], None],
    ) -> None:
        self._group = group
        self._topics = topics
        self._drain_s = drain_s
        self._lost = lost
        self.forgotten: Callable[[Ledger], None] = lambda _: None  # told of every ledger that is retired
        self._unloaded = asyncio.Event()
        self._drained = asyncio.Event()
        self._paused: set[TopicPartition] = set()
        self._committed: dict[TopicPartition, int] = {}
        self._current_at: float | None = None  # when what is settled was last known to be committed
        self.joined = False  # the group has given us our partitions at least once
        self.ledgers: dict[TopicPartition, Ledger] = {}
        self.consumer = AIOKafkaConsumer(
            **settings,
            **fetch,
            group_id=group,
            group_instance_id=instance_id,
            enable_auto_commit=False,
            auto_offset_reset="none",
            isolation_level="read_committed",
            partition_assignment_strategy=(assignor,),
            session_timeout_ms=SESSION_MS,
            heartbeat_interval_ms=HEARTBEAT_MS,
            rebalance_timeout_ms=int((drain_s + REBALANCE_MARGIN_S) * 1000),
            max_poll_interval_ms=POLL_MAX_MS,
            metadata_max_age_ms=METADATA_MAX_AGE_MS,
        )

    async def open(self) -> None:
        """Connected; the group is joined in the background."""
        self.consumer.subscribe(list(self._topics), listener=self)
        await self.consumer.start()

    async def close(self, *, leave: bool) -> None:
        """Disconnected; with `leave` the group hears of it at once, also from a static member."""
        if leave:
            self.consumer._coordinator._group_instance_id = None  # noqa: SLF001  stop() of a static member leaves nothing
        await self.consumer.stop()

    # -- what the coordinator's task calls

    def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        """Ledgers are noted down and their partitions paused; nothing slow, for no heartbeat runs meanwhile."""
        generation = self._generation()
        self._paused.clear()  # aiokafka's own pauses end with the assignment
        for tp in assigned:
            self.ledgers[tp] = Ledger(tp.topic, tp.partition, generation=generation)
            self.pause(tp)
        self.joined = True
        self._unloaded.set()

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        """What is in flight gets a short while, what is settled is committed, the ledgers are retired."""
        ledgers = [self.ledgers[tp] for tp in revoked if tp in self.ledgers]
        if all(ledger.generation == self._generation() for ledger in ledgers):
            self.stop()
            await self.drain(self._drain_s)
            await self.commit()
        else:  # frozen past the session: others hold these partitions, and may be ahead of us
            log.warning("assignment.expired", partitions=len(ledgers))
        for ledger in ledgers:
            ledger.retire()
            self.forgotten(ledger)
        self.ledgers.clear()
        self._committed.clear()

    def _generation(self) -> int:
        generation: int = self.consumer._coordinator.generation  # noqa: SLF001  not shown otherwise
        return generation

    # -- what the worker calls

    async def load(self) -> None:
        """Make assigned partitions ready as they come, until cancelled."""
        while True:
            await self._unloaded.wait()
            self._unloaded.clear()
            loading = {tp: ledger for tp, ledger in self.ledgers.items() if not ledger.ready}
            try:
                await self._load(loading)
            except (KafkaError, IllegalStateError) as error:  # a rebalance under our feet, or a broker in trouble
                log.info("assignment.reloading", error=repr(error))
                await asyncio.sleep(0.5)
                self._unloaded.set()

    async def _load(self, loading: Mapping[TopicPartition, Ledger]) -> None:
        if not loading:
            return
        committed = await self.consumer._coordinator.fetch_committed_offsets(list(loading))  # noqa: SLF001
        begins = await self.consumer.beginning_offsets(list(loading))
        ends = await self.consumer.end_offsets(list(loading))
        for tp, ledger in loading.items():
            if self.ledgers.get(tp) is not ledger or ledger.retired:
                continue
            at = committed[tp].offset if tp in committed else None
            begin = start_offset(at, begin=begins[tp], end=ends[tp])
            if at is not None and at < begins[tp]:
                self._lost(Lost(tp.topic, tp.partition, at, begins[tp]))
            self.consumer.seek(tp, begin)
            ledger.begin(begin)
            self.resume(tp)
        log.info("assignment.loaded", partitions=len(loading), generation=self._generation())

    async def fetch(self, timeout_ms: int, max_records: int) -> list[tuple[Ledger, list[Record]]]:
        """
        What has arrived, taken into its ledgers in the same step; empty when nothing came in time.

        Never raises for trouble of the broker's: it is logged, and the client goes on trying.
        """
        try:
            batches = await self.consumer.getmany(timeout_ms=timeout_ms, max_records=max_records)
        except NoOffsetForPartitionError:
            return []  # not loaded yet
        except OffsetOutOfRangeError as error:
            for tp in error.args[0]:
                self._start_over(tp)
            return []
        except KafkaError as error:
            log.warning("consumer.troubled", error=repr(error))
            await asyncio.sleep(1)
            return []
        taken = []
        for tp, records in batches.items():
            ledger = self.ledgers.get(tp)
            if ledger is not None and ledger.ready and not ledger.stopping:
                ledger.take(record.offset for record in records)
                taken.append((ledger, records))
        return taken

    def _start_over(self, tp: TopicPartition) -> None:
        """The log no longer holds our position: load the partition again, from what is committed or what is left."""
        old = self.ledgers.get(tp)
        if old is not None:
            log.warning("position.lost", topic=tp.topic, partition=tp.partition)
            old.retire()
            self.forgotten(old)
            self.ledgers[tp] = Ledger(tp.topic, tp.partition, generation=old.generation)
            self.pause(tp)
            self._unloaded.set()

    async def commit(self) -> None:
        """
        What is settled is committed, partition by partition; the same offset not twice.

        Never raises for trouble of the broker's: the next commit says it all again.
        """
        generation, offsets = self._generation(), {}
        for tp, ledger in list(self.ledgers.items()):
            if not ledger.ready or ledger.generation != generation:
                continue
            if not ledger.open and not ledger.draining:
                # read past transaction markers and gaps: they must not count as lag
                ledger.advance(await self.consumer.position(tp))
            commit = ledger.snapshot()
            if commit is not None and self._committed.get(tp) != commit.offset:
                offsets[tp] = OffsetAndMetadata(commit.offset, commit.metadata)
        if not offsets:
            self._current_at = asyncio.get_running_loop().time()
            return
        try:
            async with asyncio.timeout(COMMIT_TIMEOUT_S):
                await self.consumer.commit(offsets)
        except (KafkaError, IllegalStateError, TimeoutError) as error:
            log.info("commit.failed", error=repr(error))
            return
        for tp, at in offsets.items():
            self._committed[tp] = at.offset
        self._current_at = asyncio.get_running_loop().time()

    def show(self, metrics: Metrics) -> None:
        """Set the gauges of the partitions that we hold."""
        for tp, ledger in self.ledgers.items():
            commit, end = ledger.snapshot(), self.consumer.highwater(tp)
            metrics.open.labels(tp.topic, tp.partition).set(ledger.open)
            if commit is not None and end is not None:
                metrics.lag.labels(tp.topic, tp.partition).set(max(0, end - commit.offset))
        if self._current_at is not None:
            age_s = asyncio.get_running_loop().time() - self._current_at
            metrics.commit_age.labels(self._group).set(age_s)

    def closed(self, ledger: Ledger, offset: int, *, settled: bool) -> None:
        """A record's deliveries all have their outcomes, acknowledged; or it is left to whoever reads it next."""
        if settled:
            ledger.settle(offset)
        else:
            ledger.abandon(offset)
        if not ledger.in_flight and not any(one.in_flight for one in self.ledgers.values()):
            self._drained.set()

    async def drain(self, seconds: float) -> bool:
        """Wait for what is in flight; False when it took longer than it was given."""
        self._drained.clear()
        try:
            async with asyncio.timeout(seconds):
                while any(ledger.in_flight for ledger in self.ledgers.values()):
                    await self._drained.wait()
                    self._drained.clear()
        except TimeoutError:
            return False
        return True

    def stop(self) -> None:
        """Nothing more is taken, nothing new is started."""
        for ledger in self.ledgers.values():
            ledger.draining = True

    def put_back(self, ledger: Ledger, offset: int) -> None:
        """Records from this one on are fetched again, once the partition is resumed."""
        tp = TopicPartition(ledger.topic, ledger.partition)
        self.consumer.seek(tp, offset)
        ledger.put_back(offset)

    def pause(self, tp: TopicPartition) -> None:
        if tp not in self._paused:
            self._paused.add(tp)
            self.consumer.pause(tp)

    def resume(self, tp: TopicPartition) -> None:
        if tp in self._paused:
            self._paused.discard(tp)
            self.consumer.resume(tp)
