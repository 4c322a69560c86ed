"""What each kind of fault does to a stage, and the windows that it excuses repeats in."""

import asyncio
from collections.abc import Awaitable, Callable

from tests.faults.cluster import Cluster, insist
from tests.faults.history import Excuse, Window
from tests.faults.receiver import now_s
from tests.faults.schedule import Fault, Kind
from tests.faults.stage import Stage
from tests.kafka.driver import until

SESSION_S = 10  # until the group gives up on a worker that is gone
REJOIN_S = 10  # a rebalance with its drain, and a worker's start on a busy machine
EMPTY_S = 180  # until a group has no members, or a partition its leader, with answers that take their time
BACK_S = 400  # records, at most, that another tool moves a partition back by
READ_S = 0.1  # until a stop has come, and what was sent before it has been read; a small part of a commit's interval
STEP_MS = 30_000  # longer than any delay of the run
AHEAD_S = 2.0  # what only the old leader has before it dies


class Hands:
    """Does faults, one after the other."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._fleet = stage.fleet
        self._does: dict[Kind, Callable[[Fault], Awaitable[None]]] = {
            Kind.KILL: self._kill,
            Kind.TERM: self._term,
            Kind.ZOMBIE: self._zombie,
            Kind.JOIN: self._join,
            Kind.LEAVE: self._leave,
            Kind.BROKER_KILL: self._broker,
            Kind.BROKER_STOP: self._broker,
            Kind.OUTAGE: self._outage,
            Kind.UNCLEAN: self._unclean,
            Kind.RECEIVER_DOWN: self._down,
            Kind.RECEIVER_HANG: self._hang,
            Kind.POISON: self._publish,
            Kind.SIZES: self._publish,
            Kind.ABORTS: self._publish,
            Kind.CLOCK: self._publish,
            Kind.STEP: self._step,
            Kind.GROW: self._grow,
            Kind.RESET: self._reset,
        }

    async def do(self, fault: Fault) -> None:
        """It was done, and what it took away is back."""
        await self._does[fault.kind](fault)

    def excused(self, excuse: Excuse, since: float, until_s: float | None = None) -> None:
        self._stage.windows.append(Window(excuse, since, now_s() if until_s is None else until_s))

    async def _kill(self, fault: Fault) -> None:
        since = now_s()
        place = self._fleet.pick(fault.draw)
        await self._fleet.kill(place)
        self.excused(Excuse.CRASH, now_s())
        await asyncio.sleep(fault.lasts_s)
        self._fleet.start(place)
        self.excused(Excuse.REBALANCE, since, now_s() + SESSION_S + REJOIN_S)

    async def _term(self, fault: Fault) -> None:
        since = now_s()
        place = self._fleet.pick(fault.draw)
        await self._fleet.stop(place)
        await asyncio.sleep(fault.lasts_s)
        self._fleet.start(place)
        self.excused(Excuse.REBALANCE, since, now_s() + REJOIN_S)

    async def _zombie(self, fault: Fault) -> None:
        place = self._fleet.pick(fault.draw)
        self._fleet.freeze(place)
        try:
            await asyncio.sleep(READ_S)
            since = now_s()  # the last that it had sent has its time from the receiver, which may read it only now
            await asyncio.sleep(fault.lasts_s)
        finally:
            self._fleet.thaw(place)
        self.excused(Excuse.ZOMBIE, since)
        self.excused(Excuse.REBALANCE, since + SESSION_S - 1, now_s() + REJOIN_S)

    async def _join(self, _: Fault) -> None:
        self._fleet.join()
        self.excused(Excuse.REBALANCE, now_s(), now_s() + 2 * REJOIN_S)

    async def _leave(self, fault: Fault) -> None:
        since = now_s()
        await self._fleet.stop(self._fleet.pick(fault.draw))
        self.excused(Excuse.REBALANCE, since, now_s() + REJOIN_S)

    async def _broker(self, fault: Fault) -> None:
        cluster = self._cluster()
        since, number = now_s(), int(fault.draw * len(cluster.nodes))
        await asyncio.to_thread(cluster.kill if fault.kind is Kind.BROKER_KILL else cluster.stop, number)
        await asyncio.sleep(fault.lasts_s)
        await asyncio.to_thread(cluster.start, [number])
        self._came_back(since)

    async def _outage(self, fault: Fault) -> None:
        cluster = self._cluster()
        since, everyone = now_s(), range(len(cluster.nodes))
        for number in everyone:
            await asyncio.to_thread(cluster.kill, number)
        await asyncio.sleep(fault.lasts_s)
        await asyncio.to_thread(cluster.start, everyone)
        self._came_back(since)

    def _came_back(self, since: float) -> None:
        self.excused(Excuse.BROKER, since)
        self.excused(Excuse.REBALANCE, since, now_s() + SESSION_S + REJOIN_S)

    async def _unclean(self, fault: Fault) -> None:
        """The follower is away while the leader alone takes records; the leader dies; the follower leads."""
        cluster, tool = self._cluster(), self._stage.tool
        topic = f"{self._stage.prefix}.risky"
        since, partition = now_s(), int(fault.draw * len(cluster.nodes))
        leader, replicas = (await tool.leaders(topic))[partition]
        follower = next(number for number in replicas if number != leader)
        await asyncio.to_thread(cluster.kill, follower)
        await asyncio.sleep(AHEAD_S + fault.lasts_s)
        await asyncio.to_thread(cluster.kill, leader)
        await asyncio.to_thread(cluster.start, [follower])

        async def leads() -> bool:
            return (await tool.leaders(topic))[partition][0] == follower

        await until(leads, EMPTY_S)
        await asyncio.to_thread(cluster.start, [leader])
        self._came_back(since)
        self._stage.windows.append(Window(Excuse.CUT, since, now_s() + 2 * REJOIN_S, topic, partition))

    async def _down(self, fault: Fault) -> None:
        self._stage.receiver.down()
        await asyncio.sleep(fault.lasts_s)
        await self._stage.receiver.up()

    async def _hang(self, fault: Fault) -> None:
        self._stage.receiver.hanging = True
        await asyncio.sleep(fault.lasts_s)
        self._stage.receiver.hanging = False

    async def _publish(self, fault: Fault) -> None:
        load = self._stage.load
        match fault.kind:
            case Kind.POISON:
                load.poison()
            case Kind.SIZES:
                load.sizes()
            case Kind.CLOCK:
                load.clock(fault.draw)
            case _:
                await load.transactions()

    async def _step(self, fault: Fault) -> None:
        """Forward or back, and set right again: nothing is excused by it."""
        place = self._fleet.pick(fault.draw)
        self._fleet.step(place, STEP_MS if int(fault.draw * 1000) % 2 else -STEP_MS)
        await asyncio.sleep(fault.lasts_s)
        self._fleet.step(place, 0)

    async def _grow(self, fault: Fault) -> None:
        since = now_s()
        await self._stage.tool.grow(self._fleet.events, 1 + int(fault.draw * 2))
        self.excused(Excuse.REBALANCE, since, now_s() + 2 * REJOIN_S)

    async def _reset(self, fault: Fault) -> None:
        """As `kafka-consumer-groups.sh --reset-offsets` does: only while nobody is in the group."""
        since, group = now_s(), self._fleet.group
        places = sorted(self._fleet.places)
        await self._fleet.stop_all()

        async def empty() -> bool:
            return await self._stage.tool.members(group) == 0

        await until(empty, EMPTY_S)
        committed = await insist(lambda: self._stage.observer.sample(group))
        back = 1 + int(fault.draw * BACK_S)
        moved = {at: max(0, offset - back) for at, offset in committed.items()}
        await insist(lambda: self._stage.tool.move(group, moved))
        for place in places:
            self._fleet.start(place)
        self.excused(Excuse.REBALANCE, since, now_s() + REJOIN_S)
        for at, end in committed.items():
            self._stage.windows.append(Window(Excuse.RESET, since, now_s(), *at, moved[at], end))

    def _cluster(self) -> Cluster:
        assert self._stage.cluster is not None, "this fault needs a cluster of one's own"
        return self._stage.cluster
