"""
A Kafka cluster of one node or three, each of which can be killed, stopped, frozen and started again with its data.

Three nodes hold three replicas of which two must be in sync, so that one of them may be lost at any time.
"""

import asyncio
import shutil
import signal
from collections.abc import Awaitable, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import aiokafka
from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError
from confluent_kafka import ElectionType, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewPartitions, NewTopic

from tests.faults.history import Partition
from tests.kafka.driver import until
from tests.kafka.server import Node, free_ports

# Three of them must fit beside the workers, and start often: a compiler that is quick rather than good.
JVM = ("-Xmx512m", "-Xms256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
# What a fault costs in time is Kafka's failure detection; shorter than its defaults, so that a run holds more faults.
SETTINGS = {
    "broker_session_timeout_ms": "3000",
    "broker_heartbeat_interval_ms": "500",
    "replica_lag_time_max_ms": "3000",
    "log_cleaner_backoff_ms": "500",
    "log_retention_check_interval_ms": "1000",
    "leader_imbalance_check_interval_seconds": "30",
}
ANSWER_S = 30
INSIST_S = 120  # on an answer: a cluster that has just come back refuses, or takes its time
T = TypeVar("T")


async def insist(ask: Callable[[], Awaitable[T]]) -> T:
    """The answer, asked for again while the cluster is in trouble."""
    until_s = asyncio.get_running_loop().time() + INSIST_S
    while True:
        try:
            return await ask()
        except (KafkaException, KafkaError, OSError, TimeoutError):
            if asyncio.get_running_loop().time() > until_s:
                raise
            await asyncio.sleep(0.5)


class Cluster:
    """Nodes by number; all end with the `with` block, and their data goes."""

    def __init__(self, folder: Path, nodes: int) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        free = free_ports(2 * nodes)
        ports = list(zip(free[:nodes], free[nodes:], strict=True))
        with ThreadPoolExecutor() as side_by_side:  # formatting one takes as long as a JVM to start
            made = side_by_side.map(lambda n: Node(folder / f"node-{n}", n, ports, JVM, **SETTINGS), range(nodes))
            self.nodes = list(made)
        self.bootstrap = ",".join(node.bootstrap for node in self.nodes)

    def __enter__(self) -> Self:
        try:
            self.start(range(len(self.nodes)))
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """All have ended; their logs stay, their data goes."""
        for node in self.nodes:
            node.end()
            shutil.rmtree(self._folder / f"node-{node.number}" / "data", ignore_errors=True)

    def start(self, numbers: Iterable[int]) -> None:
        """These run and answer, with the data they had."""
        these = [self.nodes[number] for number in numbers]
        for node in these:
            node.start()
        for node in these:
            node.wait()

    def kill(self, number: int) -> None:
        """As when the machine loses its power."""
        self.nodes[number].end(signal.SIGKILL)

    def stop(self, number: int) -> None:
        """As an operator does: leaders move first, where there is anywhere to move to."""
        self.nodes[number].end(signal.SIGTERM)

    def freeze(self, number: int) -> None:
        """It holds its connections and answers nothing."""
        self._signal(number, signal.SIGSTOP)

    def thaw(self, number: int) -> None:
        self._signal(number, signal.SIGCONT)

    def _signal(self, number: int, how: signal.Signals) -> None:
        process = self.nodes[number].process
        assert process is not None
        process.send_signal(how)


class Tool:
    """What another tool does to the cluster: partitions, offsets, topics, elections. Blocking calls, off the loop."""

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap = bootstrap
        self._client = self._connected()

    def _connected(self) -> AdminClient:
        return AdminClient({"bootstrap.servers": self._bootstrap, "log_level": 0, "socket.timeout.ms": 10_000})

    async def leaders(self, topic: str) -> dict[int, tuple[int, list[int]]]:
        """Partition -> its leader (-1: none) and its replicas."""
        metadata = await insist(lambda: asyncio.to_thread(self._client.list_topics, topic, ANSWER_S))
        return {n: (one.leader, list(one.replicas)) for n, one in metadata.topics[topic].partitions.items()}

    async def elect_unclean(self, topic: str, partition: int) -> None:
        """A replica that is not in sync becomes the leader; what it does not have is lost."""
        at = [TopicPartition(topic, partition)]
        await self._done(self._client.elect_leaders(ElectionType.UNCLEAN, at))

    async def members(self, group: str) -> int:
        """How many members a group has."""
        return await insist(lambda: asyncio.to_thread(self._members, group))

    def _members(self, group: str) -> int:
        """By a client of its own: one that has seen its coordinator die may ask that one for ever (2.16)."""
        client = self._connected()
        (described,) = client.describe_consumer_groups([group]).values()
        return len(described.result(ANSWER_S).members)

    async def create(self, topic: NewTopic) -> None:
        (made,) = self._client.create_topics([topic]).values()
        await self._done(made)

    async def delete(self, topic: str) -> None:
        """Gone, as far as the cluster tells."""
        (gone,) = self._client.delete_topics([topic]).values()
        await self._done(gone)
        await until(lambda: topic not in self._client.list_topics(timeout=ANSWER_S).topics)

    async def grow(self, topic: str, by: int) -> int:
        """So many partitions more; how many it has now."""
        count = len(await self.leaders(topic)) + by
        await insist(
            lambda: self._done(next(iter(self._client.create_partitions([NewPartitions(topic, count)]).values())))
        )
        return count

    async def move(self, group: str, offsets: dict[Partition, int]) -> None:
        """The group's offsets, from outside; the broker takes that only while it has no members."""
        consumer = AIOKafkaConsumer(bootstrap_servers=self._bootstrap, group_id=group, enable_auto_commit=False)
        async with consumer:
            to = {aiokafka.TopicPartition(*at): offset for at, offset in offsets.items()}
            consumer.assign(list(to))
            await consumer.commit(to)

    async def _done(self, future: Any) -> Any:  # noqa: ANN401  what the client answers has no types
        return await asyncio.to_thread(future.result, ANSWER_S)
