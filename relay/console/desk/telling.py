"""Delivery History at the desk: listings, a delivery, figures, how old all of it is. Edge."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from relay.access.values import Principal, Scope
from relay.console.ages import SILENT, Age, aged
from relay.console.desk import whose
from relay.console.desk.means import Seat
from relay.errors import Invalid, NotFound, RelayError
from relay.model import Subscription, SubscriptionId
from relay.replay.sent import sent
from relay.replay.shown import Sent
from relay.store.history.values import Counts, Detail, Overview, Page, Refused, Search, Unavailable


class Telling(Seat):
    """Whoever may read may ask."""

    async def deliveries(self, who: Principal, search: Search, *, cursor: str | None = None, limit: int = 50) -> Page:
        """A page of a listing, newest first."""
        who.require(Scope.READ)
        page = await self._means.history.deliveries(search, account=who.account, cursor=cursor, limit=limit)
        if isinstance(page, Refused):
            raise Invalid(page.problem)
        return page

    async def delivery(self, who: Principal, delivery_id: str) -> Detail:
        """One with all its attempts."""
        who.require(Scope.READ)
        detail = await self._means.history.delivery(delivery_id, account=who.account)
        if detail is None:
            raise NotFound(
                "there is no such delivery: it may be older than what the history keeps, or not be in it yet"
            )
        return replace(detail, attempts=tuple(whose.told(who, one) for one in detail.attempts))

    async def sent(self, who: Principal, delivery_id: str, attempt_id: str) -> Sent:
        """What an attempt sent, exactly; whole signatures for those alone who may write."""
        detail = await self.delivery(who, delivery_id)
        result = next((one for one in detail.attempts if one.get("attempt_id") == attempt_id), None)
        if result is None:
            raise NotFound("there is no such attempt of that delivery")
        one = self._means.roster.all().get(SubscriptionId(detail.delivery.subscription_id))
        subscription = one if isinstance(one, Subscription) and who.sees(one.account_id) else None
        keys = self._means.keys if who.may(Scope.WRITE) else None
        async with self._means.asking.of(who.account):
            return await sent(self._means.config, result, subscription, keys)

    async def overview(
        self, who: Principal, *, subscription_id: str | None = None, since_ms: int, until_ms: int
    ) -> Overview:
        """Figures of a time range, and what stands now."""
        who.require(Scope.READ)
        found = await self._means.history.overview(
            account=who.account, subscription_id=subscription_id, since_ms=since_ms, until_ms=until_ms
        )
        if isinstance(found, Refused):
            raise Invalid(found.problem)
        return found

    async def sparklines(
        self, who: Principal, subscription_ids: Sequence[str], *, since_ms: int
    ) -> Mapping[str, tuple[Counts, ...]]:
        """By the hour, of each of these."""
        who.require(Scope.READ)
        return await self._means.history.sparklines(subscription_ids, account=who.account, since_ms=since_ms)

    async def trouble(self) -> list[str]:
        """What is not there that calls need, in words for anybody; empty: all of it is."""
        wrong = [SILENT] if (await self.age()).trouble == SILENT else []
        needed = {"tokens": self._means.access.get, "subscriptions": self._means.roster.all}
        for what, get in needed.items():
            try:
                get()
            except RelayError:
                wrong.append(f"the {what} could not be read yet")
        return wrong

    async def age(self) -> Age:
        """How old the history is. Never raises: a store that does not answer is told as the trouble that it is."""
        try:
            age = await self._means.history.age()
        except Unavailable:  # the log has the rest of it: where the database is, is nobody's business
            return Age(as_of_ms=None, behind_s=None, trouble=SILENT)
        return aged(age, self._means.clock.now_ms())
