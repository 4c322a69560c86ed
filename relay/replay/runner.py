"""
The runs that there are, carried on. Edge.

Several processes share them: who carries a run on has its name in it, and writes it again every few seconds at least. A
run without a name, or whose name has been silent for LEASE_S, is taken by whoever sees it first; where two do at once,
the transactional id decides.

Paced, so that nothing waits behind a replay: no more than MOST_AHEAD records that workers have not settled are in
`.now`, shared alike by the runs that go on. Workers commit once a second, so that is also about what all replays
together send in a second, however fast their receivers are: live traffic, which nothing bounds, goes at many times
that. A slow receiver holds what its run has sent before others came, and not their shares too: so there may be more
for a while, and never more than MOST_AT_ALL.
"""

import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field

import structlog
from aiokafka.errors import KafkaError

from relay.clock import Clock
from relay.config import Config
from relay.ending import unless, within
from relay.errors import RelayError
from relay.model import State
from relay.replay.backlog import Backlog
from relay.replay.board import Board
from relay.replay.carry import Carry, Hindsight
from relay.replay.outbox import Outbox, Overtaken
from relay.replay.runs import is_old
from relay.replay.values import MOST_AT_ONCE, Run
from relay.store.edits import Unreadable

log = structlog.get_logger()

MOST_AHEAD = MOST_AT_ONCE  # a lane takes 1,000 and has 5 s for them: a test send behind these is out within 2 s
MOST_AT_ALL = 3 * MOST_AHEAD  # what eight runs come to when each holds its share of when it came: 1 + 1/2 ... + 1/8
MOST_RUNS = 8  # carried on at once: each has three connections
MOST_OF_ONE = 2  # account's: a place stays with its run until that is over, and big ones take hours
LEASE_S = 10.0  # as long as a killed worker's partitions stand still
LOOK_S = 0.1  # between looks while everything waits for room
IDLE_S = 2.0  # while nothing is ours
AGAIN_S = 2.0  # before a run that met trouble is taken on again
RELEASE_S = 2.0  # of the 5 that a console takes to end
SWEEP_S = 3600.0  # between looks for runs that were over long ago


@dataclass(frozen=True, slots=True)
class Heard:
    """When a run was heard of last, by our own clock: another's may be off."""

    updated_at: str
    at_s: float


