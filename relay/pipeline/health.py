"""
What the endpoint of each subscription answered lately, and what that comes to. Pure.

    gone        410 for three different deliveries, over at least a minute, with no success between
    failing     no success since its first failure an hour ago or longer, in at least two attempts
    recovered   the first success after it was told to be failing

It is fed with every attempt that was made. What our own rules refused (an address, a URL) never reached the endpoint,
and says nothing about it. One that is well has no entry here, so what is remembered grows with those in trouble only.

A worker knows what it saw itself since its start: another one's successes are not known here, nor are its failures.

How long something has lasted is measured on a clock that is never set; since when it lasts is told by the wall's.
"""

from collections import OrderedDict
from dataclasses import dataclass, field
from http import HTTPStatus

from relay.model import Answer, DeliveryId, Reply, Subscription, SubscriptionId
from relay.pipeline.lane import Outcome
from relay.pipeline.settle import outcome_of

GONE_DELIVERIES = 3  # DESIGN.md section 7: one 410 may be about one lead
GONE_OVER_S = 60.0  # likewise: a receiver that is being deployed may say it for seconds
FAILING_AFTER_S = 3600.0  # the schedule's first five waits are over by then, and it is still no better
FAILING_ATTEMPTS = 2  # a single failure, however long ago, may have been the network's
REMEMBERED = 10_000  # endpoints in trouble, under 1 kB each


@dataclass(frozen=True, slots=True)
class Gone:
    """It says that it is no longer there, and means it: since the first 410 of those that were counted."""

    since_ms: int


@dataclass(frozen=True, slots=True)
class Failing:
    """Nothing was taken since the first failure after the last success."""

    since_ms: int


@dataclass(frozen=True, slots=True)
class Recovered:
    """It takes deliveries again; it had been failing since then."""

    since_ms: int


Finding = Gone | Failing | Recovered


@dataclass(slots=True)
class _Refusals:
    """410s of one version of a subscription, one after another without a success."""

    version: int
    since_ms: int
    again_s: float  # when they may be told: not before
    deliveries: set[DeliveryId] = field(default_factory=set)  # as many as it takes


@dataclass(slots=True)
class _Trouble:
    """Of one endpoint, since its first failure after its last success."""

    incarnation: str  # the subscription's `created_at`: one made anew under the same id is another
    since_ms: int
    since_s: float
    attempts: int = 0
    told: bool = False  # that it is failing
    refusals: _Refusals | None = None


class Health:
    """Of every endpoint that one worker calls."""

    def __init__(
        self, *, gone_over_s: float = GONE_OVER_S, failing_after_s: float = FAILING_AFTER_S, limit: int = REMEMBERED
    ) -> None:
        self._gone_over_s = gone_over_s
        self._failing_after_s = failing_after_s
        self._limit = limit
        self._troubles: OrderedDict[SubscriptionId, _Trouble] = OrderedDict()  # the one with the latest news is last

    def __len__(self) -> int:
        return len(self._troubles)

    def hear(
        self, called: Subscription, delivery_id: DeliveryId, reply: Reply, *, now_ms: int, now_s: float
    ) -> tuple[Finding, ...]:
        """
        What this attempt makes known; mostly nothing.

        Failing is told once, until it has recovered. Gone is told again by a later 410, a minute apart at least:
        whoever acts on it may not have been able to.

        Args:
            called: The subscription as it was called.
            delivery_id: What was sent.
            reply: What came of it.
            now_ms: When.
            now_s: Likewise, monotonic.
        """
        outcome = outcome_of(reply)
        if outcome is Outcome.NONE:
            return ()
        if outcome is Outcome.OK:
            return self._well(called)
        trouble, gone = self._unwell(called, now_ms, now_s), tuple[Finding, ...]()
        if isinstance(reply, Answer) and reply.status == HTTPStatus.GONE:
            gone = self._gone(trouble, called.version, delivery_id, now_ms, now_s)
        return (*gone, *self._failing(trouble, now_s))

    def _well(self, called: Subscription) -> tuple[Finding, ...]:
        trouble = self._troubles.pop(called.id, None)
        if trouble is None or not trouble.told or trouble.incarnation != called.created_at:
            return ()
        return (Recovered(trouble.since_ms),)

    def _unwell(self, called: Subscription, now_ms: int, now_s: float) -> _Trouble:
        trouble = self._troubles.get(called.id)
        if trouble is None or trouble.incarnation != called.created_at:
            trouble = _Trouble(incarnation=called.created_at, since_ms=now_ms, since_s=now_s)
            self._troubles[called.id] = trouble
        self._troubles.move_to_end(called.id)
        if len(self._troubles) > self._limit:
            self._troubles.popitem(last=False)
        trouble.attempts += 1
        if trouble.refusals is not None and trouble.refusals.version != called.version:
            trouble.refusals = None  # it may be another URL by now
        return trouble

    def _gone(
        self, trouble: _Trouble, version: int, delivery_id: DeliveryId, now_ms: int, now_s: float
    ) -> tuple[Finding, ...]:
        counted = trouble.refusals
        if counted is None:
            again_s = now_s + self._gone_over_s
            counted = trouble.refusals = _Refusals(version=version, since_ms=now_ms, again_s=again_s)
        if len(counted.deliveries) < GONE_DELIVERIES:
            counted.deliveries.add(delivery_id)
        if len(counted.deliveries) < GONE_DELIVERIES or now_s < counted.again_s:
            return ()
        counted.again_s = now_s + self._gone_over_s
        return (Gone(counted.since_ms),)

    def _failing(self, trouble: _Trouble, now_s: float) -> tuple[Finding, ...]:
        lasted_s = now_s - trouble.since_s
        if trouble.told or trouble.attempts < FAILING_ATTEMPTS or lasted_s < self._failing_after_s:
            return ()
        trouble.told = True
        return (Failing(trouble.since_ms),)
