"""
What an edit makes of the subscriptions that there are. Pure.

An edit is a function of what was read to the end, and is asked again when a rival was faster; so it may be asked more
than once, and decides from nothing but its arguments. It answers with what to write: the new form of each subscription
that it changes, None for one that it deletes.
"""

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from relay.errors import Conflict, NotAllowed, NotFound, Stale
from relay.model import EVERY_ACCOUNT, Secret, State, Subscription, SubscriptionId
from relay.pipeline.results import rfc3339
from relay.store.codec import alike, stored

MOST_SECRETS = 10  # of one subscription: each has 140 bytes of a head, and servers refuse heads over 8 KiB


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A record that this version cannot read; its subscription goes by what was last readable of it."""

    why: str
    last: Subscription | None  # None: it never was


Stored = Subscription | Unreadable
Existing = Mapping[SubscriptionId, Stored]
Changes = Mapping[SubscriptionId, Subscription | None]
Edit = Callable[[Existing], Changes]


def create(new: Subscription, *, quota: int) -> Edit:
    """
    Adds a subscription whose id is free.

    Args:
        new: As it will be stored.
        quota: RELAY_MAX_SUBSCRIPTIONS_PER_ACCOUNT; an operator's own are exempt.
    """

    def edit(existing: Existing) -> Changes:
        if new.id in existing:
            raise Conflict(f"there is a subscription {new.id} already: choose another --id, or `update` that one")
        theirs = sum(account_of(one) == new.account_id for one in existing.values())
        if new.account_id != EVERY_ACCOUNT and theirs >= quota:
            rule = f"RELAY_MAX_SUBSCRIPTIONS_PER_ACCOUNT is {quota}"
            raise NotAllowed(f"account {new.account_id} has {theirs} subscriptions, and {rule}")
        return {new.id: new}

    return edit


def change(
    subscription_id: SubscriptionId,
    alter: Callable[[Subscription], Subscription],
    *,
    by: str,
    now_ms: int,
    version: int | None = None,
) -> Edit:
    """
    Changes one subscription; one version on, unless nothing is different.

    Args:
        subscription_id: Which.
        alter: Its new form.
        by: Who did it.
        now_ms: Becomes `updated_at`.
        version: The version that the change was made of; None: whichever is newest.
    """

    def edit(existing: Existing) -> Changes:
        old = found(existing, subscription_id)
        if version is not None and old.version != version:
            raise Stale(f"{subscription_id} is at version {old.version} by now, not {version}: look at it again")
        new = alter(old)
        return {} if alike(stored(new), stored(old)) else {old.id: touched(new, by=by, now_ms=now_ms)}

    return edit


def delete(subscription_id: SubscriptionId) -> Edit:
    """Deletes one subscription, readable or not; what is on its way to it will be dropped."""

    def edit(existing: Existing) -> Changes:
        if subscription_id not in existing:
            raise _missing(subscription_id)
        return {subscription_id: None}

    return edit


def found(existing: Existing, subscription_id: SubscriptionId) -> Subscription:
    """
    The one with this id.

    Raises:
        NotFound: There is none.
        Conflict: There is one that this version cannot read.
    """
    match existing.get(subscription_id):
        case None:
            raise _missing(subscription_id)
        case Unreadable(why=why):
            raise Conflict(f"subscription {subscription_id} cannot be read ({why}): delete it and create it anew")
        case Subscription() as one:
            return one


def readable(existing: Existing) -> list[Subscription]:
    """Those that can be shown, in id order."""
    return [one for _, one in sorted(existing.items()) if isinstance(one, Subscription)]


def last(one: Stored | None) -> Subscription | None:
    """As it was last readable; None: it never was, or there is none."""
    return one.last if isinstance(one, Unreadable) else one


def account_of(one: Stored) -> str | None:
    """Whose it is, also while it cannot be read; None: it never could."""
    known = last(one)
    return known.account_id if known else None


def re_enabled(old: Stored | None, new: Stored | None) -> bool:
    """Whether one that was disabled is so no more, and is the same one: its events are not dropped from now on."""
    if not isinstance(old, Subscription) or not isinstance(new, Subscription):
        return False
    return old.state is State.DISABLED is not new.state and old.created_at == new.created_at


def _missing(subscription_id: SubscriptionId) -> NotFound:
    return NotFound(f"there is no subscription {subscription_id}: `relay subscriptions list` shows all")


def touched(new: Subscription, *, by: str, now_ms: int) -> Subscription:
    """One version on."""
    at = rfc3339(now_ms)
    return dataclasses.replace(new, version=new.version + 1, updated_by=by, updated_at=at, state_at=new.state_at or at)


def in_state(state: State, reason: str | None) -> Callable[[Subscription], Subscription]:
    """Paused, or active again; one that is so already keeps its reason."""

    def alter(old: Subscription) -> Subscription:
        return old if old.state is state else dataclasses.replace(old, state=state, state_reason=reason, state_at="")

    return alter


def rotated(new: Secret, *, now_ms: int, expires_ms: int) -> Callable[[Subscription], Subscription]:
    """
    The new secret in front; those before it expire by then at the latest, and expired ones are dropped.

    Args:
        new: Sealed, with the time from which single-value headers use it.
        now_ms: What has expired by now is dropped.
        expires_ms: Of the secrets before it.

    Raises:
        Conflict: It has as many as it may have; when altered.
    """

    def alter(old: Subscription) -> Subscription:
        kept = [
            dataclasses.replace(
                one, expires_ms=expires_ms if one.expires_ms is None else min(one.expires_ms, expires_ms)
            )
            for one in old.secrets
            if one.expires_ms is None or one.expires_ms > now_ms
        ]
        if len(kept) >= MOST_SECRETS:
            rule = f"it has {len(kept)} secrets that have not expired, and {MOST_SECRETS} at most sign at a time"
            raise Conflict(f"subscription {old.id} cannot be rotated again yet: {rule}")
        return dataclasses.replace(old, secrets=(new, *kept))

    return alter