@dataclass(slots=True, kw_only=True)
class Runner:
    """Carries on what the board shows."""

    config: Config
    board: Board
    transactions: bool
    history: Hindsight | None
    clock: Clock
    worker: str  # its name; no other process has it
    _carried: dict[str, tuple[Carry, AsyncExitStack]] = field(default_factory=dict)
    _heard: dict[str, Heard] = field(default_factory=dict)
    _later: dict[str, float] = field(default_factory=dict)  # runs that met trouble, and until when they rest
    _sweep_s: float = 0.0

    async def work(self, stop: asyncio.Event, *, only: str | None = None) -> None:
        """
        Until told to stop; or, of one run alone, until it is over. Never raises for trouble of the broker's.

        What is ours is released at the end, so that others need not wait until we are taken for dead.
        """
        try:
            while not (stop.is_set() or self._is_over(only)):
                try:
                    async with Backlog(self.config) as backlog:
                        while not (stop.is_set() or self._is_over(only)):
                            await self._round(stop, only, backlog)
                except (KafkaError, RelayError, TimeoutError, OSError) as error:
                    log.warning("runs.troubled", error=repr(error))
                    await unless(stop, asyncio.sleep(AGAIN_S))
        finally:
            await asyncio.gather(*(_released(carry, stack) for carry, stack in self._carried.values()))

    async def _round(self, stop: asyncio.Event, only: str | None, backlog: Backlog) -> None:
        self.board.changed.clear()
        await self._forget_old()
        running = [one for one in self.board.runs.values() if not one.is_over]  # others are kept for 30 d
        for run in sorted(running, key=lambda one: (one.created_at, one.id)):
            if only in {None, run.id} and len(self._carried) < MOST_RUNS and self._is_free(run):
                await self._take(run)
        now = await backlog.look() if self._carried else {}
        room = MOST_AT_ALL - sum(one.count for one in now.values())
        share = MOST_AHEAD // max(1, len(self._carried))
        moved = False
        for carry, stack in list(self._carried.values()):
            sent = await self._step(carry, stack, min(room, share - carry.ahead(now)))
            room -= sent or 0
            moved |= sent is not None
        if not moved:
            await self._rest(stop, LOOK_S if self._carried else IDLE_S)

    async def _rest(self, stop: asyncio.Event, seconds: float) -> None:
        """Until something has changed, for so long at most."""

        async def changed() -> None:
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self.board.changed.wait()

        await unless(stop, changed())

    def _is_over(self, only: str | None) -> bool:
        run = None if only is None else self.board.runs.get(only)
        return only is not None and (run is None or run.is_over)

    def _is_free(self, run: Run) -> bool:
        """Whether it is for us to take: not over, possible here, with something to do, and nobody's or silent."""
        now_s = self.clock.monotonic()
        if run.is_over or run.id in self._carried or now_s < self._later.get(run.id, 0.0):
            return False
        if run.undelivered and self.history is None:
            return False
        if sum(one.run.account_id == run.account_id for one, _ in self._carried.values()) >= MOST_OF_ONE:
            return False
        heard = self._heard.get(run.id)
        if heard is None or heard.updated_at != run.updated_at:
            heard = self._heard[run.id] = Heard(run.updated_at, now_s)
        to = self.board.owner(run)
        is_held = isinstance(to, Unreadable) or (to is not None and to.state is not State.ACTIVE)
        if run.worker is None and run.why is not None and is_held:
            return False  # it waits for its subscription, and says so
        return run.worker in {None, self.worker} or now_s - heard.at_s >= LEASE_S

    async def _take(self, run: Run) -> None:
        """Ours; or somebody else was faster, or it met trouble, and rests."""
        carry = Carry(
            self.config,
            self.board,
            run,
            transactions=self.transactions,
            history=self.history,
            clock=self.clock,
            worker=self.worker,
        )
        stack = AsyncExitStack()
        try:
            self._carried[run.id] = (await stack.enter_async_context(carry), stack)
        except Exception as error:  # noqa: BLE001  also a fault of the client's: the other runs go on
            self._trouble(run, error)
        else:
            log.info("run.taken", **_told(carry.run))

    async def _step(self, carry: Carry, stack: AsyncExitStack, room: int) -> int | None:
        """As of `Carry.step`; one that is no longer ours, or in trouble, is let go."""
        sent: int | None = None
        try:
            sent = await carry.step(room)
            if carry.is_ours:
                return sent
            log.info("run.left", **_told(carry.run))
        except (KafkaError, RelayError, TimeoutError) as error:
            self._trouble(carry.run, error)
        except Exception as error:
            log.exception("run.failed", **_told(carry.run))
            with suppress(KafkaError, RelayError, TimeoutError):
                await carry.fail(f"a fault of relay's own ({type(error).__name__}): the console's log has it")
        del self._carried[carry.run.id]
        await stack.aclose()
        return sent or 0

    def _trouble(self, run: Run, error: Exception) -> None:
        self._later[run.id] = self.clock.monotonic() + AGAIN_S
        if isinstance(error, Overtaken):
            log.info("run.overtaken", **_told(run), reason=str(error))
        else:
            log.warning("run.troubled", **_told(run), error=repr(error))

    async def _forget_old(self) -> None:
        """Runs that were over long ago get a tombstone: compaction alone would keep them for ever."""
        if self.clock.monotonic() < self._sweep_s:
            return
        self._sweep_s = self.clock.monotonic() + SWEEP_S
        if old := [one.id for one in self.board.runs.values() if is_old(one, self.clock.now_ms())]:
            async with Outbox(self.config) as outbox:
                for run_id in old:
                    await outbox.forgotten(run_id)


async def _released(carry: Carry, stack: AsyncExitStack) -> None:
    """Others need not wait until we are taken for dead; where the broker does not say so in time, they do."""
    async with stack:
        with suppress(KafkaError, RelayError, TimeoutError):
            await within(carry.release(carry.run.why), RELEASE_S, TimeoutError())


def _told(run: Run) -> Mapping[str, object]:
    return {"run_id": run.id, "subscription_id": run.subscription_id, "state": run.state.value, "sent": run.sent}
