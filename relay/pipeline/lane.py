"""
What waits for one receiver, and when it may go: limit, circuit, rate, and one first attempt of a lead at a time. Pure.

First attempts of a lead start in the order in which they came (promise P7); whoever waits behind one of its lead is not
ready, and holds up nobody else. Retries, deferrals and replays may overlap them, and go after first attempts.
"""

import math
from collections import OrderedDict, deque
from dataclasses import dataclass, field
from enum import Enum, auto
from itertools import takewhile
from typing import Generic, TypeVar

from relay.model import Subscription
from relay.pipeline.breaker import Breaker, BreakerRules, Circuit
from relay.pipeline.heard import Heard
from relay.pipeline.limit import Limit
from relay.pipeline.places import Standing
from relay.pipeline.rate import Rate

T = TypeVar("T")

FIRSTS_IN_A_ROW = 4  # then a late one goes, if one waits: retries get a fifth when there is not enough for all


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


class Waiting(Generic[T]):
    """One delivery in a lane, waiting or under way."""

    __slots__ = ("begun_s", "gone", "lane", "lead", "leads", "probe", "since_s", "size", "standing", "version", "work")

    def __init__(self, lane: "Lane[T]", work: T, *, lead: str | None, size: int, since_s: float) -> None:
        self.lane = lane
        self.work = work
        self.lead = lead  # None: it may overlap others of its lead
        self.size = size  # bytes
        self.since_s = since_s
        self.leads = False  # it is its lead's first: others wait behind it
        self.begun_s = math.inf
        self.probe = False
        self.standing = Standing.UNKNOWN  # of its receiver, when it begins
        self.version = 0  # of the subscription, likewise
        self.gone = False  # begun, or put off: where it still stands in a queue it is passed over


