"""What a person may have sent, at the desk: tests, redeliveries, replays. Edge."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from relay.access.values import Principal, Scope
from relay.console.desk import whose
from relay.console.desk.means import Seat, read_field
from relay.errors import Conflict, Invalid, NotFound, Problem, Unreachable
from relay.model import Subscription
from relay.replay.singly import UNKNOWN
from relay.replay.values import MOST_AT_ONCE, Preview, Run, Wish
from relay.settings import shown
from relay.store.edits import Unreadable
from relay.store.entry import Action
from relay.store.forms import event_type as canonical
from relay.store.history.values import Delivery

NOT_FOUND = "there is no such delivery"


@dataclass(frozen=True, slots=True, kw_only=True)
class Redelivered:
    """What became of each delivery that was asked for."""

    runs: tuple[str, ...]  # one of each subscription that anything was sent to
    outcomes: Mapping[str, str | None]  # by delivery id, as asked; None: it is on its way, else why it is not


class Sending(Seat):
    """To look takes the scope `read`, to send `write`."""

    async def test(self, who: Principal, subscription_id: str, *, event_type: str = "lead.updated") -> str:
        """A test send is on its way: one attempt, of an event that relay makes. The id of its delivery."""
        who.require(Scope.WRITE)
        subscription = self._subscription(who, subscription_id)
        kind = read_field("event_type", event_type, canonical)
        delivery_id = await self._means.replays.get().test(subscription, event_type=kind)
        await self._audit(who, Action.TESTED, subscription.account_id, subscription.id, delivery_id=delivery_id)
        return delivery_id

    async def redeliver(self, who: Principal, delivery_ids: Sequence[str]) -> Redelivered:
        """These are sent once more, each from its first attempt; what is another's is not found."""
        who.require(Scope.WRITE)
        ids = list(dict.fromkeys(delivery_ids))
        if not 1 <= len(ids) <= MOST_AT_ONCE:
            raise Invalid(Problem("deliveries", f"takes 1 to {MOST_AT_ONCE}: a replay sends more", str(len(ids))))
        outcomes: dict[str, str | None] = dict.fromkeys(ids, NOT_FOUND)
        of: dict[str, list[Delivery]] = {}
        for one in ids:
            detail = await self._means.history.delivery(one, account=who.account)
            if detail is not None:
                of.setdefault(detail.delivery.subscription_id, []).append(detail.delivery)
        if not of:
            raise NotFound(NOT_FOUND)
        runs: list[str] = []
        for subscription_id, deliveries in of.items():
            try:
                subscription = self._subscription(who, subscription_id)
                async with self._means.asking.of(who.account):
                    run_id, told = await self._means.replays.get().redeliver(subscription, deliveries, by=who.name)
            except (NotFound, Conflict) as why:
                outcomes |= {one.delivery_id: str(why) for one in deliveries}
                continue
            except Unreachable:
                if not runs:
                    raise  # nothing was sent, and all of it may be asked for again
                outcomes |= {one.delivery_id: UNKNOWN for one in deliveries}
                continue
            outcomes |= told
            if sent := sum(one is None for one in told.values()):
                runs.append(run_id)
                details = {"run_id": run_id, "deliveries": sent}
                await self._audit(who, Action.REDELIVERED, subscription.account_id, subscription_id, **details)
        return Redelivered(runs=tuple(runs), outcomes=outcomes)

    async def preview(self, who: Principal, subscription_id: str, wish: Wish) -> Preview:
        """What a replay would send, before there is one."""
        who.require(Scope.WRITE)
        subscription = self._subscription(who, subscription_id)
        async with self._means.asking.of(who.account):
            return await self._means.replays.get().preview(subscription, wish)

    async def replay(self, who: Principal, subscription_id: str, wish: Wish) -> Run:
        """A replay is there, and is carried on by whichever console there is."""
        who.require(Scope.WRITE)
        subscription = self._subscription(who, subscription_id)
        run = await self._means.replays.get().start(subscription, wish, by=who.name)
        await self._audit(who, Action.REPLAY_STARTED, subscription.account_id, run.id, subscription_id=subscription.id)
        return run

    async def cancel(self, who: Principal, run_id: str) -> Run:
        """Nothing more of it is sent."""
        who.require(Scope.WRITE)
        run = await self._means.replays.get().cancel((await self.run(who, run_id)).id, by=who.name)
        await self._audit(who, Action.REPLAY_CANCELLED, run.account_id, run.id, subscription_id=run.subscription_id)
        return run

    async def runs(self, who: Principal) -> list[Run]:
        """What was sent again, newest first."""
        who.require(Scope.READ)
        return self._means.replays.get().runs(account=who.account)

    async def run(self, who: Principal, run_id: str) -> Run:
        """One of them."""
        who.require(Scope.READ)
        one = self._means.replays.get().run(run_id, account=who.account)
        if one is None:
            raise NotFound(f"there is no run {shown(run_id)}")
        return one

    def _subscription(self, who: Principal, subscription_id: str) -> Subscription:
        """
        Raises:
            NotFound: There is none that they may see.
            Conflict: It cannot be read.
        """
        one = whose.there(who, self._means.roster.all(), subscription_id)
        if isinstance(one, Unreadable):
            raise Conflict(f"subscription {shown(subscription_id)} cannot be read: {one.why}")
        return one
