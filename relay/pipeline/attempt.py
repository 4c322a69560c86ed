"""One attempt of one delivery: admit -> sign -> deliver -> settle -> results -> produce, and the line that tells it."""

from collections.abc import Callable
from dataclasses import dataclass, field

import structlog

from relay.clock import Clock
from relay.metrics import Metrics
from relay.model import Delivered, Delivery, GaveUp, Outgoing, Record, Reply, Request, Verdict
from relay.pipeline.deliver import Deliver
from relay.pipeline.fan import NOBODY, Fan, Part
from relay.pipeline.match import Endpoint, Index
from relay.pipeline.notices import Notices
from relay.pipeline.produce import Produce, size_of
from relay.pipeline.results import Attempt, dead_letter, outgoing
from relay.pipeline.room import Room
from relay.pipeline.schedule import Schedule
from relay.pipeline.settle import admit, settle
from relay.pipeline.sign import sign
from relay.topics import Topics
from relay.urls import host

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """The tools of an attempt; one set a worker."""

    index: Index
    deliver: Deliver
    produce: Produce
    room: Room
    schedule: Schedule
    topics: Topics
    notices: Notices
    metrics: Metrics
    clock: Clock
    new_id: Callable[[], str]
    worker: str
    timeout_s: float  # RELAY_TIMEOUT_S; a subscription may ask for less, and for no more, whatever is stored of it
    max_record_bytes: int  # what the broker takes, less room for headers
    debug: bool = False  # RELAY_LOG_LEVEL: first attempts that were delivered are logged too
    under_way: dict[Part, float] = field(default_factory=dict)  # requests sent, and when each must have ended


async def make(delivery: Delivery, part: Part, tools: Bench) -> Reply | None:
    """The attempt is made, or there is a verdict without one, and the records that tell it are on their way."""
    to = tools.index.get(delivery.subscription_id)
    started_ms = tools.clock.now_ms()
    verdict = admit(delivery, to, schedule=tools.schedule, now_ms=started_ms)
    request: Request | None = None
    reply: Reply | None = None
    elapsed_ms = 0
    if verdict is None:
        assert to is not None, "admitted without an endpoint"
        assert to.signer is not None, "admitted without keys"
        request = sign(
            delivery,
            url=to.subscription.url,
            signer=to.signer,
            own_headers=to.headers,
            timeout_s=min(to.subscription.timeout_s or tools.timeout_s, tools.timeout_s),
            now_ms=started_ms,
            tls=to.subscription.tls,
        )
        sent = tools.clock.monotonic()
        tools.under_way[part] = sent + request.timeout_s
        try:
            reply = await tools.deliver(request)
        finally:
            del tools.under_way[part]
        elapsed_s = tools.clock.monotonic() - sent
        elapsed_ms = round(elapsed_s * 1000)
        tools.metrics.attempt_seconds.observe(elapsed_s)
        tools.metrics.queue_seconds.observe(max(0, started_ms - part.fan.read_ms) / 1000)
        verdict = settle(delivery, reply, schedule=tools.schedule, now_ms=started_ms + elapsed_ms)
        tools.notices.hear(to.subscription, delivery.id, reply)
    attempt = Attempt(
        id=tools.new_id(),
        started_ms=started_ms,
        elapsed_ms=elapsed_ms,
        queued_ms=max(0, started_ms - part.fan.read_ms),
        request=request,
        reply=reply,
    )
    _conclude(delivery, verdict, attempt, to, part, tools)
    return reply


def decline(delivery: Delivery, verdict: Verdict, part: Part, tools: Bench) -> None:
    """There is a verdict before any attempt, and the records that tell it are on their way."""
    now_ms = tools.clock.now_ms()
    attempt = Attempt(id=tools.new_id(), started_ms=now_ms, queued_ms=max(0, now_ms - part.fan.read_ms))
    _conclude(delivery, verdict, attempt, tools.index.get(delivery.subscription_id), part, tools)


def _conclude(  # noqa: PLR0917  what is known of an attempt, and the tools
    delivery: Delivery, verdict: Verdict, attempt: Attempt, to: Endpoint | None, part: Part, tools: Bench
) -> None:
    for record in outgoing(delivery, verdict, attempt, to, topics=tools.topics, worker=tools.worker):
        produce(record, part, tools)
    tell(delivery, verdict, attempt, to, tools)
    part.close()


def produce(record: Outgoing, part: Part, tools: Bench) -> None:
    """The record is queued; its source is not settled before it is acknowledged."""
    tools.room.take(size_of(record))
    part.expect()
    tools.produce.send(record, part)


def bury(record: Record, reason: str, fan: Fan, tools: Bench) -> None:
    """A record that cannot be walked becomes a dead letter with its own bytes, and its partition moves on."""
    letter = dead_letter(record, reason, topics=tools.topics, max_bytes=tools.max_record_bytes)
    part = fan.part(NOBODY)
    part.begin()
    produce(letter, part, tools)
    part.close()
    fan.over()


def tell(delivery: Delivery, verdict: Verdict, attempt: Attempt, to: Endpoint | None, tools: Bench) -> None:
    """One line and one count an attempt. A delivery at the first attempt is what is expected: debug."""
    tools.metrics.deliveries.add(verdict.name, verdict.reason)
    if isinstance(verdict, GaveUp):
        tools.metrics.dead_letters.add(verdict.ended_by)
    if isinstance(verdict, Delivered) and delivery.attempt == 1:
        if not tools.debug:
            return  # the fields alone would cost as much as a signature
        write = log.debug
    else:
        write = log.info
    write(
        "delivery.settled",
        delivery_id=delivery.id,
        subscription_id=delivery.subscription_id,
        lead_id=delivery.event.lead_id,
        source=str(delivery.event.source),
        attempt=delivery.attempt,
        deferrals=delivery.deferrals,
        trigger=delivery.trigger.value,
        verdict=verdict.name,
        reason=verdict.reason.value,
        status=getattr(attempt.reply, "status", None),
        detail=getattr(attempt.reply, "detail", None),
        host=host(to.subscription.url) if to else None,
        elapsed_ms=attempt.elapsed_ms,
        queued_ms=attempt.queued_ms,
    )
