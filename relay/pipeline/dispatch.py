"""
Deliveries into their lanes, and attempts out of them. Edge: tasks and timers; the rules are in `lanes`.

An attempt that is over goes on as the next that may begin: a task is made only where there is a place more than before.
"""

import asyncio
import math
from contextlib import suppress
from typing import NamedTuple

import structlog

from relay.model import Delivery, Reason, Verdict
from relay.pipeline.breaker import Circuit
from relay.pipeline.consume import Intake
from relay.pipeline.fan import Part
from relay.pipeline.faults import Faults
from relay.pipeline.lane import Lane, Outcome
from relay.pipeline.lanes import Hold, Lanes
from relay.pipeline.queue import Waiting
from relay.pipeline.settle import admit, put_off

log = structlog.get_logger()

SWEEP_S = 0.2  # between two looks at what has waited too long
IDLE_S = 1.0  # likewise, while nothing waits: much less than what comes meanwhile may wait
LOOK_S = 0.05  # a reader that waits for a moment looks again, though nothing was over
# Handed to their lanes, or put off, in one turn of the loop. Without a bound every place in flight is taken before the
# first answer is looked at, and a backlog holds 512 sockets to a receiver that answers in a millisecond: 130 MB where
# it takes 78, and no more done.
AT_ONCE = 16
HELD_S = 0.01  # likewise by time: most steps take microseconds, but a filter may take milliseconds, and so may many


class Work(NamedTuple):
    """One delivery, and whose it is."""

    delivery: Delivery
    part: Part
    intake: Intake


def may_begin(work: Work) -> bool:
    """Not while its partition may be another's: it would hold a place, and its rate, and wait."""
    return not work.part.fan.ledger.undecided


class Turns:
    """Work that comes in many steps gives way to what else is ready: answers that are there come first."""

    __slots__ = ("_since_s", "_steps")

    def __init__(self) -> None:
        self._steps = 0
        self._since_s = -math.inf

    async def step(self) -> None:
        """One more is done; every AT_ONCE the loop has a turn, and whenever it was held for HELD_S."""
        self._steps += 1
        if self._steps % AT_ONCE == 0:
            self._since_s = -math.inf
        await self.passed()

    async def passed(self) -> None:
        """Nothing was to be done, which may have taken its time; the loop has a turn when it was held for HELD_S."""
        now_s = asyncio.get_running_loop().time
        if now_s() - self._since_s > HELD_S:
            await asyncio.sleep(0)
            self._since_s = now_s()


