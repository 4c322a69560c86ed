"""Webhooks at the desk: seen, made, changed. Edge."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from relay import settings
from relay.access.values import Principal, Scope
from relay.console import views
from relay.console.cursors import SubscriptionPage, opened, written
from relay.console.desk import whose
from relay.console.desk.means import Seat, read_field
from relay.errors import Conflict, Invalid, Problem
from relay.model import Signature, State, Subscription, SubscriptionId
from relay.store import forms
from relay.store.edits import Stored, Unreadable, create, in_state
from relay.store.forms import read_form, read_secret
from relay.store.sealing import amended, fitting, generated_secret, made, new_id, public_keys, renewed

Last = tuple[Subscription, str | None]  # as it was last readable, and why it is not now

OVERLAP = settings.within(settings.duration, "0s", "3650d", "a secret that signs for longer than that was not replaced")
MAX_LIMIT = 200  # of a page, as of deliveries
TURN = 1_000  # subscriptions looked at in one turn of the loop: a millisecond
NEEDED = ("account_id", "name", "url", "events")
STATES = tuple(one.value for one in State)


class Subscribing(Seat):
    """To see takes the scope `read`, to change `write`."""

    async def subscriptions(
        self,
        who: Principal,
        *,
        text: str | None = None,
        state: str | None = None,
        account: str | None = None,
        cursor: str | None = None,
        limit: int = 50,
    ) -> SubscriptionPage:
        """
        Those that they may see.

        Args:
            who: Who asks.
            text: What name, URL as they may see it, or id hold, in any case.
            state: Only those in this state.
            account: Only those of this account.
            cursor: Of the page before.
            limit: How many.
        """
        who.require(Scope.READ)
        if state is not None and state not in STATES:
            raise Invalid(Problem("state", "is one of " + ", ".join(STATES), settings.shown(state)))

        def wanted(one: Subscription) -> bool:
            return (
                who.sees(one.account_id)
                and account in (None, one.account_id)
                and state in (None, one.state.value)
                and _holds(text, one.name, whose.url(who, one), one.id)
            )

        there, after = await self._newest(wanted, cursor=cursor, limit=limit)
        return SubscriptionPage(items=tuple(self._seen(who, one, why) for one, why in there), cursor=after)

    async def newest_names(self, who: Principal, *, limit: int) -> dict[str, str]:
        """Of the newest, by id."""
        who.require(Scope.READ)
        there, _ = await self._newest(lambda one: who.sees(one.account_id), cursor=None, limit=limit)
        return {one.id: one.name for one, _ in there}

    async def _newest(
        self, wanted: Callable[[Subscription], bool], *, cursor: str | None, limit: int
    ) -> tuple[list[Last], str | None]:
        """The newest of those that are wanted; and the cursor of what follows, if anything does."""
        if not 1 <= limit <= MAX_LIMIT:
            raise Invalid(Problem("limit", f"takes 1 to {MAX_LIMIT}", str(limit)))
        after = None if cursor is None else opened(cursor)
        there: list[Last] = []
        for number, (one, why) in enumerate(map(_last, self._means.roster.newest(after)), 1):
            if number % TURN == 0:
                await asyncio.sleep(0)
            if one is not None and wanted(one):
                there.append((one, why))
            if len(there) > limit:
                break
        return there[:limit], written(there[limit - 1][0]) if len(there) > limit else None

    async def subscription(self, who: Principal, subscription_id: str) -> dict[str, Any]:
        """One."""
        return self._seen(who, *self._one(who, subscription_id))

    async def name(self, who: Principal, subscription_id: str) -> str:
        """Of one; raises as `subscription`, and opens no secret for it."""
        return self._one(who, subscription_id)[0].name

    def _one(self, who: Principal, subscription_id: str) -> Last:
        who.require(Scope.READ)
        one, why = _last(whose.there(who, self._means.roster.all(), subscription_id))
        if one is None:
            raise Conflict(f"subscription {settings.shown(subscription_id)} cannot be read: {why}")
        return one, why

    async def create(
        self,
        who: Principal,
        form: Mapping[str, object],
        *,
        secret: str | None = None,
        ident: str | None = None,
        wrong: Sequence[Problem] = (),
    ) -> tuple[dict[str, Any], str | None]:
        """
        A new one; and its secret where that was generated: it is shown this once.

        Args:
            who: Who makes it; whoever is bound to an account makes it there.
            form: Field -> what was written, as `forms.read_form` takes it.
            secret: What it signs with; None: one is generated.
            ident: Its id where the form has none; None: one is made up.
            wrong: What is wrong already, of fields that are not in the form.
        """
        who.require(Scope.WRITE)
        values, key = self._checked(whose.own(who, form), secret, needed=NEEDED, wrong=wrong)
        subscription_id = SubscriptionId(values.pop("id", None) or ident or new_id())
        used, means = key or generated_secret(), self._means
        new = made(subscription_id, values, used, means.keys, by=who.name, now_ms=means.clock.now_ms())
        await means.roster.edit(create(new, quota=means.config.max_subscriptions_per_account), by=who.name)
        return self._seen(who, new), None if key else used.decode()

    async def update(
        self,
        who: Principal,
        subscription_id: str,
        form: Mapping[str, object],
        *,
        wrong: Sequence[Problem] = (),
        version: int | None = None,
        if_match: str | None = None,
    ) -> dict[str, Any]:
        """
        With these fields; what is not said keeps its value.

        Args:
            who: Who does it.
            subscription_id: Which.
            form: Field -> what was written; neither `id` nor `account_id`, which never change.
            wrong: As of `create`.
            version: The version that was looked at; None: whichever is newest.
            if_match: Likewise, as the header says it.
        """
        who.require(Scope.WRITE)
        fixed = [Problem(field, "never changes: leave it out") for field in ("id", "account_id") if field in form]
        if fixed:
            raise Invalid(*fixed)
        values, _ = self._checked(form, None, wrong=wrong)
        keys = self._means.keys
        return await self._change(
            who, subscription_id, lambda old: fitting(amended(old, values, keys), keys), version, if_match
        )

    async def pause(
        self,
        who: Principal,
        subscription_id: str,
        *,
        version: int | None = None,
        if_match: str | None = None,
        reason: str | None = None,
    ) -> dict[str, Any]:
        """Its deliveries are put off, for up to RELAY_MAX_AGE."""
        who.require(Scope.WRITE)
        why = None if reason is None else read_field("reason", reason, forms.reason)
        return await self._change(who, subscription_id, in_state(State.PAUSED, why), version, if_match)

    async def resume(
        self, who: Principal, subscription_id: str, *, version: int | None = None, if_match: str | None = None
    ) -> dict[str, Any]:
        """It is delivered to again, also one that was disabled."""
        who.require(Scope.WRITE)
        return await self._change(who, subscription_id, in_state(State.ACTIVE, None), version, if_match)

    async def delete(
        self, who: Principal, subscription_id: str, *, version: int | None = None, if_match: str | None = None
    ) -> None:
        """It is gone for good; deliveries on their way to it are dropped."""
        who.require(Scope.WRITE)
        whose.there(who, self._means.roster.all(), subscription_id)
        edit = whose.deleted(who, subscription_id, version=version, if_match=if_match)
        await self._means.roster.edit(edit, by=who.name)

    async def rotate(
        self,
        who: Principal,
        subscription_id: str,
        *,
        secret: str | None = None,
        activate_in: str = "0s",
        expire_in: str = "24h",
        version: int | None = None,
        if_match: str | None = None,
    ) -> tuple[dict[str, Any], str | None]:
        """
        A new secret in front; and that one, where it was generated: it is shown this once.

        Args:
            who: Who does it.
            subscription_id: Which.
            secret: The new one; None: one is generated.
            activate_in: Headers of one value stay with the old secret for so long.
            expire_in: The old secrets sign for so long.
            version: The version that was looked at; None: whichever is newest.
            if_match: Likewise, as the header says it.
        """
        who.require(Scope.WRITE)
        activate_s = read_field("activate_in", activate_in, OVERLAP)
        expire_s = read_field("expire_in", expire_in, OVERLAP)
        if expire_s < activate_s:
            raise Invalid(Problem("expire_in", "must not be sooner than activate_in: nothing would sign meanwhile"))
        key = None if secret is None else _secret(secret)
        used, now_ms, keys = key or generated_secret(), self._means.clock.now_ms(), self._means.keys
        active_ms = now_ms + activate_s * 1000 if activate_s else 0

        def alter(old: Subscription) -> Subscription:
            expires_ms = now_ms + expire_s * 1000
            return fitting(renewed(old, used, keys, now_ms=now_ms, active_ms=active_ms, expires_ms=expires_ms), keys)

        return await self._change(who, subscription_id, alter, version, if_match), None if key else used.decode()

    async def _change(
        self, who: Principal, subscription_id: str, alter: whose.Alter, version: int | None, if_match: str | None
    ) -> dict[str, Any]:
        means = self._means
        whose.there(who, means.roster.all(), subscription_id)  # no transaction for what cannot be
        now_ms = means.clock.now_ms()
        edit = whose.changed(who, subscription_id, alter, now_ms=now_ms, version=version, if_match=if_match)
        changes = await means.roster.edit(edit, by=who.name)
        new = changes.get(SubscriptionId(subscription_id))
        return self._seen(who, new) if new else await self.subscription(who, subscription_id)

    def _seen(self, who: Principal, one: Subscription, unreadable: str | None = None) -> dict[str, Any]:
        signs = Signature.STANDARD_WEBHOOKS_ED25519 in one.signatures
        keys = public_keys(one, self._means.keys) if signs else None
        return views.subscription(one, keys, unreadable=unreadable) | {"url": whose.url(who, one)}

    def _checked(
        self,
        form: Mapping[str, object],
        secret: str | None,
        *,
        needed: tuple[str, ...] = (),
        wrong: Sequence[Problem] = (),
    ) -> tuple[dict[str, Any], bytes | None]:
        """
        The values and the secret.

        Raises:
            Invalid: Every problem, what is missing among them.
        """
        known = {problem.field for problem in wrong}
        missing = [field for field in needed if form.get(field) is None and field not in known]
        problems = [*wrong, *(Problem(field, "is needed") for field in missing)]
        values: dict[str, Any] = {}
        key: bytes | None = None
        given = {field: one for field, one in form.items() if one is not None or field not in needed}
        try:
            values = read_form(given, config=self._means.config)
        except Invalid as invalid:
            problems += invalid.problems
        try:
            key = None if secret is None else _secret(secret)
        except Invalid as invalid:
            problems += invalid.problems
        if problems:
            raise Invalid(*problems)
        return values, key


def _last(one: Stored) -> tuple[Subscription | None, str | None]:
    """As it was last readable, and why it is not."""
    return (one.last, one.why) if isinstance(one, Unreadable) else (one, None)


def _holds(text: str | None, *where: str) -> bool:
    wanted = (text or "").casefold()
    return not wanted or any(wanted in one.casefold() for one in where)


def _secret(written: str) -> bytes:
    try:
        return read_secret(written.encode())
    except UnicodeEncodeError:
        raise Invalid(Problem("secret", "must be UTF-8")) from None
