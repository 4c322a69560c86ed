"""
Whose a subscription is, and edits that only they make. Pure.

An edit is decided inside the transaction that writes it, so what is asked about the account and about the version is
asked of what is there then, and not of what was there when a page was drawn.
"""

from collections.abc import Callable, Mapping
from typing import Any

from relay.access.values import Principal, Scope
from relay.console import etags
from relay.errors import Invalid, NotFound, Problem, Stale
from relay.model import Subscription, SubscriptionId
from relay.settings import shown
from relay.store.edits import Changes, Edit, Existing, Stored, account_of, change
from relay.urls import masked

OPERATORS = ("worker", "process")
Alter = Callable[[Subscription], Subscription]


def told(who: Principal, one: Mapping[str, Any]) -> Mapping[str, Any]:
    """What of a lane, a result or a notice they may see: which process it was is nobody's but an operator's."""
    return one if who.account is None else {name: value for name, value in one.items() if name not in OPERATORS}


def url(who: Principal, one: Subscription) -> str:
    """As far as they may see it: its path may be all that a receiver asks for, and whoever may write can read it."""
    return one.url if who.may(Scope.WRITE) else masked(one.url)


def missing(subscription_id: str) -> NotFound:
    """That there is none, or none that they may see: which of the two is nobody's business."""
    return NotFound(f"there is no subscription {shown(subscription_id)}")


def own(who: Principal, form: Mapping[str, object]) -> dict[str, object]:
    """
    A form of a new one, for the account that its writer is bound to.

    Raises:
        Invalid: It names another account; or an id, for those are of all accounts: that one is taken would tell that
            somebody has it.
    """
    said = dict(form)
    if who.account is None:
        return said
    problems = []
    if said.setdefault("account_id", who.account) != who.account:
        problems.append(Problem("account_id", "is not the one that you are bound to: leave it out"))
    if said.get("id") is not None:
        problems.append(Problem("id", "is given by relay to whoever is bound to an account: leave it out"))
    if problems:
        raise Invalid(*problems)
    return said


def changed(
    who: Principal, subscription_id: str, alter: Alter, *, now_ms: int, version: int | None, if_match: str | None
) -> Edit:
    """
    Changes one of theirs.

    Args:
        who: Who does it.
        subscription_id: Which.
        alter: Its new form.
        now_ms: When.
        version: The version that was looked at; None: whichever is newest.
        if_match: Likewise as an If-Match header says it.

    Raises:
        NotFound: When asked: it is not theirs.
        Stale: When asked: it is another version by now.
    """

    def guarded(old: Subscription) -> Subscription:
        _hold(old, if_match)
        return alter(old)

    edit = change(SubscriptionId(subscription_id), guarded, by=who.name, now_ms=now_ms, version=version)

    def theirs(existing: Existing) -> Changes:
        there(who, existing, subscription_id)
        return edit(existing)

    return theirs


def deleted(who: Principal, subscription_id: str, *, version: int | None, if_match: str | None) -> Edit:
    """Deletes one of theirs, readable or not; raises as `changed`."""

    def edit(existing: Existing) -> Changes:
        old = there(who, existing, subscription_id)
        if isinstance(old, Subscription):
            _hold(old, if_match)
            if version is not None and old.version != version:
                raise Stale(f"{old.id} is at version {old.version} by now, not {version}: look at it again")
        elif version is not None or if_match is not None:
            raise Stale(f"{shown(subscription_id)} cannot be read by now: look at it again")
        return {SubscriptionId(subscription_id): None}

    return edit


def there(who: Principal, existing: Mapping[SubscriptionId, Stored], subscription_id: str) -> Stored:
    """
    The one of this id.

    Raises:
        NotFound: There is none that they may see.
    """
    one = existing.get(SubscriptionId(subscription_id))
    if one is None or not who.sees(account_of(one)):
        raise missing(subscription_id)
    return one


def _hold(old: Subscription, if_match: str | None) -> None:
    if if_match is not None and not etags.matches(if_match, etags.etag(old)):
        raise Stale(f"{old.id} has changed since: it is at version {old.version} by now; look at it again")
