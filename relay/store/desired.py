"""
What a file says that an account's subscriptions should be -> an edit, and its difference for people.

A field that the file does not mention keeps its value. Nothing is deleted unless asked for, and only of one account.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from relay.errors import Conflict, Invalid, NotAllowed, Problem
from relay.model import EVERY_ACCOUNT, Subscription, SubscriptionId
from relay.store.codec import alike, shown, stored
from relay.store.edits import Changes, Existing, Unreadable, account_of, found, touched
from relay.store.keyring import KeyRing
from relay.store.sealing import amended, fitting, made, newest_secret, renewed

OLD_SECRET_MS = 24 * 3_600_000  # as `rotate`: the old one signs too for a day
QUIET = {"version", "updated_at", "updated_by", "state_at", "secrets", "headers"}  # told otherwise, or not at all


@dataclass(frozen=True, slots=True, kw_only=True)
class Desired:
    """One subscription as the file says it."""

    id: SubscriptionId
    values: Mapping[str, Any] = field(repr=False)  # of `forms.read_form`; of headers the values as they are
    secret: bytes | None = field(repr=False)  # None: not said


@dataclass(frozen=True, slots=True)
class Difference:
    """What becomes of one subscription."""

    id: str
    action: str  # create | update | delete
    fields: Mapping[str, tuple[object, object]]  # name -> before, after; of secrets and headers, that they changed


@dataclass(slots=True, kw_only=True)
class Apply:
    """An edit; `differences` are those of the last time that it was asked."""

    desired: Sequence[Desired]
    prune: str | None  # the account of which everything else is deleted
    keys: KeyRing
    quota: int
    by: str
    now_ms: int
    differences: list[Difference] = field(default_factory=list)

    def __call__(self, existing: Existing) -> Changes:
        """
        What to write.

        Raises:
            Invalid: A new one lacks a field; an account would change.
            NotAllowed: An account would have more than its quota.
            Conflict: One cannot be read, or has too many secrets.
        """
        self.differences = []
        changes: dict[SubscriptionId, Subscription | None] = {}
        problems: list[Problem] = []
        for one in self.desired:
            try:
                new = self._one(one, existing)
            except Invalid as invalid:
                problems.extend(Problem(f"{one.id}.{it.field}", it.rule, it.value) for it in invalid.problems)
                continue
            if new is not None:
                changes[one.id] = new
        if problems:
            raise Invalid(*problems)
        for old in self._superfluous(existing):
            changes[old.id] = None
            self.differences.append(Difference(old.id, "delete", {}))
        self._within_quota(existing, changes)
        return changes

    def _one(self, one: Desired, existing: Existing) -> Subscription | None:
        if isinstance(existing.get(one.id), Unreadable):
            raise Conflict(f"subscription {one.id} cannot be read: delete it, then apply again")
        if one.id not in existing:
            return self._new(one)
        old = found(existing, one.id)
        if one.values.get("account_id", old.account_id) != old.account_id:
            raise Invalid(Problem("account_id", f"never changes: it is {old.account_id}"))
        new = amended(old, one.values, self.keys)
        if one.secret is not None and newest_secret(old, self.keys) != one.secret:
            expires_ms = self.now_ms + OLD_SECRET_MS
            new = renewed(new, one.secret, self.keys, now_ms=self.now_ms, expires_ms=expires_ms)
        fitting(new, self.keys)
        if alike(stored(new), stored(old)):
            return None
        self.differences.append(Difference(one.id, "update", _fields(old, new)))
        return touched(new, by=self.by, now_ms=self.now_ms)

    def _new(self, one: Desired) -> Subscription:
        needed = ("account_id", "name", "url", "events")
        missing = [Problem(name, "is needed, for there is no such subscription yet") for name in needed
                   if name not in one.values]  # fmt: skip
        if one.secret is None:
            missing.append(Problem("secret_file", "is needed, for there is no such subscription yet"))
        if missing or one.secret is None:
            raise Invalid(*missing)
        new = made(one.id, one.values, one.secret, self.keys, by=self.by, now_ms=self.now_ms)
        said = {name: (None, value) for name, value in shown(new).items() if name in one.values}
        self.differences.append(Difference(one.id, "create", said))
        return new

    def _superfluous(self, existing: Existing) -> list[Subscription]:
        if self.prune is None:
            return []
        kept = {one.id for one in self.desired}
        mine = [one for one in existing.values() if isinstance(one, Subscription) and one.account_id == self.prune]
        return sorted((one for one in mine if one.id not in kept), key=lambda one: one.id)

    def _within_quota(self, existing: Existing, changes: Changes) -> None:
        after = {**existing, **changes}.values()
        counts = Counter(account_of(one) for one in after if one is not None)
        added = {new.account_id for id_, new in changes.items() if new is not None and id_ not in existing}
        for account in sorted(added - {EVERY_ACCOUNT}):
            if counts[account] > self.quota:
                rule = f"RELAY_MAX_SUBSCRIPTIONS_PER_ACCOUNT is {self.quota}"
                raise NotAllowed(f"account {account} would have {counts[account]} subscriptions, and {rule}")


def _fields(old: Subscription, new: Subscription) -> dict[str, tuple[object, object]]:
    before, after = shown(old), shown(new)
    told: dict[str, tuple[object, object]] = {
        name: (before[name], after[name])
        for name in after
        if name not in QUIET and not alike(before[name], after[name])
    }
    if old.secrets != new.secrets:
        told["secret"] = ("***", "another")
    if old.headers != new.headers:
        told["headers"] = (sorted(old.headers), sorted(new.headers))
    return told
