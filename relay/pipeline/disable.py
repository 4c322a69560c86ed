"""
Subscriptions whose endpoints say again and again that they are gone, or take nothing for RELAY_DISABLE_AFTER, are
disabled (DESIGN.md section 7). Edge.

Beside the deliveries, never in their way: asked without waiting, done by a task of its own, and whatever gathered
meanwhile in one edit, for an edit reads all subscriptions. What could not be done is let go: the next failure asks
again.

Every worker may come to the same conclusion. The first to write is the one that did it; the others find that the
subscription is no longer what they called, and leave it.

The embedded broker, which fences no rival, is written to as plainly as everybody does there: it is for one worker and
for trying things out, and an edit made within the same milliseconds could be lost.
"""

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import structlog

from relay.clock import Clock
from relay.ending import watched
from relay.errors import Conflict, NotFound, Unreachable
from relay.model import State, Subscription, SubscriptionId
from relay.pipeline.health import Dead, Gone
from relay.pipeline.results import rfc3339
from relay.store.edits import Changes, Edit, Existing, change, touched

log = structlog.get_logger()

BY = "relay worker"  # `updated_by` of what it disabled
MOST_WAITING = 1_000  # subscriptions for the next edit: a host that is gone may have had as many
EDIT_S = 120.0  # of one try: a million subscriptions are read, or thirty rivals are let go first
PAUSES_S = (1.0, 5.0, 30.0)  # between tries: a broker that restarts is back by then


@dataclass(frozen=True, slots=True)
class Wish:
    """That this subscription be disabled, as it was called."""

    called: Subscription
    because: Gone | Dead
    status: int | None  # what its endpoint answered last; None: nothing


def disabling(wishes: Sequence[Wish], refused: dict[SubscriptionId, str], *, now_ms: int) -> Edit:
    """
    Disables each that is still what was called.

    Args:
        wishes: Which.
        refused: Holds, after the edit, why each of the others was left as it is.
        now_ms: Becomes `updated_at`.
    """

    def edit(existing: Existing) -> Changes:
        refused.clear()
        changes: dict[SubscriptionId, Subscription | None] = {}
        for wish in wishes:
            called = wish.called
            if existing.get(called.id) == touched(_disabled(wish, called), by=BY, now_ms=now_ms):
                continue  # by a try of ours whose answer was lost
            try:
                changes |= _change(wish, now_ms)(existing)
            except (Conflict, NotFound) as why:
                refused[called.id] = str(why)
        return changes

    return edit


def _change(wish: Wish, now_ms: int) -> Edit:
    def alter(old: Subscription) -> Subscription:
        if old.created_at != wish.called.created_at:
            raise Conflict(f"{old.id} was made anew")
        return _disabled(wish, old)

    return change(wish.called.id, alter, by=BY, now_ms=now_ms, version=wish.called.version)


def _disabled(wish: Wish, old: Subscription) -> Subscription:
    since = rfc3339(wish.because.since_ms)
    match wish.because:
        case Gone():
            reason = f"its endpoint has answered 410 (gone) again and again since {since}"
        case Dead():
            reason = f"its endpoint has taken nothing since {since}, for longer than RELAY_DISABLE_AFTER"
    return dataclasses.replace(old, state=State.DISABLED, state_reason=reason, state_at="")


class Disable:
    """Takes wishes at any time, without waiting."""

    def __init__(self, edit: Callable[[Edit], Awaitable[Changes]], *, clock: Clock) -> None:
        self._edit = edit
        self._clock = clock
        self._waiting: dict[SubscriptionId, Wish] = {}
        self._asked = asyncio.Event()

    def ask(self, wish: Wish) -> None:
        """It is tried soon; not where too many wait already: its next failure asks again."""
        if len(self._waiting) < MOST_WAITING or wish.called.id in self._waiting:
            self._waiting[wish.called.id] = wish
            self._asked.set()

    async def run(self, done: Callable[[Wish], None]) -> None:
        """
        Edit until cancelled. Never raises for trouble of the broker's.

        Args:
            done: Told of each subscription that is disabled by now.
        """
        while True:
            await self._asked.wait()
            self._asked.clear()
            wishes, self._waiting = tuple(self._waiting.values()), {}
            refused: dict[SubscriptionId, str] = {}
            if await self._made(disabling(wishes, refused, now_ms=self._clock.now_ms()), len(wishes)):
                for wish in wishes:
                    if wish.called.id in refused:
                        log.info("subscription.kept", subscription_id=wish.called.id, reason=refused[wish.called.id])
                    else:
                        done(wish)

    async def _made(self, edit: Edit, count: int) -> bool:
        for pause_s in (*PAUSES_S, None):
            try:
                await watched(self._write(edit), self._overdue())
            except Exception as error:  # noqa: BLE001  a client raises whatever it dies of; no delivery depends on this
                log.warning("disabling.troubled", error=repr(error), subscriptions=count, retry_in_s=pause_s)
                if pause_s is not None:
                    await self._clock.sleep(pause_s)
            else:
                return True
        return False

    async def _write(self, edit: Edit) -> None:
        await self._edit(edit)

    async def _overdue(self) -> Unreachable:
        await self._clock.sleep(EDIT_S)
        return Unreachable(f"the subscriptions could not be edited within {EDIT_S:.0f} s")
