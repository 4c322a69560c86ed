"""What a worker is made of, connected and put together. The rules are elsewhere. Edge."""

import asyncio
import os
import socket
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack
from typing import Any

import orjson
import structlog
from aiokafka import AIOKafkaProducer

from relay import __version__
from relay.broker import kafka_settings
from relay.clock import SystemClock
from relay.config import Config
from relay.ending import begin
from relay.metrics import Metrics
from relay.pipeline import census
from relay.pipeline.attempt import Bench
from relay.pipeline.breaker import BreakerRules
from relay.pipeline.client import DeliveriesAssignor, EventsAssignor
from relay.pipeline.consume import Intake
from relay.pipeline.covered import Lost
from relay.pipeline.deliveries import Deliveries
from relay.pipeline.disable import Disable
from relay.pipeline.dispatch import Dispatch, Work, may_begin
from relay.pipeline.events import Events
from relay.pipeline.faults import Faults
from relay.pipeline.ground import Ground
from relay.pipeline.health import FAILING_AFTER_S, GONE_OVER_S, Health
from relay.pipeline.hearsay import listening
from relay.pipeline.lane import LaneRules
from relay.pipeline.lanes import Lanes
from relay.pipeline.listener import Listener
from relay.pipeline.match import Index
from relay.pipeline.notices import Notices
from relay.pipeline.own import Own
from relay.pipeline.places import share
from relay.pipeline.produce import BATCH_BYTES, REQUEST_MS, Produce
from relay.pipeline.progress import Progress
from relay.pipeline.rivals import Rivals
from relay.pipeline.room import Room
from relay.pipeline.schedule import Schedule
from relay.pipeline.sights import Sights
from relay.pipeline.tls import Contexts
from relay.pipeline.watch import STUCK_S
from relay.pipeline.watchdog import Guard, Watchdog
from relay.pipeline.wire import WireDeliver
from relay.pipeline.worker import Worker
from relay.store.catalogue import Catalogue
from relay.store.subscriptions import Subscriptions
from relay.topics import Topics

log = structlog.get_logger()

EVENTS_FETCH_BYTES = 512 * 1024  # a partition; some 450 events, enough that a fetch costs little an event
DELIVERIES_FETCH_BYTES = 64 * 1024  # a partition; ten delays times many partitions must not fill the memory
DELIVERIES_FETCH_WAIT_MS = 100  # a resumed partition waits for the fetch that is under way without it
FETCH_SHARE = 8  # of the byte budget that one fetch of a consumer may bring: it is here before it can be counted
HELD_SHARE = 4  # of the byte budget that retries may hold while they wait for their time
HEADERS_BYTES = 8 * 1024  # of a record, besides key and value: relay's own have 1 kB, a dead letter's reason some more


