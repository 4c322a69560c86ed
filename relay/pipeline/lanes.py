"""
Every receiver in a lane of its own, and all of them in the places that the worker has (promise P6). Pure.

Of what comes it is said at once what becomes of it: it waits in its lane, or it is put off; or its reader should wait,
since not the receiver is slow but the worker. What may begin is asked for with `next`: the account with the fewest
requests under way goes first, so that a flood of one leaves the others as they were.
"""

from collections.abc import Callable, Iterator
from enum import Enum, auto
from typing import Generic, TypeVar

from relay.model import Reason, Subscription
from relay.pipeline.able import Able
from relay.pipeline.allowance import Allowance
from relay.pipeline.breaker import Circuit
from relay.pipeline.known import Known
from relay.pipeline.lane import Lane, LaneRules, Outcome
from relay.pipeline.places import Places
from relay.pipeline.queue import Waiting

T = TypeVar("T")

QUEUED = 5_000  # deliveries that wait in all lanes together, some 3 kB each; then each lane has a part of these
QUEUED_SHARE = 0.5  # of the byte budget, likewise;
FULL_SHARE = 0.625  # and then each that has something takes no more: those that came first have more than their part


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
        self.held_bytes = 0  # with what is under way
        self._share = 0.0
        self._rules, self._may = rules, may
        self._most_bytes, self._full_bytes = int(buffer_bytes * QUEUED_SHARE), int(buffer_bytes * FULL_SHARE)
        self._known: Known[T] = Known()
        self._busy: dict[str, dict[str, Lane[T]]] = {}  # account -> its lanes with work
        self._able: Able[T] = Able(self.places)
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
        full = lane.full(now_s, self._queue_of(lane, now_s))
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
        self.held_bytes += size
        self._able.put(lane)
        return None

    def waited(self, seconds: float) -> None:
        """A reader has waited so long for a moment."""
        self._allowance.spent(seconds)

    # -- what goes

    def next(self, now_s: float) -> Waiting[T] | None:
        """What begins now, fairest first; None when nothing may, or nothing waits."""
        while (lane := self._able.fairest(now_s)) is not None:
            one = lane.take(now_s, self._may)
            if not lane.queue.eager:
                self._able.drop(lane)
            if one is not None:
                self._gone(one)
                self.places.take(lane.account, one.standing)
                return one
        return None

    def recall(self) -> None:
        """What was not to begin for its record's sake is asked again: the fate of some has become known."""
        for lane in self._queues():
            if lane.queue.recall():
                self._able.put(lane)

    def over(self, one: Waiting[T], outcome: Outcome, now_s: float) -> Circuit | None:
        """An attempt is over, and its place is free; what its lane's circuit has become by it, or None."""
        became = one.lane.over(one, outcome, now_s)
        self.places.leave(one.lane.account, one.standing)
        self.held_bytes -= one.size
        self._changed(one.lane, now_s)
        self._able.freed()
        return became

    def answers(self, id_: str) -> bool:
        """Whether the receiver of this subscription did when it was last heard of."""
        lane = self._known.get(id_)
        return lane is not None and lane.heard.answers

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
        self.held_bytes -= one.size
        self._gone(one)
        self._changed(one.lane, now_s)

    # -- time and chance

    def tick(self, now_s: float) -> None:
        """Lanes that waited for this time may go on."""
        self._able.tick(now_s)

    def next_s(self) -> float:
        """When the next of them may; never, if there is none."""
        return self._able.next_s()

    def reshare(self, share: float) -> None:
        """This worker's share of what a subscription's bounds allow to all of them: of all partitions, those it has."""
        self._share = share
        for lane in self._known:
            lane.reshare(share)
        for lane in self._queues():  # without a share there was no time for them, and with another there is another
            self._able.put(lane)

    def forget(self, now_s: float) -> None:
        """Lanes without work are forgotten in time, or when there are too many."""
        self._known.forget(now_s)

    # -- how they are

    def __iter__(self) -> Iterator[Lane[T]]:
        return iter(self._known)

    def __len__(self) -> int:
        return len(self._known)

    def _lane(self, to: Subscription, now_s: float) -> Lane[T]:
        lane = self._known.get(to.id)
        if lane is None or (lane.account != to.account_id and lane.idle):
            lane = Lane(to.id, to.account_id, self._rules, most=self.places.total)
            self._known.add(lane, now_s)
        if lane.agreed != (to.created_at, to.version):
            lane.agree(to, self._share)
        return lane

    def _queues(self) -> Iterator[Lane[T]]:
        """Lanes in which something waits."""
        return (lane for lanes in self._busy.values() for lane in lanes.values() if lane.queue)

    def _queue_of(self, lane: Lane[T], now_s: float) -> int:
        """
        How many may wait there: its part of what may wait in all, once that is reached. Where a receiver does not
        answer, what is under way stays for as long as what waits, and takes its room.
        """
        if self.queued < QUEUED and self.held_bytes < self._most_bytes:
            return self._rules.queue
        in_all, in_this = self.queued_bytes, lane.queue.size
        if not lane.heard.well(now_s):
            in_all, in_this = self.held_bytes, lane.held_bytes
        if self.queued < QUEUED and in_all < self._most_bytes:
            return self._rules.queue
        busy = self.places.lanes
        if in_all >= self._most_bytes and (
            in_this * busy >= self._most_bytes or (in_this and in_all >= self._full_bytes)
        ):
            return 0
        return max(1, QUEUED // busy)

    def _hold(self, lane: Lane[T], now_s: float) -> Hold | None:
        """Whether its reader should wait: no bound of the subscription's own is met, and nobody is held up for long."""
        if lane.at_its_slots or self._only_by_rate(lane, now_s):
            return None
        if self._fair(lane) and (lane.heard.well(now_s) or not lane.queue) and not self._place(lane, now_s):
            return Hold.FOR_A_PLACE
        if lane.slow(now_s) or not lane.heard.hopeful(now_s):
            return None
        if lane.limit.growing:
            return Hold.TO_GROW
        return Hold.A_MOMENT if self._allowance.left(now_s) else None

    def _fair(self, lane: Lane[T]) -> bool:
        """
        Whether neither it nor its account has more than an equal part of the places, of all that had work lately: what
        is theirs may stand behind this one's in the log, so that it is held up with it.
        """
        of_account, of_lane = (max(1, self.places.total // many) for many in (self._known.accounts, len(self._known)))
        return self.places.of(lane.account) <= of_account and lane.in_flight <= of_lane

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
        return self.places.free(lane.account, has=lane.in_flight, standing=lane.heard.standing(now_s))

    # -- whose turn it is to be remembered

    def _gone(self, one: Waiting[T]) -> None:
        """It does not wait any more."""
        self.queued -= 1
        self.queued_bytes -= one.size

    def _changed(self, lane: Lane[T], now_s: float) -> None:
        """It may begin something, or has nothing left to do."""
        if lane.queue:
            self._able.put(lane)
        elif not lane.in_flight:
            self._rest(lane, now_s)

    def _wake(self, lane: Lane[T]) -> None:
        self._known.works(lane)
        self._busy.setdefault(lane.account, {})[lane.id] = lane
        self._share_places()

    def _rest(self, lane: Lane[T], now_s: float) -> None:
        del self._busy[lane.account][lane.id]
        if not self._busy[lane.account]:
            del self._busy[lane.account]
        self._able.drop(lane)
        self._known.rests(lane, now_s)
        self._share_places()

    def _share_places(self) -> None:
        self.places.accounts = len(self._busy) or 1
        self.places.lanes = self._known.working or 1
