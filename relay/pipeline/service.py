"""A worker process: connected, checked, wired together, and taken apart again. The rules are elsewhere."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import orjson
import structlog
from aiohttp import web
from aiokafka import AIOKafkaProducer

from relay import __version__
from relay.broker import Broker, kafka_settings
from relay.clock import Clock, SystemClock
from relay.config import Config
from relay.errors import RelayError, TopicProblem, Unreachable
from relay.metrics import Metrics, application
from relay.model import Outgoing
from relay.pipeline.attempt import Bench
from relay.pipeline.consume import (
    DELIVERIES_FETCH_BYTES,
    DELIVERIES_FETCH_WAIT_MS,
    EVENTS_FETCH_BYTES,
    DeliveriesAssignor,
    EventsAssignor,
    Intake,
)
from relay.pipeline.deliver import SessionDeliver
from relay.pipeline.deliveries import Deliveries
from relay.pipeline.egress import Egress
from relay.pipeline.events import Events
from relay.pipeline.faults import Faults
from relay.pipeline.match import Index
from relay.pipeline.produce import BATCH_BYTES, Produce, size_of
from relay.pipeline.results import rfc3339
from relay.pipeline.room import Room
from relay.pipeline.schedule import Schedule
from relay.pipeline.start import Lost, establish_start
from relay.pipeline.worker import Worker
from relay.store.catalogue import Catalogue
from relay.topics import Topics, check

log = structlog.get_logger()

RETRY_PAUSES_S = (
    1,
    2,
    5,
    10,
)  # between tries to reach a broker: soon at first, and never a burden on one that comes back
FETCH_SHARE = 8  # of the byte budget that one fetch of a consumer may bring: it is here before it can be counted
HELD_SHARE = 4  # of the byte budget that retries may hold while they wait for their time
HEADERS_BYTES = (
    8 * 1024
)  # of a record, besides key and value: relay's own have 1 kB, a dead letter's reason a little more


class Unwatched:
    """The ticket of records that no source waits for."""

    retired = False

    def __init__(self, room: Room) -> None:
        self._room = room

    def acknowledged(self, size: int) -> None:
        self._room.give(size)


async def run_worker(config: Config, stop: asyncio.Event) -> None:
    """
    Deliver until told to stop.

    Raises:
        TopicProblem: A topic is missing or could not keep a promise; nothing was read.
        TooManyMalformed: See `faults`.
    """
    clock, metrics = SystemClock(), Metrics()
    async with AsyncExitStack() as stack:
        state = await stack.enter_async_context(_listening(config, metrics))
        partitions = await _prepared(config, clock, stop)
        if partitions is None:
            return  # stopped before the broker could be reached
        try:
            await _deliver(config, clock, metrics, partitions, stop, stack, state)
        except BaseExceptionGroup as group:
            raise _cause(group) from group


class _State:
    """What the listener shows of a worker that may not be there yet."""

    def __init__(self) -> None:
        self.port = 0
        self.refresh = lambda: None
        self.ready = lambda: False


@asynccontextmanager
async def _listening(config: Config, metrics: Metrics) -> AsyncIterator[_State]:
    """/metrics, /livez and /readyz are served from the start, so that a worker that waits for its broker is seen."""
    state = _State()
    app = application(metrics, refresh=lambda: state.refresh(), ready=lambda: state.ready())
    runner = web.AppRunner(app, access_log=None, handle_signals=False)
    await runner.setup()
    try:
        site = web.TCPSite(runner, *config.metrics_address)
        await site.start()
        state.port = runner.addresses[0][1]
        log.info("metrics.listening", address=f"{config.metrics_address[0]}:{state.port}")
        yield state
    finally:
        await runner.cleanup()


async def _prepared(config: Config, clock: Clock, stop: asyncio.Event) -> Mapping[str, int] | None:
    """
    The topics are as they must be, and the group knows where it starts; partition counts of all topics.

    Keeps trying while the broker cannot be reached. None: told to stop meanwhile.
    """
    for tries in range(1_000_000_000):
        try:
            return await _checked(config)
        except Unreachable as error:
            pause_s = RETRY_PAUSES_S[min(tries, len(RETRY_PAUSES_S) - 1)]
            log.warning("broker.unreachable", error=str(error), retry_in_s=pause_s)
            if await _told(stop, pause_s):
                return None
    return None


async def _told(stop: asyncio.Event, seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        return False
    return True


async def _checked(config: Config) -> Mapping[str, int]:
    async with Broker(config) as broker:
        able = await broker.capabilities()
        if able.topic_configs:
            problems = await check(config, broker)
            if problems:
                raise TopicProblem("\n".join(str(problem) for problem in problems))
        else:
            await broker.touch((*config.events_topics, *Topics(config.topic_prefix).of(config)))
        partitions = await broker.topics()
    settings = kafka_settings(config)
    await establish_start(settings, config.group, config.events_topics, config.start, partitions)
    return partitions


async def _deliver(
    config: Config,
    clock: Clock,
    metrics: Metrics,
    partitions: Mapping[str, int],
    stop: asyncio.Event,
    stack: AsyncExitStack,
    state: _State,
) -> None:
    topics = Topics(config.topic_prefix)
    settings = kafka_settings(config)
    room = Room(limit_bytes=config.buffer_bytes, places=config.in_flight)
    index = Index()

    async def producer() -> AIOKafkaProducer:
        client = AIOKafkaProducer(
            **settings,
            enable_idempotence=True,
            acks="all",
            max_batch_size=BATCH_BYTES,
            max_request_size=config.max_message_bytes,
        )
        await client.start()
        return client

    produce = Produce(producer, results=topics.results, clock=clock)
    stack.push_async_callback(produce.close)
    written = [topics.results, topics.progress, topics.dead_letters, *(topics.deliveries(s) for s in config.delays)]
    await produce.open(written)

    catalogue = Catalogue(config, index, metrics)
    stack.push_async_callback(catalogue.close)
    await catalogue.load()

    egress = Egress(allowed=config.allow_networks, own=_own(config, state.port))
    deliver = await stack.enter_async_context(
        SessionDeliver(egress, connect_timeout_s=config.connect_timeout_s, response_bytes=config.response_bytes)
    )
    tools = Bench(
        index=index,
        deliver=deliver,
        produce=produce,
        room=room,
        schedule=Schedule(config.retry_delays, config.hold_delays, config.max_age_s),
        topics=topics,
        metrics=metrics,
        clock=clock,
        new_id=lambda: "att_" + os.urandom(16).hex(),
        worker=config.instance_id or f"{socket.gethostname()}-{os.getpid()}",
        timeout_s=config.timeout_s,
        max_record_bytes=config.max_message_bytes - HEADERS_BYTES,
        debug=config.log_level == "debug",
    )

    def lost(range_: Lost) -> None:
        _tell_lost(range_, tools)

    events_intake = Intake(
        settings,
        group=config.group,
        topics=config.events_topics,
        assignor=EventsAssignor,
        fetch={
            "max_partition_fetch_bytes": EVENTS_FETCH_BYTES,
            "fetch_max_bytes": config.buffer_bytes // FETCH_SHARE,
        },
        drain_s=config.rebalance_drain_s,
        instance_id=config.instance_id,
        lost=lost,
    )
    deliveries_intake = Intake(
        settings,
        group=topics.deliveries_group,
        topics=[topic for topic in partitions if topics.is_deliveries(topic)],
        assignor=DeliveriesAssignor,
        fetch={
            "max_partition_fetch_bytes": DELIVERIES_FETCH_BYTES,
            "fetch_max_bytes": config.buffer_bytes // FETCH_SHARE,
            "fetch_max_wait_ms": DELIVERIES_FETCH_WAIT_MS,
        },
        drain_s=config.rebalance_drain_s,
        instance_id=config.instance_id,
        lost=lost,
    )
    faults = Faults(tools, malformed_limit=config.malformed_limit)
    events = Events(events_intake, tools, faults, namespace=config.namespace, max_event_bytes=config.max_event_bytes)
    deliveries = Deliveries(
        deliveries_intake,
        tools,
        faults,
        max_event_bytes=config.max_event_bytes,
        held_bytes=config.buffer_bytes // HELD_SHARE,
    )
    deliveries_intake.forgotten = deliveries.forgotten
    intakes = (events_intake, deliveries_intake)
    for intake in intakes:
        stack.push_async_callback(intake.close, leave=config.on_stop == "leave")
        await intake.open()

    def refresh() -> None:
        metrics.in_flight.set(room.in_flight)
        metrics.buffer_bytes.set(room.held_bytes)
        metrics.unacknowledged.set(produce.unacknowledged)
        metrics.waiting.set(events.waiting)
        metrics.delayed.set(deliveries.held)
        metrics.lag.clear()
        metrics.open.clear()
        for intake in intakes:
            intake.show(metrics)

    state.refresh = refresh
    state.ready = lambda: all(intake.joined for intake in intakes)
    worker = Worker(
        tools, intakes, events, deliveries, commit_interval_s=config.commit_interval_s, drain_s=config.drain_s
    )
    log.info("worker.started", version=__version__, worker=tools.worker, subscriptions=len(index), group=config.group)
    await worker.run(stop, catalogue.follow())
    log.info("worker.stopped")


def _own(config: Config, metrics_port: int) -> frozenset[tuple[str, int]]:
    """Where our own listeners and brokers are: never called, whatever is allowed."""
    brokers = (server.rpartition(":") for server in config.kafka_bootstrap_servers.split(","))
    return frozenset({(config.metrics_address[0], metrics_port), *((host, int(port)) for host, _, port in brokers)})


def _tell_lost(lost: Lost, tools: Bench) -> None:
    """Retention was faster than we: said in the log, counted, and written where completeness is proved from."""
    log.error("range.lost", topic=lost.topic, partition=lost.partition, first=lost.first, end=lost.end)
    tools.metrics.lost.inc(lost.end - lost.first)
    record = Outgoing(
        topic=tools.topics.progress,
        key=f"{lost.topic}/{lost.partition}".encode(),
        value=orjson.dumps(
            {
                "kind": "lost",
                "topic": lost.topic,
                "partition": lost.partition,
                "first": lost.first,
                "end": lost.end,
                "at": rfc3339(tools.clock.now_ms()),
                "worker": tools.worker,
            }
        ),
    )
    tools.room.take(size_of(record))
    tools.produce.send(record, Unwatched(tools.room))


def _cause(group: BaseExceptionGroup[Any]) -> BaseException:
    """The one of ours in a group of failed tasks, for its message and exit code; else the first."""
    leaves = list(_leaves(group))
    return next((error for error in leaves if isinstance(error, RelayError)), leaves[0])


def _leaves(error: BaseException) -> list[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        return [leaf for inner in error.exceptions for leaf in _leaves(inner)]
    return [error]