async def wired(
    config: Config, metrics: Metrics, ground: Ground, listener: Listener, stack: AsyncExitStack
) -> Callable[[asyncio.Event], Coroutine[Any, Any, None]]:
    """
    Everything connected, on the stack; what remains to be done is to run it.

    Raises:
        KafkaError: The broker is in trouble.
        ConfigProblem: The key ring opens none of the subscriptions.
    """
    guard = stack.enter_context(Guard(STUCK_S))
    index = Index()
    catalogue = Catalogue(config, index, metrics, transactions=ground.transactions)
    stack.push_async_callback(catalogue.close)
    await catalogue.load()
    catalogue.refuse_a_strange_ring()
    # our own listeners and the brokers are never called, whatever is allowed
    own = Own(config, {(config.metrics_address[0], listener.port), *ground.brokers})
    await own.look(())
    tools = await _tools(config, metrics, index, own, stack)
    hearsay = await stack.enter_async_context(listening(config, ground, tools))
    progress_topic = tools.topics.progress
    progress = Progress(kafka_settings(config), topic=progress_topic, worker=tools.worker, clock=tools.clock)
    events_intake, deliveries_intake = intakes = _intakes(config, ground, tools, progress)
    faults = Faults(tools, malformed_limit=config.malformed_limit)
    lanes: Lanes[Work] = Lanes(_rules(config), places=config.in_flight, buffer_bytes=config.buffer_bytes, may=may_begin)
    dispatch = Dispatch(lanes, faults)
    size, held_bytes = config.max_event_bytes, config.buffer_bytes // HELD_SHARE
    events = Events(events_intake, dispatch, faults, namespace=config.namespace, max_event_bytes=size)
    deliveries = Deliveries(deliveries_intake, dispatch, faults, max_event_bytes=size, held_bytes=held_bytes)
    deliveries_intake.forgotten = deliveries.forgotten

    def existing(intake: Intake) -> int:
        """Partitions that it could have; before its consumer has joined, as they were found to be."""
        return sum(max(intake.consumer.count(topic), ground.partitions.get(topic, 0)) for topic in intake.topics)

    def decided() -> None:
        tools.produce.decided()
        lanes.reshare(share([(len(intake.ledgers), existing(intake)) for intake in intakes]))
        dispatch.decided()

    for intake in intakes:
        intake.decided = decided
        stack.push_async_callback(intake.close, leave=config.on_stop == "leave")
        await intake.open()

    _show(listener, metrics, tools, intakes, deliveries, dispatch)
    interval_s = config.commit_interval_s
    drain_s = config.drain_s
    worker = Worker(tools, intakes, events, deliveries, dispatch, commit_interval_s=interval_s, drain_s=drain_s)
    sights = Sights(tools=tools, intakes=intakes, deliveries=deliveries, dispatch=dispatch)
    watchdog = Watchdog(
        kafka_settings(config),
        sights,
        sights.groups,
        sights.refusals,
        clock=tools.clock,
        guard=guard,
        stuck_s=STUCK_S,
    )
    log.info("worker.started", version=__version__, worker=tools.worker, subscriptions=len(index), group=config.group)

    async def work(stop: asyncio.Event) -> None:
        await worker.run(
            stop,
            [
                *(catalogue.follow(), tools.notices.run(), watchdog.run(), guard.beat(tools.clock)),
                *(hearsay.follow(), own.run(events_intake.consumer.brokers, tools.clock), progress.run()),
            ],
        )
        log.info("worker.stopped")

    return work


def _show(  # noqa: PLR0917  all that has something to show
    listener: Listener,
    metrics: Metrics,
    tools: Bench,
    intakes: Sequence[Intake],
    deliveries: Deliveries,
    dispatch: Dispatch,
) -> None:
    """What /metrics, /lanes and /readyz tell from now on."""
    lanes = dispatch.lanes

    def refresh() -> None:
        metrics.in_flight.set(dispatch.in_flight)
        metrics.buffer_bytes.set(tools.room.held_bytes)
        metrics.unacknowledged.set(tools.produce.unacknowledged)
        metrics.waiting.set(lanes.queued)
        for state, count in census.counted(lanes, tools.clock.monotonic()).items():
            metrics.lanes.labels(state).set(count)
        metrics.delayed.set(deliveries.held)
        metrics.lag.clear()
        metrics.open.clear()
        for intake in intakes:
            intake.show(metrics)

    def page_of_lanes(query: Mapping[str, str]) -> bytes:
        now_s, now_ms = tools.clock.monotonic(), tools.clock.now_ms()
        asked = census.Asked(**{name: query.get(name) for name in ("subscription", "account", "state")})
        return orjson.dumps(census.page(lanes, asked, now_s=now_s, now_ms=now_ms, worker=tools.worker))

    listener.refresh = refresh
    listener.lanes = page_of_lanes
    listener.ready = lambda: all(intake.joined for intake in intakes)