class Dispatch:
    """The lanes of a worker at work."""

    def __init__(self, lanes: Lanes[Work], faults: Faults) -> None:
        self.lanes = lanes
        self.holding = 0  # readers that wait for a lane
        self._faults = faults
        self._tools = faults.tools
        self._changed = asyncio.Event()  # something is over, or was put off
        self._until_s = -math.inf  # `run` sleeps, and is woken by a lane that may go on sooner,
        self._resting = False  # and by the first delivery that waits, when none did
        self._woken = asyncio.Event()
        self._stopped = False

    @property
    def in_flight(self) -> int:
        """Attempts under way."""
        return self.lanes.places.in_flight

    async def offer(self, work: Work, *, first: bool, attempts: asyncio.TaskGroup) -> None:
        """It waits in its lane, is under way, or is put off; returns when its reader may read on."""
        delivery, part, intake = work
        tools, clock = self._tools, self._tools.clock
        while True:
            to = tools.index.get(delivery.subscription_id)  # it may have changed while we waited
            verdict = admit(delivery, to, schedule=tools.schedule, now_ms=clock.now_ms())
            if verdict is not None:
                break
            assert to is not None, "admitted without an endpoint"
            answer = self.lanes.offer(
                work,
                to.subscription,
                lead=delivery.event.lead_id if first else None,
                size=len(delivery.event.body),
                now_s=clock.monotonic(),
            )
            if answer is None:
                self._begin(attempts)
                return
            if not isinstance(answer, Hold):
                verdict = self._put_off(delivery, answer)
                break
            await self._hold(answer)
            if not await intake.admits(part.fan.ledger):
                part.abandon()
                return
        self._faults.decline(delivery, verdict, part)

    async def run(self, attempts: asyncio.TaskGroup) -> None:
        """What waits too long is put off, and what a rate held back goes on, until `stop`."""
        clock, swept_s = self._tools.clock, 0.0
        while not self._stopped:
            self._woken.clear()  # here, so that what comes while we sweep is not slept over
            self._resting = False
            self.lanes.tick(clock.monotonic())
            self._begin(attempts)
            if clock.monotonic() >= swept_s + SWEEP_S:
                swept_s = clock.monotonic()
                await self._sweep()
                self.lanes.forget(swept_s)
            self._resting = not self.lanes.queued
            look_s = clock.monotonic() + (IDLE_S if self._resting else SWEEP_S)
            self._until_s = min(self.lanes.next_s(), look_s)
            with suppress(TimeoutError):
                async with asyncio.timeout(max(self._until_s - clock.monotonic(), 0)):
                    await self._woken.wait()

    def decided(self) -> None:
        """The fate of partitions has become known: what waited for it may go."""
        self.lanes.recall()
        self._woken.set()

    def stop(self) -> None:
        """Nothing more begins; what waits is left to whoever reads it next."""
        self._stopped = True
        for one in self.lanes.waiting():
            self.lanes.remove(one, self._tools.clock.monotonic(), deferred=False)
            one.work.part.abandon()
        self._changed.set()
        self._woken.set()

    def _begin(self, attempts: asyncio.TaskGroup) -> None:
        while not self._stopped and (one := self.lanes.next(self._tools.clock.monotonic())) is not None:
            attempts.create_task(self._chain(one, attempts))
        if self.lanes.next_s() < self._until_s or (self.lanes.queued and self._resting):
            self._woken.set()

    async def _hold(self, why: Hold) -> None:
        """Until something is over; for a moment, or until there is a place."""
        began_s = self._tools.clock.monotonic()
        self.holding += 1
        self._changed.clear()
        try:
            async with asyncio.timeout(LOOK_S):
                await self._changed.wait()
        except TimeoutError:
            pass
        finally:
            self.holding -= 1
        if why is Hold.A_MOMENT:
            self.lanes.waited(self._tools.clock.monotonic() - began_s)

    def _put_off(self, delivery: Delivery, reason: Reason) -> Verdict:
        schedule, now_ms = self._tools.schedule, self._tools.clock.now_ms()
        answers = self.lanes.answers(delivery.subscription_id)
        return put_off(delivery, reason, schedule=schedule, now_ms=now_ms, answers=answers)

    async def _chain(self, one: Waiting[Work] | None, attempts: asyncio.TaskGroup) -> None:
        turns = Turns()
        while one is not None:
            outcome = Outcome.NONE
            try:
                outcome = await self._attempt(one.work)
            finally:
                now_s = self._tools.clock.monotonic()
                became = self.lanes.over(one, outcome, now_s)
                if became is not None:
                    self._tell(one.lane, became, now_s)
                self._changed.set()
            if outcome is Outcome.NONE:  # nothing was sent, so nothing was waited for
                await turns.step()
                now_s = self._tools.clock.monotonic()
            one = None if self._stopped else self.lanes.next(now_s)
            self._begin(attempts)

    def _tell(self, lane: Lane[Work], became: Circuit, now_s: float) -> None:
        """Once an outage: a probe that fails is no news."""
        whose = {"subscription_id": lane.id, "account_id": lane.account}
        if became is Circuit.OPEN:
            self._tools.metrics.circuits_opened.add()
            log.info("circuit.opened", **whose, probe_in_s=round(lane.breaker.open_until_s - now_s, 3))
        else:
            log.info("circuit.closed", **whose)

    async def _attempt(self, work: Work) -> Outcome:
        delivery, part, intake = work
        ledger = part.fan.ledger
        intake.pulse()
        if ledger.ready or await intake.admits(ledger):
            return await self._faults.attempt(delivery, part)
        part.abandon()
        return Outcome.NONE

    async def _sweep(self) -> None:
        """Those are put off that have waited for too long; while the fate of their partition is open, they wait on."""
        turns, changed = Turns(), False
        for one, reason in self.lanes.overdue(self._tools.clock.monotonic()):
            delivery, part, _ = one.work
            ledger = part.fan.ledger
            if one.gone or ledger.undecided:
                continue
            self.lanes.remove(one, self._tools.clock.monotonic(), deferred=ledger.ready)
            if ledger.ready:
                self._faults.decline(delivery, self._put_off(delivery, reason), part)
            else:
                part.abandon()
            changed = True
            await turns.step()
        if changed:
            self._changed.set()
