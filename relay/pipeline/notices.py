"""
What people must hear of: a subscription that was disabled or is so no more, an endpoint that is failing, its recovery.
Edge.

Each is a record on the notices topic, a figure and a log line. A notice of failing is one worker's, of what it saw
itself; of recovery, of what any of them had told, for each reads what the others write; that of disabling is written by
the one worker that did it, once it is done; that of re-enabling by whoever edits the subscription, with the edit, and
every worker that hears of the edit counts and logs it.
"""

import math

import orjson
import structlog

from relay.clock import Clock
from relay.metrics import Metrics
from relay.model import Answer, DeliveryId, EndedBy, Outgoing, Reason, Reply, Subscription
from relay.pipeline.disable import Disable, Wish
from relay.pipeline.health import Dead, Failing, Gone, Health, Recovered
from relay.pipeline.notice import Kind, Why, Word, notice
from relay.pipeline.produce import Produce, send_unwatched
from relay.pipeline.results import rfc3339
from relay.pipeline.room import Room
from relay.pipeline.settle import reason_of
from relay.urls import host

log = structlog.get_logger()


class Notices:
    """Told of every attempt of one worker; what it comes to is written, or done."""

    def __init__(
        self,
        health: Health,
        disable: Disable,
        *,
        produce: Produce,
        room: Room,
        topic: str,
        metrics: Metrics,
        clock: Clock,
        worker: str,
    ) -> None:
        self._health = health
        self._disable = disable
        self._produce = produce
        self._room = room
        self._topic = topic
        self._metrics = metrics
        self._clock = clock
        self._worker = worker
        self._since_ms = clock.now_ms()

    def hear(self, called: Subscription, delivery_id: DeliveryId, reply: Reply) -> None:
        """An attempt was made; whatever it makes known is on its way."""
        now_ms, now_s = self._clock.now_ms(), self._clock.monotonic()
        for one in self._health.hear(called, delivery_id, reply, now_ms=now_ms, now_s=now_s):
            match one:
                case Gone() | Dead():
                    self._disable.ask(Wish(called, one, _status(reply)))
                case Failing(since_ms=since_ms):
                    told = self._write(Kind.FAILING, called, since_ms, reason_of(reply), _status(reply))
                    log.warning("endpoint.failing", **told)
                case Recovered(since_ms=since_ms):
                    told = self._write(Kind.RECOVERED, called, since_ms, Reason.OK, _status(reply))
                    log.info("endpoint.recovered", **told)

    def learn(self, word: Word, *, not_before_s: float = -math.inf) -> None:
        """Another worker has told this, or this one before its restart; `not_before_s` as in Health.learn."""
        if word.worker != self._worker or word.at_ms < self._since_ms:
            now_ms, now_s = self._clock.now_ms(), self._clock.monotonic()
            self._health.learn(word, now_ms=now_ms, now_s=now_s, not_before_s=not_before_s)

    async def run(self) -> None:
        """Disable what is gone or dead, until cancelled."""
        await self._disable.run(self._disabled)

    def _disabled(self, wish: Wish) -> None:
        reason = EndedBy.GONE if isinstance(wish.because, Gone) else Why.FAILING
        told = self._write(Kind.DISABLED, wish.called, wish.because.since_ms, reason, wish.status)
        log.warning("subscription.disabled", **told)
        self._health.forget(wish.called.id)

    def _write(
        self, kind: Kind, called: Subscription, since_ms: int, reason: Reason | EndedBy | Why, status: int | None
    ) -> dict[str, object]:
        """The record is queued and counted; what the log line says."""
        told = notice(
            kind,
            called,
            since=rfc3339(since_ms),
            at=rfc3339(self._clock.now_ms()),
            reason=reason,
            status=status,
            worker=self._worker,
        )
        record = Outgoing(topic=self._topic, key=called.id.encode(), value=orjson.dumps(told))
        send_unwatched(record, self._produce, self._room)
        self._metrics.notices.add(kind.value)
        shown = {name: told[name] for name in ("subscription_id", "account_id", "since", "reason", "status")}
        return shown | {"host": host(called.url)}


def _status(reply: Reply) -> int | None:
    return reply.status if isinstance(reply, Answer) else None