async def _tools(config: Config, metrics: Metrics, index: Index, own: Own, stack: AsyncExitStack) -> Bench:
    clock, topics = SystemClock(), Topics(config.topic_prefix)

    async def producer() -> AIOKafkaProducer:
        client = AIOKafkaProducer(
            **kafka_settings(config),
            enable_idempotence=True,
            acks="all",
            max_batch_size=min(BATCH_BYTES, config.max_message_bytes),
            max_request_size=config.max_message_bytes,
            request_timeout_ms=REQUEST_MS,
        )
        await begin(client)
        return client

    produce = Produce(producer, results=topics.results, clock=clock)
    stack.push_async_callback(produce.close)
    await produce.open(
        [
            topics.results,
            topics.notices,
            topics.dead_letters,
            *(topics.deliveries(delay_s) for delay_s in config.delays),
        ]
    )
    deliver = WireDeliver(
        own.egress(),
        connect_timeout_s=config.connect_timeout_s,
        response_bytes=config.response_bytes,
        proxy=config.egress_proxy,
        contexts=Contexts(config.tls_dir),
    )
    own.obey = deliver.pools.obey
    room = Room(limit_bytes=config.buffer_bytes)
    worker = config.instance_id or f"{socket.gethostname()}-{os.getpid()}"
    notices = Notices(
        Health(gone_over_s=GONE_OVER_S, failing_after_s=FAILING_AFTER_S, disable_after_s=config.disable_after_s),
        Disable(Subscriptions(config).edit, clock=clock),
        produce=produce,
        room=room,
        topic=topics.notices,
        metrics=metrics,
        clock=clock,
        worker=worker,
    )
    return Bench(
        index=index,
        deliver=await stack.enter_async_context(deliver),
        produce=produce,
        room=room,
        schedule=Schedule(config.retry_delays, config.hold_delays, config.max_age_s),
        topics=topics,
        notices=notices,
        metrics=metrics,
        clock=clock,
        new_id=lambda: "att_" + os.urandom(16).hex(),
        worker=worker,
        timeout_s=config.timeout_s,
        max_record_bytes=config.max_message_bytes - HEADERS_BYTES,
        debug=config.log_level == "debug",
    )


def _rules(config: Config) -> LaneRules:
    breaker = BreakerRules(
        share=config.breaker_share,
        attempts=config.breaker_attempts,
        window_s=config.breaker_window_s,
        cooldown_s=config.breaker_cooldown_s,
    )
    return LaneRules(
        in_flight=config.lane_in_flight, queue=config.lane_queue, wait_s=config.lane_wait_s, breaker=breaker
    )


def _intakes(config: Config, ground: Ground, tools: Bench, progress: Progress) -> tuple[Intake, Intake]:
    """Of events, and of deliveries: a consumer each, so that retries and their pauses hold up no live event."""
    settings, fetch_bytes = kafka_settings(config), config.buffer_bytes // FETCH_SHARE
    common: dict[str, Any] = {
        "drain_s": config.rebalance_drain_s,
        "instance_id": config.instance_id,
        "lost": lambda lost: _tell_lost(lost, tools, progress),
    }
    events = Intake(
        settings,
        group=config.group,
        topics=config.events_topics,
        assignor=EventsAssignor,
        fetch={"max_partition_fetch_bytes": EVENTS_FETCH_BYTES, "fetch_max_bytes": fetch_bytes},
        rivals=Rivals(config.instance_id),
        telling=progress,
        **common,
    )
    deliveries = Intake(
        settings,
        group=tools.topics.deliveries_group,
        topics=[topic for topic in ground.partitions if tools.topics.is_deliveries(topic)],
        assignor=DeliveriesAssignor,
        fetch={
            "max_partition_fetch_bytes": DELIVERIES_FETCH_BYTES,
            "fetch_max_bytes": fetch_bytes,
            "fetch_max_wait_ms": DELIVERIES_FETCH_WAIT_MS,
        },
        rivals=Rivals(None),  # of two with one id each would end by one group, and both be gone
        **common,
    )
    return events, deliveries


def _tell_lost(lost: Lost, tools: Bench, progress: Progress) -> None:
    """Retention was faster than we: said in the log, counted, and written where completeness is proved from."""
    log.error("range.lost", topic=lost.topic, partition=lost.partition, first=lost.first, end=lost.end)
    tools.metrics.lost.add(by=lost.end - lost.first)
    progress.lost(lost)
