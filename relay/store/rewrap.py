"""
Everything that is sealed -> sealed with the newest key of the ring; and what each key still seals.

A key may go once nothing is sealed with it any more, and not before: what nobody can open nobody can sign with.
"""

import dataclasses
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from relay.model import Sealed, Subscription, SubscriptionId
from relay.store.codec import encode
from relay.store.edits import Changes, Existing, readable, touched
from relay.store.keyring import CannotOpen, KeyRing

BATCH_BYTES = 8 * 1024 * 1024  # of one transaction, which has 10 s: some 5,000 subscriptions, or 8 of the largest


@dataclass(frozen=True, slots=True)
class Use:
    """What one key seals, of all that there is."""

    key_id: str
    state: str  # newest | older | missing: of the ring
    values: int  # secrets, and values of headers
    subscriptions: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Rewrap:
    """An edit: some of what an older key seals is sealed with the newest; made again until there is no change."""

    keys: KeyRing
    by: str
    now_ms: int

    def __call__(self, existing: Existing) -> Changes:
        changes: dict[SubscriptionId, Subscription | None] = {}
        size = 0
        for one in readable(existing):
            new = rewrapped(one, self.keys, now_ms=self.now_ms)
            if new == one:
                continue
            changes[one.id] = touched(new, by=self.by, now_ms=self.now_ms)
            size += len(encode(new))
            if size >= BATCH_BYTES:
                break
        return changes


def rewrapped(one: Subscription, keys: KeyRing, *, now_ms: int) -> Subscription:
    """
    Sealed with the newest key, but for what the ring does not open; secrets that have expired are dropped.

    Never raises: an empty ring opens nothing.
    """

    def anew(sealed: Sealed, header: str | None = None) -> Sealed:
        if sealed.key_id == keys.newest:
            return sealed
        try:
            plain = keys.open(sealed, account_id=one.account_id, subscription_id=one.id, header=header)
        except CannotOpen:
            return sealed
        return keys.seal(plain, account_id=one.account_id, subscription_id=one.id, header=header)

    lasting = [secret for secret in one.secrets if secret.expires_ms is None or secret.expires_ms > now_ms]
    return dataclasses.replace(
        one,
        secrets=tuple(dataclasses.replace(secret, sealed=anew(secret.sealed)) for secret in lasting or one.secrets),
        headers={name: anew(sealed, name) for name, sealed in one.headers.items()},
    )


def sealed_of(one: Subscription) -> Iterator[Sealed]:
    """Each secret, and each value of a header."""
    yield from (secret.sealed for secret in one.secrets)
    yield from one.headers.values()


def uses(existing: Existing, keys: KeyRing) -> list[Use]:
    """
    Of each key in the ring, newest first, then of each that is missing from it.

    What cannot be read is not counted: it may be sealed with any key.
    """
    values, subscriptions = Counter[str](), Counter[str]()
    for one in readable(existing):
        of_one = Counter(sealed.key_id for sealed in sealed_of(one))
        values += of_one
        subscriptions.update(of_one.keys())
    missing = sorted(values.keys() - set(keys.ids))
    return [
        Use(key_id, state, values[key_id], subscriptions[key_id])
        for state, ids in (("newest", keys.ids[:1]), ("older", keys.ids[1:]), ("missing", missing))
        for key_id in ids
    ]
