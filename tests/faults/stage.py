"""A cluster, topics, subscriptions, a receiver, a load and workers, put together; and what came of them."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from aiokafka.errors import KafkaError
from confluent_kafka import KafkaException
from confluent_kafka.cimpl import NewTopic

from relay.completeness.reading import reconcile
from relay.completeness.values import Report
from relay.config import Config
from tests.faults.cluster import Cluster, Tool
from tests.faults.fleet import Fleet
from tests.faults.history import History, Subscriber, Window, Written
from tests.faults.load import Load
from tests.faults.observe import Observer, copy_of, event_of, letter_of, read_all, result_of
from tests.faults.receiver import Receiver

PARTITIONS = 4
MOST_BYTES = str(4 << 20)  # of a record: the platform may write what relay will not take
SUBSCRIBERS = (
    Subscriber("deaf"),
    Subscriber("flaky", "*", ("lead.updated", "lead.completed")),
    Subscriber("ok"),
    Subscriber("own", "acct-1"),
    Subscriber("slow", "acct-2"),
)
LOOK_S = 0.5
PROVED = ("events", "matches", "delivered", "pending", "gave_up", "dropped", "missed", "surplus")


@dataclass(kw_only=True)
class Stage:
    """What a run is made of; `windows` is filled by whoever does the faults."""

    cluster: Cluster | None  # None: a broker that others use too, and that stays as it is
    bootstrap: str
    prefix: str
    subscribers: tuple[Subscriber, ...]
    topics: dict[str, int]  # events topics and their shares of the load
    fleet: Fleet
    receiver: Receiver
    load: Load
    observer: Observer
    tool: Tool
    windows: list[Window] = field(default_factory=list)

    @property
    def groups(self) -> tuple[str, str]:
        return (self.fleet.group, f"{self.prefix}.deliveries")

    async def settled(self, seconds: float) -> dict[str, int]:
        """Wait until nothing is left to do, for so long at most; the lag of both groups then."""
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        lag = dict.fromkeys(self.groups, -1)  # the cluster never said
        while any(lag.values()) and loop.time() < until:
            await asyncio.sleep(LOOK_S)
            with contextlib.suppress(KafkaError, KafkaException, OSError, TimeoutError):
                lag = await self.lag()
        return lag

    async def lag(self) -> dict[str, int]:
        events, deliveries = self.groups
        return {
            events: await self.observer.lag(events, self.topics),
            deliveries: await self.observer.lag(deliveries, await self._deliveries()),
        }

    async def _deliveries(self) -> list[str]:
        return [name for name in await self.observer.topics() if name.startswith(f"{self.prefix}.deliveries.")]

    async def events(self) -> tuple[Written, ...]:
        """What the events topics hold."""
        return tuple(event_of(one) for one in await asyncio.to_thread(read_all, self.bootstrap, list(self.topics)))

    async def history(self, lag: dict[str, int]) -> History:
        """Everything that happened, once all has ended."""
        topics = await self._deliveries()
        there = await self.events()
        results, copies, letters = [
            await asyncio.to_thread(read_all, self.bootstrap, names)
            for names in ([f"{self.prefix}.results"], topics, [f"{self.prefix}.dead-letters"])
        ]
        proof = await self._reconciled()
        held = {(one.topic, one.partition, one.offset, one.timestamp_ms) for one in there}
        return History(
            events=there,
            gone=tuple(
                one for one in self.load.acked if (one.topic, one.partition, one.offset, one.timestamp_ms) not in held
            ),
            aborted=tuple(self.load.aborted),
            subscribers=self.subscribers,
            requests=tuple(self.receiver.requests()),
            results=tuple(result_of(one) for one in results),
            copies=tuple(copy_of(one) for one in copies),
            letters=tuple(letter_of(one) for one in letters),
            samples=tuple(self.observer.samples),
            windows=tuple(self.windows),
            lag=lag,
            died=tuple(self.fleet.died),
            proof={name: proof.total(name) for name in PROVED} | {"unknown": proof.unknown},
            missing=tuple(
                f"{gap.count} of {one.topic}/{one.partition}/{gap.offset}"
                for one in proof.ranges
                for gap in one.missing
            ),
        )

    async def _reconciled(self) -> Report:
        """Relay's own judgement, of all that its workers told."""
        return await reconcile(Config.read(self.fleet.env), since_ms=0)


@asynccontextmanager
async def staged(
    bootstrap: str,
    folder: Path,
    prefix: str,
    *,
    cluster: Cluster | None = None,
    subscribers: tuple[Subscriber, ...] = SUBSCRIBERS,
    per_s: float = 50,
    seed: int = 0,
    static: bool = False,
    configs: Mapping[str, str] | None = None,
    settings: Mapping[str, str] | None = None,
) -> AsyncIterator[Stage]:
    """Topics and subscriptions made; no worker and no load yet, and none left behind."""
    nodes = len(cluster.nodes) if cluster else 1
    topics = {f"{prefix}.events": 4}
    if nodes > 1:
        topics[f"{prefix}.risky"] = 1
    environment = {"RELAY_EVENTS_TOPICS": ",".join(topics), **(settings or {})}
    with Fleet(bootstrap, prefix, folder, static=static, **environment) as fleet:
        async with Receiver() as receiver:
            tool = Tool(bootstrap)
            await tool.create(
                NewTopic(fleet.events, PARTITIONS, nodes, config={"max.message.bytes": MOST_BYTES, **(configs or {})})
            )
            if nodes > 1:
                await tool.create(risky(f"{prefix}.risky", nodes))
            await fleet.prepare()
            for to in subscribers:
                wanted = ",".join(to.events) or "*"
                await fleet.subscribe(to.id, receiver.url(to.id), account=to.account, events=wanted)
            stage = Stage(
                cluster=cluster, bootstrap=bootstrap, prefix=prefix, subscribers=subscribers, topics=topics,
                fleet=fleet, receiver=receiver, load=Load(bootstrap, topics, per_s=per_s, seed=seed), tool=tool,
                observer=Observer(bootstrap, (fleet.group, f"{prefix}.deliveries"), prefix),
            )  # fmt: skip
            try:
                yield stage
            finally:
                await stage.observer.close()


def risky(name: str, nodes: int) -> NewTopic:
    """Two replicas of which one suffices, and any may lead: what an unclean election needs, and nobody should have."""
    return NewTopic(
        name,
        nodes,
        replica_assignment=[[n, (n + 1) % nodes] for n in range(nodes)],
        config={
            "max.message.bytes": MOST_BYTES,
            "min.insync.replicas": "1",
            "unclean.leader.election.enable": "true",
        },
    )
