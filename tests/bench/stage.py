"""What the benchmarks run on: a broker, topics, subscriptions, events, and the processes round them."""

import asyncio
import os
import signal
import time
import uuid
from asyncio.subprocess import Process
from base64 import b64encode
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import orjson
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from tests.bench.children import ROOT, Broken, child

ACCOUNT = "cd0015d4-63b7-42b7-bd19-fecbe1f781ba"
SECRET = "whsec_" + b64encode(b"a key as long as most are").decode()
PARTITIONS = 4
BATCH_BYTES = 512 * 1024  # half of what a broker takes at once
STOP_S = 40.0  # RELAY_DRAIN_S and what comes behind it
POLL_S = 0.05  # between two looks at the broker


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscriber:
    """A subscription that wants every event of its account."""

    id: str
    account: str
    url: str


def bodies(count: int, *, first: int = 0, account: Callable[[int], str] = lambda _: ACCOUNT) -> Iterator[bytes]:
    """Events of about 1.1 kB in DESIGN.md section 5's shape, each of a lead of its own, as orjson writes them."""
    event = orjson.loads((ROOT / "tests/bench/event.json").read_bytes())
    for number in range(first, first + count):
        event["lead"]["account_id"] = account(number)
        event["resource_id"] = event["lead"]["id"] = lead_id(number)
        yield orjson.dumps(event)


def lead_id(number: int) -> str:
    return str(uuid.UUID(int=number))


