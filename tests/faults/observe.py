"""What the cluster shows: what groups have committed, sampled while a run lasts, and every record at its end."""

import asyncio
import contextlib
from collections.abc import Iterable, Sequence
from typing import Any

import aiokafka.errors
import orjson
from aiokafka import AIOKafkaConsumer
from confluent_kafka import (
    OFFSET_BEGINNING,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._listoffsets import OffsetSpec

from relay.ending import let_go
from relay.pipeline.ledger import Commit
from relay.pipeline.offsets import committed
from tests.faults.history import Copy, Letter, Partition, Result, Sample, What, Written
from tests.faults.load import written
from tests.faults.receiver import now_s

EVERY_S = 1.0  # between two looks at what is committed
ANSWER_S = 10


class Observer:
    """Looks at the groups, through clients that are made again after every trouble."""

    def __init__(self, bootstrap: str, groups: Sequence[str], prefix: str) -> None:
        self.samples: list[Sample] = []
        self.every_s = EVERY_S
        self._bootstrap = bootstrap
        self._groups = groups
        self._prefix = prefix  # of the topics that are looked at
        self._client = AdminClient({"bootstrap.servers": bootstrap, "socket.timeout.ms": 5_000, "log_level": 0})
        # confluent-kafka 2.16 ends the process when it is asked for the offsets of a group that has none
        self._asks: dict[str, AIOKafkaConsumer] = {}
        self._turns = asyncio.Lock()  # whoever meets trouble closes the clients, under nobody's hands

    async def run(self) -> None:
        """Sample until cancelled; a cluster that does not answer is looked at again."""
        while True:
            with contextlib.suppress(aiokafka.errors.KafkaError, OSError, TimeoutError):
                for group in self._groups:
                    await self.sample(group)
            await asyncio.sleep(self.every_s)

    async def close(self) -> None:
        while self._asks:
            _, asks = self._asks.popitem()
            await let_go(asks.stop())

    async def sample(self, group: str) -> dict[Partition, int]:
        """What it has committed now; never older than its last commit, so that one that went back did so."""
        async with self._turns:
            try:
                async with asyncio.timeout(ANSWER_S):
                    found = await self._committed(group)
            except BaseException:
                await self.close()
                raise
            at = now_s()  # after the answer: what is in it was committed before
        offsets = {partition: one.offset for partition, one in found.items()}
        self.samples += [Sample(at, group, topic, number, offset) for (topic, number), offset in offsets.items()]
        return offsets

    async def _committed(self, group: str) -> dict[Partition, Commit]:
        if group not in self._asks:
            self._asks[group] = AIOKafkaConsumer(
                bootstrap_servers=self._bootstrap, group_id=group, enable_auto_commit=False, request_timeout_ms=5_000
            )
            await self._asks[group].start()  # without a subscription it never joins
        asks = self._asks[group]
        known = await asks._client.fetch_all_metadata()
        ours = [topic for topic in known.topics() if topic.startswith(self._prefix)]
        everything = [(topic, number) for topic in ours for number in known.partitions_for_topic(topic)]
        return await committed(asks._coordinator, everything)

    async def lag(self, group: str, topics: Iterable[str]) -> int:
        """Records (and transaction markers) of these topics above what the group has committed."""
        offsets = await self.sample(group)
        ends = await asyncio.to_thread(self._ends, list(topics))
        return sum(max(0, end - offsets.get(at, 0)) for at, end in ends.items())

    def _ends(self, topics: Sequence[str]) -> dict[Partition, int]:
        known = self._client.list_topics(timeout=ANSWER_S).topics
        latest = OffsetSpec.latest()  # type: ignore[no-untyped-call]
        asked = {TopicPartition(topic, number): latest for topic in topics for number in known[topic].partitions}
        answers = self._client.list_offsets(asked)
        return {(tp.topic, tp.partition): one.result(ANSWER_S).offset for tp, one in answers.items()}

    async def topics(self) -> list[str]:
        return list((await asyncio.to_thread(self._client.list_topics, timeout=ANSWER_S)).topics)


def read_all(bootstrap: str, topics: Sequence[str]) -> list[Message]:
    """Every committed record of these topics, from their beginnings to where they end now. Blocks."""
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap, "group.id": "the-oracle", "enable.auto.commit": False, "log_level": 0,
            "isolation.level": "read_committed", "enable.partition.eof": True, "fetch.message.max.bytes": 8 << 20,
        }
    )  # fmt: skip
    try:
        known = consumer.list_topics(timeout=ANSWER_S).topics
        everything = [TopicPartition(topic, n, OFFSET_BEGINNING) for topic in topics for n in known[topic].partitions]
        consumer.assign(everything)
        open_ends, messages = len(everything), []
        while open_ends:
            for message in consumer.consume(2_000, 1.0):
                error = message.error()
                if error is None:
                    messages.append(message)
                elif error.code() == KafkaError._PARTITION_EOF:
                    open_ends -= 1
                elif not error.retriable():
                    raise KafkaException(error)
        return messages
    finally:
        consumer.close()


def headers_of(message: Message) -> dict[str, str]:
    headers: Any = message.headers() or []  # pairs, though the stub allows for more
    return {name: value.decode() for name, value in headers if value is not None}


def event_of(message: Message) -> Written:
    headers = headers_of(message)
    return written(message, What(headers["what"]), (headers["account"], headers["type"], headers["lead"]))


def result_of(message: Message) -> Result:
    row = orjson.loads(message.value() or b"")
    key = (row["delivery_id"], row["attempt"], row["deferrals"])
    return Result(*key, row["verdict"], row["reason"], _at(message), row["worker"])


def copy_of(message: Message) -> Copy:
    topic, partition, offset = message.topic(), message.partition(), message.offset()
    assert topic is not None
    assert partition is not None
    assert offset is not None
    headers = headers_of(message)
    attempt, deferrals = int(headers["relay-attempt"]), int(headers["relay-deferrals"])
    return Copy(topic, partition, offset, headers["relay-delivery-id"], attempt, deferrals, _at(message))


def letter_of(message: Message) -> Letter:
    return Letter(headers_of(message)["relay-source"], _at(message))


def _at(message: Message) -> float:
    return message.timestamp()[1] / 1000
