"""
Records of the partitions that this worker holds, each with the ledger of its assignment.

aiokafka runs rebalances in a task of its own, hands out records while the assigned callback still runs, and sends no
heartbeat until that returns. So the callback pauses, notes down ledgers and returns; `load` reads offsets, seeks and
resumes; records of a partition that is not ready are ignored.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

import structlog
from aiokafka import ConsumerRebalanceListener, TopicPartition
from aiokafka.coordinator.assignors.sticky.sticky_assignor import StickyPartitionAssignor
from aiokafka.errors import IllegalStateError, KafkaError, NoOffsetForPartitionError, OffsetOutOfRangeError

from relay.metrics import Metrics
from relay.model import Record
from relay.pipeline.client import Client, fenced
from relay.pipeline.commit import Commits
from relay.pipeline.covered import Lost
from relay.pipeline.frozen import Freeze
from relay.pipeline.holdings import Holdings, Partition
from relay.pipeline.ledger import Ledger
from relay.pipeline.progress import SILENCE, Telling
from relay.pipeline.rivals import GIVE_WAY_S, Rivals
from relay.pipeline.start import Resumption, peek, resumption

log = structlog.get_logger()

RELOAD_S = 0.5  # between tries to read offsets, while the broker is in trouble or the group rebalances again
TROUBLE_S = 1.0  # between polls while the client reports trouble with the broker


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
        rivals: Rivals,
        lost: Callable[[Lost], None],
        telling: Telling = SILENCE,
    ) -> None:
        self._peek, self.group, self.topics = partial(peek, settings), group, topics
        self._drain_s, self._lost, self._rivals = drain_s, lost, rivals
        self._ask_again = instance_id is not None  # a static member is given what it had, whatever has grown since
        self.forgotten: Callable[[Ledger], None] = lambda _: None  # told of every ledger that is retired
        self.decided: Callable[[], None] = lambda: None  # told whenever what is ours, or its fate, has changed
        self._unloaded, self._quiet, self._fate = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._asked: set[Ledger] = set()  # of what is loading, where it goes on is being asked
        self._paused, self._holdings = set[Partition](), Holdings(told=telling is not SILENCE)
        self._counts: dict[str, int] = {}  # partitions of each topic, when last assigned
        self._rebalancing = self.joined = False  # the group has given us our partitions at least once
        self.turns = 0  # assignments, losses and loads since the start: that it moves is seen by it
        self.consumer = Client(
            settings, group=group, assignor=assignor, fetch=fetch, drain_s=drain_s, instance_id=instance_id
        )
        self._commits = Commits(self.consumer, self._holdings, telling)
        self._freeze = Freeze(self.consumer, self._holdings)

    @property
    def ledgers(self) -> Mapping[Partition, Ledger]:
        """Of the partitions that are ours."""
        return self._holdings.ledgers

    async def open(self) -> None:
        """Connected; the group is joined in the background."""
        self.consumer.subscribe(list(self.topics), listener=self)
        await self.consumer.start()

    async def close(self, *, leave: bool) -> None:
        """Disconnected; with `leave` the group hears of it at once, also from a static member."""
        await self.consumer.end(leave=leave)

    # -- what the coordinator's task calls

    def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        """Ledgers are noted down and their partitions paused; nothing slow, for no heartbeat runs meanwhile."""
        self._paused.clear()  # aiokafka's own pauses end with the assignment
        for one in (self._freeze.assigned, self._rivals.joined):
            one(asyncio.get_running_loop().time())
        retired = self._holdings.assigned([(tp.topic, tp.partition) for tp in assigned], self.consumer.generation)
        for at in self.ledgers:
            self.pause(at)
        self._counts = {topic: self.consumer.count(topic) for topic in self.topics}
        self.joined, self._rebalancing = True, False
        self._unloaded.set()
        self._decide(retired)

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:  # noqa: ARG002  it is always all
        """What is in flight gets a short while, what is settled is committed, the ledgers wait for their fate."""
        self._rebalancing = True
        self._freeze.revoked()
        current = self._holdings.drain(self.consumer.generation)
        if current:
            self.decided()  # what was in doubt is ours to commit
            await self.drain(self._drain_s)
            await self.commit()
        else:  # frozen past the session: others hold these partitions, and may be ahead of us
            log.warning("assignment.expired", partitions=len(self.ledgers))
            if self._rivals.thrown_out(asyncio.get_running_loop().time()):
                self._unloaded.set()
                await asyncio.sleep(GIVE_WAY_S)  # else the client would take the place back before we end
        self._decide(self._holdings.revoked(current=current))

    def _decide(self, retired: Iterable[Ledger] = ()) -> None:
        """Whoever waits for the fate of a ledger looks again."""
        self.turns += 1
        for ledger in retired:
            self.forgotten(ledger)
        self._fate.set()
        self._fate = asyncio.Event()
        self.decided()

    async def load(self) -> None:
        """
        Make assigned partitions ready as they come, until cancelled; one leader's trouble holds up no other's.

        Raises:
            InstanceTaken: Another worker has our place.
        """
        async with asyncio.TaskGroup() as group:
            while True:
                await self._unloaded.wait()
                self._unloaded.clear()
                self._rivals.check()
                if await self._freeze.confirm():
                    self._decide()
                loading = {at: one for at, one in self._holdings.loading().items() if one not in self._asked}
                self._asked.update(loading.values())
                for some in self.consumer.by_leader(loading).values():
                    group.create_task(self._load({at: loading[at] for at in some}))

    async def _load(self, loading: Mapping[Partition, Ledger]) -> None:
        """These are ready, each as soon as it is known where it goes on; what is left is asked for again."""
        done, trouble = [], "no leader, or no answer of it"
        try:
            async for at, one in resumption(self.consumer, self._peek, list(loading), known=self._holdings.suspended):
                if self.ledgers.get(at) is loading[at]:  # else the group has rebalanced meanwhile
                    done.append(self._begin(at, loading[at], one))
        except (KafkaError, IllegalStateError) as error:  # a rebalance under our feet, or a broker in trouble
            trouble = repr(error)
        if done:
            log.info("assignment.loaded", partitions=len(done), resumed=sum(done), generation=self.consumer.generation)
        if left := sum(self._holdings.loading().get(at) is ledger for at, ledger in loading.items()):
            log.info("assignment.reloading", partitions=left, error=trouble)
            await asyncio.sleep(RELOAD_S)
            self._unloaded.set()
        self._asked.difference_update(loading.values())

    def _begin(self, at: Partition, ledger: Ledger, one: Resumption) -> bool:
        """It is read on; whether by the ledger that it had before."""
        now, retired = self._holdings.begin(at, one.found)
        if one.lost and now is ledger:
            self._lost(one.lost)
        self.consumer.seek(TopicPartition(*at), now.position)
        self.resume(at)
        self._decide(retired)
        return now is not ledger

    def pulse(self) -> None:
        """We live."""
        if self._freeze.pulse(asyncio.get_running_loop().time()):
            self._unloaded.set()

    async def admits(self, ledger: Ledger) -> bool:
        """Whether something of it may be started; while its fate is open, that is waited for."""
        while ledger.undecided:
            await self._fate.wait()
        return ledger.ready

    async def fetch(self, timeout_ms: int, max_records: int) -> list[tuple[Ledger, list[Record]]]:
        """
        What has arrived and is to be walked, taken into its ledgers in the same step; empty when nothing came in time.

        Never raises for trouble of the broker's: it is logged, and the client goes on trying.
        """
        try:
            batches = await self.consumer.getmany(timeout_ms=timeout_ms, max_records=max_records)
        except NoOffsetForPartitionError:
            return []  # not loaded yet
        except OffsetOutOfRangeError as error:
            for tp in error.args[0]:
                self._start_over((tp.topic, tp.partition))
            return []
        except KafkaError as error:
            log.warning("consumer.troubled", error=repr(error))
            if fenced(error):
                self._rivals.fenced()
                self._unloaded.set()
            await asyncio.sleep(TROUBLE_S)
            return []
        self.pulse()
        taken = []
        for tp, records in batches.items():
            ledger = self.ledgers.get((tp.topic, tp.partition))
            if ledger is not None and ledger.ready:
                taken.append((ledger, ledger.take(records)))
        return taken

    def _start_over(self, at: Partition) -> None:
        """The log no longer holds our position: load the partition again, from what is committed or what is left."""
        retired = self._holdings.start_over(at)
        if retired:
            log.warning("position.lost", topic=at[0], partition=at[1])
            self.pause(at)
            self._unloaded.set()
            self._decide(retired)

    async def commit(self) -> None:
        """What is settled is committed. Never raises for trouble of the broker's."""
        self.pulse()
        await self._commits.commit()

    @property
    def commits(self) -> tuple[int, bool]:
        """How many there were, and whether there is something to commit."""
        return self._commits.made, self._commits.behind

    @property
    def refused(self) -> int:
        """How many commits the broker refused to write, since the start."""
        return self._commits.refused

    @property
    def trouble(self) -> str | None:
        """What of the client must not last; None: it is well."""
        if self.consumer.trouble:
            return self.consumer.trouble
        if not self.joined or self._rebalancing:
            return "the group has not given us our partitions"
        return "partitions are not loaded" if self._holdings.loading() else None

    def paused(self, at: Partition) -> bool:
        """Whether we left it alone."""
        return at in self._paused

    def watch_partitions(self) -> None:
        """What has grown is asked for (a static member does not notice, 0.14); by one that came back, once anyway."""
        grown = {topic: now for topic, count in self._counts.items() if (now := self.consumer.count(topic)) > count}
        if grown:
            self._counts |= grown
            log.info("partitions.grown", **grown)
        if grown or (self._ask_again and self.joined):
            self._ask_again = False
            self.consumer.rejoin()

    def show(self, metrics: Metrics) -> None:
        """Set the gauges of the partitions that we hold."""
        for at, ledger in self.ledgers.items():
            offset, end = ledger.committable, self.consumer.highwater(TopicPartition(*at))
            metrics.open.labels(*at).set(ledger.open)
            if offset is not None and end is not None:
                metrics.lag.labels(*at).set(max(0, end - offset))
        if (age_s := self._commits.age_s()) is not None:
            metrics.commit_age.labels(self.group).set(age_s)

    def closed(self, ledger: Ledger) -> None:
        """Something of it is over; a drain may be."""
        if not ledger.active:
            self._quiet.set()

    async def drain(self, seconds: float) -> bool:
        """Wait for what is in flight; False when it took longer than it was given."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self._holdings.active:
                    self._quiet.clear()
                    await self._quiet.wait()
        return not self._holdings.active

    def stop(self) -> None:
        """Nothing more is taken, nothing new is started."""
        self._decide(self._holdings.close())

    def put_back(self, ledger: Ledger, offset: int) -> None:
        """Records from this one on are fetched again, once the partition is resumed."""
        self.consumer.seek(TopicPartition(ledger.topic, ledger.partition), offset)
        ledger.put_back(offset)

    def pause(self, at: Partition) -> None:
        if at not in self._paused:
            self._paused.add(at)
            self.consumer.pause(TopicPartition(*at))

    def resume(self, at: Partition) -> None:
        if at in self._paused:
            self._paused.discard(at)
            self.consumer.resume(TopicPartition(*at))
