"""
What waits for one receiver, and when it may go: limit, circuit, rate, and what was heard of it. Pure.

A subscription that was changed may have another receiver: everything that is known begins anew, and what is under way
to the old one says nothing of the new.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Generic, TypeVar

from relay.model import Subscription
from relay.pipeline.breaker import Breaker, BreakerRules, Circuit
from relay.pipeline.heard import Heard
from relay.pipeline.limit import Limit
from relay.pipeline.queue import Queue, Waiting
from relay.pipeline.rate import Rate

T = TypeVar("T")


class Outcome(Enum):
    """What an attempt said of its receiver."""

    OK = auto()
    FAILED = auto()  # it answers, and takes nothing
    TROUBLED = auto()  # as an overloaded one does: too slow, refused, broken off, 429, 503
    NONE = auto()  # nothing was sent


@dataclass(frozen=True, slots=True)
class LaneRules:
    """RELAY_LANE_*."""

    in_flight: int = 8  # at first: safe for whoever has one process, and doubled with each round trip
    queue: int = 1_000  # deliveries that may wait
    wait_s: float = 5.0  # the longest that one waits: the head of a partition is held for so long
    breaker: BreakerRules = field(default_factory=BreakerRules)


class Lane(Generic[T]):
    """One subscription's; its bounds may change with every delivery that comes."""

    __slots__ = (
        *("account", "agreed", "breaker", "deferred", "heard", "id", "in_flight", "limit", "per_s", "queue", "slots"),
        *("_allowed", "_most", "_pressed_s", "_rate", "_rules", "_starts", "_under_way"),
    )

    def __init__(self, id_: str, account: str, rules: LaneRules, *, most: int) -> None:
        self.id = id_
        self.account = account
        self.agreed: tuple[str, int] | None = None  # incarnation and version of the subscription, as it is known
        self.in_flight = 0
        self.deferred = 0  # so often since it was made
        self.queue: Queue[T] = Queue()
        self.heard = Heard(rules.wait_s / 2)
        self._under_way = 0  # bytes
        self._rules = rules
        self._most = most
        self._allowed: tuple[float | None, int | None] = (None, None)  # the subscription's bounds, of all workers
        self.per_s: float | None = None  # this worker's share of `rate_per_s`
        self.slots: int | None = None  # and of `max_in_flight`
        self._rate = Rate()
        self._starts = 0
        self._start()

    def _start(self) -> None:
        """Nothing is known of its receiver."""
        self._starts += 1
        self.limit, self.breaker = Limit(self._rules.in_flight, self._most), Breaker(self._rules.breaker)
        self.heard.forget()
        self._pressed_s = -math.inf  # when as many as may be were last under way, or half of them

    def agree(self, to: Subscription, share: float) -> None:
        """The bounds of the subscription as it is now."""
        if self.agreed is not None:
            self._start()
        self.agreed, self._allowed = (to.created_at, to.version), (to.rate_per_s, to.max_in_flight)
        self.reshare(share)

    def reshare(self, share: float) -> None:
        """This worker's share of what the subscription allows to all; one request at once is allowed to each."""
        per_s, in_flight = self._allowed
        self.per_s = None if per_s is None else per_s * share
        self.slots = None if in_flight is None else max(1, int(in_flight * share))

    # -- what comes

    def full(self, now_s: float, queue: int) -> bool:
        """Whether it takes no more: so many wait, or the oldest has waited for half of what it may."""
        return len(self.queue) >= min(queue, self._rules.queue) or self.slow(now_s)

    def slow(self, now_s: float) -> bool:
        """Whether the oldest that could go has waited for half of what it may: what comes now might not go in time."""
        return now_s - self.queue.since_s() >= self._rules.wait_s / 2

    # -- what goes

    def take(self, now_s: float, may: Callable[[T], bool]) -> Waiting[T] | None:
        """The next, which begins now; None when nothing waits any more that may. Asked when `next_s` has come."""
        one = self.queue.take(may)
        if one is None:
            return None
        if not self.in_flight:
            self.heard.asked(now_s)
        one.begun_s, one.agreed, one.probe = now_s, self._starts, self.breaker.begin()
        one.standing = self.heard.standing(now_s)
        self.in_flight += 1
        self._under_way += one.size
        if self.limit.near(self.in_flight):
            self._pressed_s = now_s
        if self.per_s is not None:
            self._rate.take(self.per_s, now_s)
        return one

    def over(self, one: Waiting[T], outcome: Outcome, now_s: float) -> Circuit | None:
        """An attempt is over; what the circuit has become by it, or None when it is open or closed as before."""
        self.in_flight -= 1
        self._under_way -= one.size
        self.queue.release(one)
        if one.agreed != self._starts:
            return None  # of a receiver that may be another by now
        if outcome is Outcome.OK:
            self.heard.answered(now_s)
            self.limit.succeeded(pressed=one.begun_s <= self._pressed_s)
        elif outcome is Outcome.TROUBLED:
            self.heard.troubled(now_s)
            self.limit.troubled(one.begun_s, now_s)
        if outcome is Outcome.NONE:
            if one.probe:
                self.breaker.withdrawn()
            return None
        became = self.breaker.heard(ok=outcome is Outcome.OK, probe=one.probe, now_s=now_s)
        if became is Circuit.CLOSED:
            self.limit.restart()
        return None if one.probe and became is Circuit.OPEN else became  # the probe failed: that is no news

    def overdue(self, now_s: float) -> list[Waiting[T]]:
        """What has waited for too long, or waits at an open circuit, oldest first."""
        if self.breaker.state is Circuit.OPEN and self.breaker.blocks(now_s):
            return self.queue.arrived()
        return self.queue.arrived(now_s - self._rules.wait_s)

    # -- how it is

    @property
    def bound(self) -> int:
        """How many may be under way at once."""
        return self.limit.value if self.slots is None else min(self.limit.value, self.slots)

    @property
    def idle(self) -> bool:
        return not self.in_flight and not self.queue

    @property
    def held_bytes(self) -> int:
        """Of what waits and what is under way."""
        return self.queue.size + self._under_way

    def quiet(self, now_s: float) -> bool:
        """Whether it may be forgotten: neither its circuit nor its rate knows anything that a new one would not."""
        return self.breaker.quiet(now_s) and (self.per_s is None or self._rate.quiet(self.per_s, now_s))

    @property
    def at_its_slots(self) -> bool:
        """Whether as many are under way as `max_in_flight` allows here."""
        return self.slots is not None and self.in_flight >= self.slots

    def rests(self, now_s: float) -> bool:
        """Whether it leaves its receiver alone for a moment, for one request at once was too much."""
        return self.in_flight < self.bound and self.limit.ready_s > now_s

    def waits_for_rate(self, now_s: float) -> bool:
        return self.per_s is not None and self.in_flight < self.bound and self._rate.ready_s(self.per_s) > now_s

    def next_s(self) -> float:
        """When it may go on though nothing else happens; never, if it waits for an answer or has nothing to send."""
        if not self.queue.eager or self.in_flight >= self.bound:
            return math.inf
        ready_s = max(self.limit.ready_s, self.breaker.ready_s)
        return ready_s if self.per_s is None else max(ready_s, self._rate.ready_s(self.per_s))
