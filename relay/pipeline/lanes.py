"""
Every receiver in a lane of its own, and all of them in the places that the worker has (promise P6). Pure.

Of what comes it is said at once what becomes of it: it waits in its lane, or it is put off; or its reader should wait,
since not the receiver is slow but the worker. What may begin is asked for with `next`: the account with the fewest
requests under way goes first, so that a flood of one leaves the others as they were.

A lane is made when something comes for it, and forgotten when nothing has for a while.
"""

import math
from collections import OrderedDict
from collections.abc import Callable, Iterator
from enum import Enum, auto
from itertools import islice
from typing import Generic, TypeVar

from relay.model import Reason, Subscription
from relay.pipeline.alarms import Alarms
from relay.pipeline.allowance import Allowance
from relay.pipeline.breaker import Circuit
from relay.pipeline.lane import Lane, LaneRules, Outcome
from relay.pipeline.places import Places
from relay.pipeline.queue import Waiting

T = TypeVar("T")

QUEUED = 5_000  # deliveries that wait in all lanes together, some 3 kB each; then each lane has a part of these
QUEUED_SHARE = 0.5  # of the byte budget, likewise
LOOKED_AT = 16  # lanes that could begin something, of which the fairest does; the others are looked at next time
LOOKS = 8  # so often one after another, when none of those has a place: few are left then, and most of these lanes hang
IDLE_S = 60.0  # a lane without work is remembered for so long: what its limit has grown to, and what failed lately
IDLE_LANES = 1_000  # and so many of them at most, 3 kB each,
IDLE_FAILING = 10_000  # but for those of which failures are known


class Hold(Enum):
    """Nothing has become of it: its reader waits until something is over, and offers it again."""

    FOR_A_PLACE = auto()  # there is more to do than the worker has places for
    TO_GROW = auto()  # the receiver has yet to show how much it takes, and does so within seconds
    A_MOMENT = auto()  # it is well, but slower than what comes; `waited` is to be told of it


