"""Drives relay the way its users do: the command, Kafka topics, HTTP. Real processes, a real broker."""

import asyncio
import base64
import json
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic, RecordsToDelete

ROOT = Path(__file__).parents[2]
KEY = base64.b64encode(bytes(range(32))).decode()
SECRET = "a-secret-of-this-test"
Pair = tuple[bytes | None, bytes | None]
# What a receiver may be sent at once, where lanes are not what is tested: many tests hold hundreds of requests open.
WIDE = {"RELAY_LANE_IN_FLIGHT": "512", "RELAY_LANE_QUEUE": "100000", "RELAY_LANE_WAIT_S": "30"}
NARROW = {"RELAY_LANE_IN_FLIGHT": "8", "RELAY_LANE_QUEUE": "1000", "RELAY_LANE_WAIT_S": "5"}  # the defaults


def an_event(
    lead: str | None = None, *, account: str = "acct-1", action: str = "updated", version: int = 1
) -> dict[str, Any]:
    lead = lead or str(uuid.uuid4())
    return {
        "lead": {"id": lead, "account_id": account, "bot_id": "bot-1", "status": 0, "version": version, "data": {}},
        "meta": {"ip_address": ""},
        "resource": "lead",
        "action": action,
        "resource_id": lead,
        "time_stamp": "2026-11-01T12:00:00.1234567Z",
        "resource_version": version,
    }


def encoded(events: Iterable[dict[str, Any]]) -> list[Pair]:
    return [(event["resource_id"].encode(), json.dumps(event).encode()) for event in events]