class Sink:
    """The receiver's control, from outside."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self.url = url

    async def wait(self, events: int) -> None:
        """So many different events have been received; the caller bounds the time."""
        await self._get(f"wait/{events}")

    async def times(self) -> dict[str, int]:
        """Lead id -> when its event was first received, ns of CLOCK_MONOTONIC."""
        times: dict[str, int] = await self._get("times")
        return times

    async def reset(self) -> None:
        await self._get("reset")

    async def _get(self, path: str) -> dict[str, int]:
        async with self._session.get(self.url + path, timeout=aiohttp.ClientTimeout(total=None)) as response:
            found: dict[str, int] = orjson.loads(await response.read())
            return found


@asynccontextmanager
async def a_sink() -> AsyncIterator[Sink]:
    """A sink in a process of its own."""
    async with child("tests.bench.sink") as process, aiohttp.ClientSession() as session:
        assert process.stdout is not None
        port = int(await process.stdout.readline())
        yield Sink(session, f"http://127.0.0.1:{port}/")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A broker with topics of this benchmark alone."""

    bootstrap: str
    sink: Sink
    prefix: str  # of every name on the broker
    folder: Path  # logs and bodies

    @property
    def topics(self) -> tuple[str, str]:
        """For the backlog, and for what is timed."""
        return f"{self.prefix}-backlog", f"{self.prefix}-timed"

    def environ(self, **settings: str) -> dict[str, str]:
        """What a user would set, and nothing of the surroundings."""
        clean = {name: value for name, value in os.environ.items() if not name.startswith("RELAY_")}
        return clean | {
            "RELAY_KAFKA_BOOTSTRAP_SERVERS": self.bootstrap,
            "RELAY_EVENTS_TOPICS": ",".join(self.topics),
            "RELAY_TOPIC_PREFIX": self.prefix,
            "RELAY_START": "earliest",
            "RELAY_ALLOW_HTTP": "true",
            "RELAY_ALLOW_NETWORKS": "127.0.0.0/8",
            "RELAY_SECRET_KEYS": "bench:" + b64encode(bytes(32)).decode(),
            "RELAY_METRICS_ADDRESS": "127.0.0.1:0",
            **settings,
        }

    async def prepare(self, subscribers: Sequence[Subscriber] | None = None) -> None:
        """Topics and subscriptions are there; unless told otherwise, one subscription that calls the sink."""
        wanted = subscribers or [Subscriber(id="bench", account=ACCOUNT, url=self.sink.url)]
        (self.folder / "secret").write_text(SECRET)
        common = {"name": "bench", "events": ["lead.updated"], "secret_file": "secret"}
        file = self.folder / "subscriptions.json"
        file.write_bytes(orjson.dumps([common | {"id": x.id, "account_id": x.account, "url": x.url} for x in wanted]))
        await self._relay("topics", "apply", "--with-events")
        await self._relay("subscriptions", "apply", "--file", str(file))

    async def _relay(self, *arguments: str) -> None:
        async with child("relay", *arguments, environ=self.environ(), log=self.folder / "commands.log") as process:
            await process.communicate()
            if process.returncode:
                raise Broken(f"exit status {process.returncode}")

    @asynccontextmanager
    async def worker(self, *topics: str, group: str, **settings: str) -> AsyncIterator[Process]:
        """
        `relay worker` on these topics from their beginning; ended by SIGTERM.

        Raises:
            Broken: It did not end with 0.
        """
        environ = self.environ(RELAY_EVENTS_TOPICS=",".join(topics), RELAY_GROUP=group, **settings)
        async with child("relay", "worker", environ=environ, log=self.folder / f"{group}.log") as process:
            yield process
            process.send_signal(signal.SIGTERM)
            async with Broken.after(STOP_S, "did not stop"):
                if await process.wait():
                    raise Broken(f"exit status {process.returncode}")

    async def append(self, topic: str, values: Iterable[bytes]) -> None:
        """The backlog is acknowledged; event after event to the next partition."""
        producer = AIOKafkaProducer(
            bootstrap_servers=self.bootstrap, enable_idempotence=True, max_batch_size=BATCH_BYTES
        )
        async with producer:
            sent = []
            batches = [producer.create_batch() for _ in range(PARTITIONS)]
            for number, value in enumerate(values):
                at = number % PARTITIONS
                if batches[at].append(key=lead_id(number).encode(), value=value, timestamp=None) is None:
                    sent.append(await producer.send_batch(batches[at], topic, partition=at))
                    batches[at] = producer.create_batch()
                    batches[at].append(key=lead_id(number).encode(), value=value, timestamp=None)
            left = [(at, batch) for at, batch in enumerate(batches) if batch.record_count()]
            sent += [await producer.send_batch(batch, topic, partition=at) for at, batch in left]
            await asyncio.gather(*sent)

    async def pace(self, topic: str, values: Iterable[bytes], *, first: int, per_s: float) -> dict[str, int]:
        """Lead id -> when its event was handed to the producer, ns of CLOCK_MONOTONIC; all are acknowledged."""
        appended: dict[str, int] = {}
        sent = []
        async with AIOKafkaProducer(bootstrap_servers=self.bootstrap, enable_idempotence=True) as producer:
            await producer.partitions_for(topic)  # what it must know before the first is nobody's latency
            start = time.monotonic()
            for at, value in enumerate(values):
                lead = lead_id(first + at)
                await asyncio.sleep(start + at / per_s - time.monotonic())
                appended[lead] = time.monotonic_ns()
                sent.append(await producer.send(topic, value, key=lead.encode(), partition=(first + at) % PARTITIONS))
            await asyncio.gather(*sent)
        return appended

    async def committed(self, topic: str, *, group: str) -> None:
        """The group has committed everything on the topic; the caller bounds the time."""
        async with AIOKafkaConsumer(
            bootstrap_servers=self.bootstrap, group_id=group, enable_auto_commit=False
        ) as reader:
            partitions = [TopicPartition(topic, number) for number in range(PARTITIONS)]
            reader.assign(partitions)
            ends = await reader.end_offsets(partitions)
            # the broker sets no asyncio.Event that could be waited for
            while any([(await reader.committed(one) or 0) < ends[one] for one in partitions]):  # noqa: ASYNC110
                await asyncio.sleep(POLL_S)

    async def results(self) -> int:
        """Records on the results topic; nothing there is written in transactions, so offsets have no gaps."""
        async with AIOKafkaConsumer(bootstrap_servers=self.bootstrap) as reader:
            partitions = [TopicPartition(f"{self.prefix}.results", number) for number in range(PARTITIONS)]
            return sum((await reader.end_offsets(partitions)).values())

    async def remove(self) -> None:
        """Its topics are gone from the broker."""
        admin = AIOKafkaAdminClient(bootstrap_servers=self.bootstrap)
        await admin.start()
        try:
            await admin.delete_topics([one for one in await admin.list_topics() if one.startswith(self.prefix)])
        finally:
            await admin.close()