class Lane(Generic[T]):
    """One subscription's; its bounds may change with every delivery that comes."""

    __slots__ = (
        *("account", "breaker", "deferred", "heard", "held_bytes", "id", "in_flight", "limit", "per_s", "queued"),
        *("queued_bytes", "slots", "version", "_allowed", "_arrivals", "_firsts", "_laters", "_leads", "_most"),
        *("_pressed_s", "_rate", "_row", "_rules"),
    )

    def __init__(self, id_: str, account: str, rules: LaneRules, *, most: int) -> None:
        self.id = id_
        self.account = account
        self.limit = Limit(rules.in_flight, most)
        self.breaker = Breaker(rules.breaker)
        self.version = 0  # of the subscription, as its bounds are known
        self.in_flight = 0
        self.queued = 0
        self.queued_bytes = 0
        self.held_bytes = 0  # with what is under way
        self.deferred = 0  # so often since it was made
        self._rules = rules
        self._most = most
        self._allowed: tuple[float | None, int | None] = (None, None)  # the subscription's bounds, of all workers
        self.per_s: float | None = None  # this worker's share of `rate_per_s`
        self.slots: int | None = None  # and of `max_in_flight`
        self._rate = Rate()
        self._arrivals: OrderedDict[Waiting[T], None] = OrderedDict()  # all that wait, oldest first
        self._firsts: deque[Waiting[T]] = deque()  # of these, the ones that may go next
        self._laters: deque[Waiting[T]] = deque()
        self._leads: dict[str, deque[Waiting[T]] | None] = {}  # busy ones, and what waits behind
        self._row = 0  # first attempts begun since the last late one
        self.heard = Heard(rules.wait_s / 2)
        self._pressed_s = -math.inf  # when as many as may be were last under way, or half of them

    def agree(self, to: Subscription, share: float) -> None:
        """The bounds of the subscription as it is now. One that was changed may have another receiver: a new start."""
        if self.version not in {0, to.version}:
            self.limit, self.breaker = Limit(self._rules.in_flight, self._most), Breaker(self._rules.breaker)
            self._pressed_s = -math.inf
            self.heard.forget()
        self.version, self._allowed = to.version, (to.rate_per_s, to.max_in_flight)
        self.reshare(share)

    def reshare(self, share: float) -> None:
        """This worker's share of what the subscription allows to all; one request at once is allowed to each."""
        per_s, in_flight = self._allowed
        self.per_s = None if per_s is None else per_s * share
        self.slots = None if in_flight is None else max(1, int(in_flight * share))

    # -- what comes

    def add(self, one: Waiting[T]) -> None:
        """It waits here."""
        self.queued += 1
        self.queued_bytes += one.size
        self.held_bytes += one.size
        self._arrivals[one] = None
        if one.lead is None:
            self._laters.append(one)
        elif one.lead not in self._leads:
            self._leads[one.lead] = None
            one.leads = True
            self._firsts.append(one)
        elif (behind := self._leads[one.lead]) is not None:
            behind.append(one)
        else:
            self._leads[one.lead] = deque((one,))

    def full(self, now_s: float, queue: int) -> bool:
        """Whether it takes no more: so many wait, or the oldest has waited for half of what it may."""
        return self.queued >= min(queue, self._rules.queue) or self.slow(now_s)

    def slow(self, now_s: float) -> bool:
        """Whether the oldest has waited for half of what it may: what would come now might not go in time."""
        oldest = next(iter(self._arrivals), None)
        return oldest is not None and now_s - oldest.since_s >= self._rules.wait_s / 2

    # -- what goes

    def ready(self, now_s: float) -> bool:
        """Whether something may begin now, as far as this receiver is concerned."""
        if not self.eager or self.in_flight >= self.bound or self.breaker.blocks(now_s):
            return False
        return self.per_s is None or self._rate.ready_s(self.per_s) <= now_s

    def take(self, now_s: float) -> Waiting[T] | None:
        """The next, which begins now; None when nothing waits any more. Asked when it is `ready`."""
        while (one := self._next()) is not None:
            if not one.gone:
                self._leave(one)
                one.begun_s = now_s
                self.heard.asked(now_s)
                one.probe = self.breaker.begin()
                one.standing, one.version = self.heard.standing(now_s), self.version
                self.in_flight += 1
                if self.limit.near(self.in_flight):
                    self._pressed_s = now_s
                if self.per_s is not None:
                    self._rate.take(self.per_s, now_s)
                return one
        return None

    def over(self, one: Waiting[T], outcome: Outcome, now_s: float) -> Circuit | None:
        """An attempt is over; what the circuit has become by it, or None when it is open or closed as before."""
        self.in_flight -= 1
        self.held_bytes -= one.size
        self._release(one)
        if one.version != self.version:
            return None  # it says nothing of the receiver that there is now
        if outcome is Outcome.OK:
            self.heard.answered(now_s)
            if one.begun_s <= self._pressed_s:
                self.limit.succeeded()
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
        elif one.probe:
            return None  # the probe failed
        return became

    def overdue(self, now_s: float) -> list[Waiting[T]]:
        """What has waited for too long, or waits at an open circuit, oldest first."""
        if self.breaker.state is Circuit.OPEN and self.breaker.blocks(now_s):
            return list(self._arrivals)
        since_s = now_s - self._rules.wait_s
        return list(takewhile(lambda one: one.since_s <= since_s, self._arrivals))

    def remove(self, one: Waiting[T]) -> None:
        """It does not wait any more, and was not begun."""
        self._leave(one)
        self.held_bytes -= one.size
        self._release(one)
        for queue in (self._firsts, self._laters):
            while queue and queue[0].gone:
                queue.popleft()

    # -- how it is

    @property
    def bound(self) -> int:
        """How many may be under way at once."""
        return self.limit.value if self.slots is None else min(self.limit.value, self.slots)

    @property
    def eager(self) -> bool:
        """Whether one waits that no other of its lead is before."""
        return bool(self._firsts or self._laters)

    @property
    def idle(self) -> bool:
        return not self.in_flight and not self.queued

    def quiet(self, now_s: float) -> bool:
        """Whether it may be forgotten: neither its circuit nor its rate knows anything that a new one would not."""
        return self.breaker.quiet(now_s) and (self.per_s is None or self._rate.quiet(self.per_s, now_s))

    @property
    def at_its_slots(self) -> bool:
        """Whether as many are under way as `max_in_flight` allows here."""
        return self.slots is not None and self.in_flight >= self.slots

    def waits_for_rate(self, now_s: float) -> bool:
        return self.per_s is not None and self.in_flight < self.bound and self._rate.ready_s(self.per_s) > now_s

    def next_s(self) -> float:
        """When it may go on though nothing else happens; never, if it waits for an answer or has nothing to send."""
        if not self.eager or self.in_flight >= self.bound or self.per_s is None:
            return math.inf
        return self._rate.ready_s(self.per_s)

    def _next(self) -> Waiting[T] | None:
        if self._firsts and (self._row < FIRSTS_IN_A_ROW or not self._laters):
            self._row += 1
            return self._firsts.popleft()
        self._row = 0
        return self._laters.popleft() if self._laters else None

    def _leave(self, one: Waiting[T]) -> None:
        one.gone = True
        del self._arrivals[one]
        self.queued -= 1
        self.queued_bytes -= one.size

    def _release(self, one: Waiting[T]) -> None:
        """The next of its lead, if one waits, may go; it came before all that are ready, and is first."""
        if not one.leads or one.lead is None:
            return
        behind = self._leads[one.lead]
        while behind:
            following = behind.popleft()
            if not following.gone:
                following.leads = True
                self._firsts.appendleft(following)
                return
        del self._leads[one.lead]