class Relay:
    """The `relay` command with one environment, topic prefix and folder; ends what it started."""

    worker_command: tuple[str, ...] = ("relay", "worker")  # a module and its arguments

    def __init__(self, bootstrap: str, prefix: str, folder: Path, **settings: str) -> None:
        self.bootstrap = bootstrap
        self.prefix = prefix
        self.events = f"{prefix}.events"
        self.folder = folder
        self.processes: list[subprocess.Popen[bytes]] = []
        self.env = {name: value for name, value in os.environ.items() if not name.startswith("RELAY_")} | {
            "RELAY_KAFKA_BOOTSTRAP_SERVERS": bootstrap,
            "RELAY_TOPIC_PREFIX": prefix,
            "RELAY_EVENTS_TOPICS": self.events,
            "RELAY_GROUP": f"{prefix}.group",
            "RELAY_START": "earliest",
            "RELAY_ALLOW_HTTP": "true",
            "RELAY_ALLOW_NETWORKS": "127.0.0.0/8",
            "RELAY_SECRET_KEYS": f"k1:{KEY}",
            "RELAY_RETRY_DELAYS": "1s,2s",
            "RELAY_HOLD_DELAYS": "1s,2s",
            **WIDE,
            "RELAY_METRICS_ADDRESS": "127.0.0.1:0",
            "RELAY_LOG_FORMAT": "json",
            **settings,
        }

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in self.processes:
            if process.poll() is None:
                process.kill()
            process.wait()

    @property
    def group(self) -> str:
        return self.env["RELAY_GROUP"]

    def run(self, *arguments: str, stdin: str = "", **settings: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "relay", *arguments],
            input=stdin,
            env=self.env | settings,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    async def do(self, *arguments: str, stdin: str = "", **settings: str) -> str:
        """Run a command that must succeed, without holding up the loop that answers it; its stdout."""
        done = await asyncio.to_thread(self.run, *arguments, stdin=stdin, **settings)
        assert done.returncode == 0, f"relay {' '.join(arguments)}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    async def prepare(self) -> None:
        await self.do("topics", "apply", "--with-events")

    async def subscribe(
        self, ident: str, url: str, *arguments: str, account: str = "acct-1", events: str = "*"
    ) -> None:
        where = ("--account", account, "--name", ident, "--url", url, "--events", events, "--secret-file", "-")
        await self.do("subscriptions", "create", "--id", ident, *where, *arguments, stdin=SECRET)

    def worker(self, *arguments: str, **settings: str) -> subprocess.Popen[bytes]:
        with (self.folder / f"worker-{len(self.processes)}.log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", *self.worker_command, *arguments],
                cwd=ROOT,
                env=self.env | settings,
                stdout=log,
                stderr=log,
            )
        self.processes.append(process)
        return process

    async def end(self, process: subprocess.Popen[bytes], how: signal.Signals = signal.SIGTERM) -> int:
        process.send_signal(how)
        return await asyncio.to_thread(process.wait, 60)

    def logs(self) -> list[dict[str, Any]]:
        lines = [line for path in sorted(self.folder.glob("worker-*.log")) for line in path.read_bytes().splitlines()]
        return [json.loads(line) for line in lines if line.startswith(b"{")]

    def raw_logs(self) -> str:
        return "\n".join(path.read_text() for path in sorted(self.folder.glob("worker-*.log")))

    async def produce(self, pairs: Iterable[Pair], *, topic: str | None = None, partition: int | None = None) -> None:
        producer = AIOKafkaProducer(
            bootstrap_servers=self.bootstrap, enable_idempotence=True, linger_ms=5, max_batch_size=1 << 18,
            max_request_size=8 << 20,
        )  # fmt: skip
        async with producer:
            sent = [
                await producer.send(topic or self.events, key=key, value=value, partition=partition)
                for key, value in pairs
            ]
            await asyncio.gather(*sent)

    async def emit(self, events: Iterable[dict[str, Any]]) -> None:
        await self.produce(encoded(events))

    async def read(self, topic: str) -> list[Any]:
        """Every committed record of a topic up to its present end."""
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self.bootstrap, enable_auto_commit=False, auto_offset_reset="earliest",
            isolation_level="read_committed", max_partition_fetch_bytes=4 << 20,
        )  # fmt: skip
        async with consumer:
            tps = [TopicPartition(topic, number) for number in await partitions_of(self.bootstrap, topic)]
            consumer.assign(tps)
            ends = await consumer.end_offsets(tps)
            records: list[Any] = []
            while any([await consumer.position(tp) < ends[tp] for tp in tps]):
                for batch in (await consumer.getmany(timeout_ms=200)).values():
                    records += batch
            return records

    async def read_count(self, topic: str, least: int) -> bool:
        """Whether it holds as many."""
        return len(await self.read(topic)) >= least

    async def results(self) -> list[dict[str, Any]]:
        return [json.loads(record.value) for record in await self.read(f"{self.prefix}.results")]

    async def committed(self, group: str | None = None) -> dict[TopicPartition, int]:
        admin = AIOKafkaAdminClient(bootstrap_servers=self.bootstrap)
        await admin.start()
        try:
            offsets = await admin.list_consumer_group_offsets(group or self.group)
            return {tp: at.offset for tp, at in offsets.items()}
        finally:
            await admin.close()

    async def lag(self) -> int:
        """Of the events topic, in records; transaction markers count until they are committed over."""
        committed = await self.committed()
        async with AIOKafkaConsumer(bootstrap_servers=self.bootstrap) as consumer:
            tps = [TopicPartition(self.events, n) for n in await partitions_of(self.bootstrap, self.events)]
            ends = await consumer.end_offsets(tps)
        return sum(end - max(0, committed.get(tp, 0)) for tp, end in ends.items())

    async def topics(self) -> list[str]:
        admin = AIOKafkaAdminClient(bootstrap_servers=self.bootstrap)
        await admin.start()
        try:
            names: list[str] = await admin.list_topics()
            return names
        finally:
            await admin.close()

    async def delete_before(self, topic: str, partition: int, offset: int) -> None:
        """As retention does, but now."""
        admin = AIOKafkaAdminClient(bootstrap_servers=self.bootstrap)
        await admin.start()
        try:
            await admin.delete_records({TopicPartition(topic, partition): RecordsToDelete(before_offset=offset)})
        finally:
            await admin.close()

    async def lag_is(self, records: int) -> bool:
        return await self.lag() == records

    def logged(self, event: str, times: int) -> bool:
        return len([line for line in self.logs() if line["event"] == event]) >= times

    async def result_count(self, **fields: object) -> int:
        """How many results have these fields."""
        return sum(fields.items() <= row.items() for row in await self.results())


async def partitions_of(bootstrap: str, topic: str) -> list[int]:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        (described,) = await admin.describe_topics([topic])
        return sorted(one["partition"] for one in described["partitions"])
    finally:
        await admin.close()


async def create_topic(bootstrap: str, name: str, partitions: int, **configs: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        settings = {key.replace("_", "."): value for key, value in configs.items()}
        await admin.create_topics([NewTopic(name, partitions, 1, topic_configs=settings)])
    finally:
        await admin.close()


async def until(holds: Callable[[], object | Awaitable[object]], seconds: float = 30, *, every: float = 0.05) -> float:
    """How long it took until the condition held; fails when it does not in time."""
    loop = asyncio.get_running_loop()
    start = loop.time()
    while True:
        value = holds()
        if asyncio.iscoroutine(value):
            value = await value
        if value:
            return loop.time() - start
        assert loop.time() - start < seconds, f"not within {seconds} s"
        await asyncio.sleep(every)