class Lanes(Generic[T]):
    """All lanes of one worker."""

    def __init__(
        self, rules: LaneRules, *, places: int, buffer_bytes: int, may: Callable[[T], bool] = lambda _: True
    ) -> None:
        """
        Args:
            rules: Of each lane.
            places: RELAY_IN_FLIGHT.
            buffer_bytes: RELAY_BUFFER_BYTES.
            may: Whether a delivery may begin, as far as its record is concerned; what may not takes no place, and is
                asked again after `recall`.
        """
        self.places = Places(places)
        self.queued = 0
        self.queued_bytes = 0
        self._share = 0.0
        self._rules = rules
        self._may = may
        self._most_bytes = int(buffer_bytes * QUEUED_SHARE)
        self._lanes: dict[str, Lane[T]] = {}
        self._idle: OrderedDict[str, float] = OrderedDict()  # lanes without work, and since when
        self._busy: dict[str, dict[str, Lane[T]]] = {}  # account -> its lanes with work
        self._able: OrderedDict[str, Lane[T]] = OrderedDict()  # lanes that may begin something, as far as is known
        self._paced: Alarms[Lane[T]] = Alarms()  # lanes that wait for a time: of their rate, their circuit, their limit
        self._allowance = Allowance()

    # -- what comes

    def offer(self, work: T, to: Subscription, *, lead: str | None, size: int, now_s: float) -> Reason | Hold | None:
        """
        A delivery for this subscription.

        Args:
            work: It.
            to: The subscription, as it is now.
            lead: Of a first attempt: those of one lead go one after another. None: it may overlap others.
            size: Bytes that it holds.
            now_s: Monotonic.

        Returns:
            None: it waits in its lane, for `next` or `overdue` to give it out. A reason: put it off. A hold: its reader
            waits, and offers it again.
        """
        lane = self._lane(to, now_s)
        if lane.breaker.blocks(now_s):
            lane.deferred += 1
            return Reason.CIRCUIT_OPEN
        full = lane.full(now_s, self._queue_of(lane))
        if full or (self.queued >= QUEUED and not self._place(lane, now_s)):
            hold = self._hold(lane, now_s)
            if hold is None:
                lane.deferred += 1
                return self._why(lane, now_s)
            return hold
        if lane.idle:
            self._wake(lane)
        lane.queue.add(Waiting(lane, work, lead=lead, size=size, since_s=now_s))
        self.queued += 1
        self.queued_bytes += size
        self._able[lane.id] = lane
        return None

    def waited(self, seconds: float) -> None:
        """A reader has waited so long for a moment."""
        self._allowance.spent(seconds)

    # -- what goes

    def next(self, now_s: float) -> Waiting[T] | None:
        """What begins now, fairest first; None when nothing may, or nothing waits."""
        while (lane := self._fairest(now_s)) is not None:
            one = lane.take(now_s, self._may)
            if not lane.queue.eager:
                del self._able[lane.id]
                self._paced.discard(lane.id)
            if one is not None:
                self._gone(one)
                self.places.take(lane.account)
                return one
        return None

    def recall(self) -> None:
        """What was not to begin for its record's sake is asked again: the fate of some has become known."""
        for lane in self._queues():
            if lane.queue.recall():
                self._able[lane.id] = lane

    def over(self, one: Waiting[T], outcome: Outcome, now_s: float) -> Circuit | None:
        """An attempt is over, and its place is free; what its lane's circuit has become by it, or None."""
        became = one.lane.over(one, outcome, now_s)
        self.places.leave(one.lane.account)
        self._changed(one.lane, now_s)
        return became

    def overdue(self, now_s: float) -> list[tuple[Waiting[T], Reason]]:
        """What has waited for too long, and why; each is to be removed, or waits on."""
        found: list[tuple[Waiting[T], Reason]] = []
        for lane in self._queues():
            if late := lane.overdue(now_s):
                why = self._why(lane, now_s)
                found += [(one, why) for one in late]
        return found

    def waiting(self) -> list[Waiting[T]]:
        """All that waits."""
        return [one for lane in self._queues() for one in lane.queue.arrived()]

    def remove(self, one: Waiting[T], now_s: float, *, deferred: bool = True) -> None:
        """It is put off, or given up: it does not wait any more, and was not begun."""
        one.lane.queue.remove(one)
        one.lane.deferred += deferred
        self._gone(one)
        self._changed(one.lane, now_s)

    # -- time and chance

    def tick(self, now_s: float) -> None:
        """Lanes that waited for this time may go on."""
        for lane in self._paced.due(now_s):
            if lane.queue:
                self._able[lane.id] = lane

    def next_s(self) -> float:
        """When the next of them may; never, if there is none."""
        return self._paced.next_s()

    def reshare(self, share: float) -> None:
        """This worker's share of what a subscription's bounds allow to all of them: of all partitions, those it has."""
        self._share = share
        for lane in self._lanes.values():
            lane.reshare(share)
        self._able.update((lane.id, lane) for lane in self._queues())  # without a share there was no time for them

    def forget(self, now_s: float) -> None:
        """Lanes without work are forgotten in time, or when there are too many."""
        for id_ in list(islice(self._idle, IDLE_LANES)):
            if len(self._idle) <= IDLE_LANES and self._idle[id_] > now_s - IDLE_S:
                return
            if self._lanes[id_].breaker.quiet(now_s) or len(self._idle) > IDLE_FAILING:
                del self._idle[id_], self._lanes[id_]
            else:
                self._idle[id_] = now_s
                self._idle.move_to_end(id_)

    # -- how they are

    def __iter__(self) -> Iterator[Lane[T]]:
        return iter(self._lanes.values())

    def __len__(self) -> int:
        return len(self._lanes)

    def _lane(self, to: Subscription, now_s: float) -> Lane[T]:
        lane = self._lanes.get(to.id)
        if lane is None or (lane.account != to.account_id and lane.idle):
            lane = self._lanes[to.id] = Lane(to.id, to.account_id, self._rules, most=self.places.total)
            self._idle[lane.id] = now_s
        if lane.agreed != (to.created_at, to.version):
            lane.agree(to, self._share)
        return lane

    def _queues(self) -> Iterator[Lane[T]]:
        """Lanes in which something waits."""
        return (lane for lanes in self._busy.values() for lane in lanes.values() if lane.queue)

    def _queue_of(self, lane: Lane[T]) -> int:
        """How many may wait there: its part of what may wait in all, once that is reached."""
        if self.queued < QUEUED and self.queued_bytes < self._most_bytes:
            return self._rules.queue
        busy = sum(len(lanes) for lanes in self._busy.values())
        if self.queued_bytes >= self._most_bytes and lane.queue.size * busy >= self._most_bytes:
            return 0
        return max(1, QUEUED // max(1, busy))

    def _hold(self, lane: Lane[T], now_s: float) -> Hold | None:
        """Whether its reader should wait: no bound of the subscription's own is met, and nobody is held up for long."""
        if lane.at_its_slots or self._only_by_rate(lane, now_s):
            return None
        fair = self.places.of(lane.account) <= self.places.share
        if fair and (lane.heard.well(now_s) or not lane.queue) and not self._place(lane, now_s):
            return Hold.FOR_A_PLACE
        if lane.slow(now_s) or not lane.heard.hopeful(now_s):
            return None
        if lane.limit.growing:
            return Hold.TO_GROW
        return Hold.A_MOMENT if self._allowance.left(now_s) else None

    def _why(self, lane: Lane[T], now_s: float) -> Reason:
        if lane.breaker.blocks(now_s):
            return Reason.CIRCUIT_OPEN
        return Reason.RATE_LIMITED if self._only_by_rate(lane, now_s) else Reason.LANE_FULL

    def _only_by_rate(self, lane: Lane[T], now_s: float) -> bool:
        """Whether nothing but its rate keeps what waits there, also in the moment in which that lets the next go."""
        bounded = lane.per_s is not None and lane.in_flight < lane.bound and not lane.rests(now_s)
        return bounded and (lane.queue.eager or not lane.queue) and self._place(lane, now_s)

    def _place(self, lane: Lane[T], now_s: float) -> bool:
        """Whether the worker has one for it."""
        if self.places.plenty:
            return True
        first = not lane.in_flight and not lane.heard.bad
        return self.places.free(lane.account, first=first, well=lane.heard.well(now_s))

    def _fairest(self, now_s: float) -> Lane[T] | None:
        """Of the lanes that may begin something, one of the account with the fewest requests under way."""
        if self.places.none:
            return None
        looks = min(LOOKS, -(-len(self._able) // LOOKED_AT))
        return next((best for _ in range(looks) if (best := self._fairest_of_some(now_s)) is not None), None)

    def _fairest_of_some(self, now_s: float) -> Lane[T] | None:
        """Of those that were looked at least lately."""
        best: Lane[T] | None = None
        fewest = (math.inf, math.inf)
        for id_ in list(islice(self._able, LOOKED_AT)):
            lane = self._able[id_]
            if not lane.ready(now_s):
                del self._able[id_]  # whatever makes it able again puts it back
                if lane.next_s() < math.inf:
                    self._paced.set(id_, lane, lane.next_s())
                continue
            self._able.move_to_end(id_)
            count = (self.places.of(lane.account), lane.in_flight)
            if count < fewest and self._place(lane, now_s):
                best, fewest = lane, count
        return best

    # -- whose turn it is to be remembered

    def _gone(self, one: Waiting[T]) -> None:
        """It does not wait any more."""
        self.queued -= 1
        self.queued_bytes -= one.size

    def _changed(self, lane: Lane[T], now_s: float) -> None:
        """It may begin something, or has nothing left to do."""
        if lane.queue:
            self._able[lane.id] = lane
        elif not lane.in_flight:
            self._rest(lane, now_s)

    def _wake(self, lane: Lane[T]) -> None:
        self._idle.pop(lane.id, None)
        self._busy.setdefault(lane.account, {})[lane.id] = lane
        self.places.accounts = len(self._busy)

    def _rest(self, lane: Lane[T], now_s: float) -> None:
        del self._busy[lane.account][lane.id]
        if not self._busy[lane.account]:
            del self._busy[lane.account]
            self.places.accounts = max(1, len(self._busy))
        self._able.pop(lane.id, None)
        self._paced.discard(lane.id)
        self._idle[lane.id] = now_s
