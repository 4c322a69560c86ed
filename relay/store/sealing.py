"""The values of a form and a key ring -> a subscription as it is stored. What is unchanged stays sealed as it was."""

import dataclasses
import os
from base64 import b32encode, b64encode
from collections.abc import Mapping
from typing import Any

from relay.errors import Invalid, Problem
from relay.model import Sealed, Secret, Signature, State, Subscription, SubscriptionId
from relay.pipeline.keys import WHSEC, ed25519_key, public_key
from relay.pipeline.results import rfc3339
from relay.store.edits import rotated
from relay.store.keyring import CannotOpen, KeyRing

ID_BYTES = 16  # 128 bits, as a UUID: 26 characters of base32
SECRET_BYTES = 32  # as long as the hash that it keys (RFC 2104, section 3)


def new_id() -> SubscriptionId:
    """The id of a subscription that was given none: `sub_` and 26 characters, at random."""
    return SubscriptionId("sub_" + b32encode(os.urandom(ID_BYTES)).decode().rstrip("=").lower())


def generated_secret() -> bytes:
    """As Standard Webhooks writes one: `whsec_` and base64."""
    return WHSEC + b64encode(os.urandom(SECRET_BYTES))


def made(
    subscription_id: SubscriptionId, values: Mapping[str, Any], secret: bytes, keys: KeyRing, *, by: str, now_ms: int
) -> Subscription:
    """
    A new one, active.

    Args:
        subscription_id: Its id, free or not.
        values: Of `forms.read_form`; account, name, URL and events among them.
        secret: What it signs with.
        keys: Seals secret and headers.
        by: Who made it.
        now_ms: When; also its incarnation.

    Raises:
        ConfigProblem: The ring is empty.
        Invalid: As `fitting`.
    """
    sealed = _sealed(values, None, subscription_id, values["account_id"], keys)
    at = rfc3339(now_ms)
    mark = keys.seal(secret, account_id=values["account_id"], subscription_id=subscription_id)
    stamped = {"id": subscription_id, "state": State.ACTIVE, "updated_by": by}
    stamped |= dict.fromkeys(("state_at", "created_at", "updated_at"), at)
    return fitting(Subscription(**sealed | stamped, secrets=(Secret(sealed=mark),)), keys)


def amended(old: Subscription, values: Mapping[str, Any], keys: KeyRing) -> Subscription:
    """
    With these fields; equal to the old one when nothing is different.

    Raises:
        ConfigProblem: The ring is empty, and there are headers to seal.
    """
    return dataclasses.replace(old, **_sealed(values, old, old.id, old.account_id, keys))


def renewed(
    old: Subscription, secret: bytes, keys: KeyRing, *, now_ms: int, expires_ms: int, active_ms: int = 0
) -> Subscription:
    """
    With a new secret in front. Those before it sign too until they expire; one that the ring does not open never can.

    Args:
        old: As it was.
        secret: What it signs with from now on.
        keys: Seals it.
        now_ms: Those that have expired by now are dropped.
        expires_ms: Of the secrets before it.
        active_ms: From when headers of one value use it; 0: from now on.

    Raises:
        ConfigProblem: The ring is empty.
        Conflict: As `edits.rotated`.
    """
    able = tuple(one for one in old.secrets if _opened(one.sealed, old, keys) is not None)
    sealed = keys.seal(secret, account_id=old.account_id, subscription_id=old.id)
    new = Secret(sealed=sealed, active_ms=active_ms)
    return rotated(new, now_ms=now_ms, expires_ms=expires_ms)(dataclasses.replace(old, secrets=able))


def fitting(one: Subscription, keys: KeyRing) -> Subscription:
    """
    As it is, if its newest secret can sign in all its schemes; one that cannot be opened is not judged.

    Raises:
        Invalid: It cannot.
    """
    secret = newest_secret(one, keys) if Signature.STANDARD_WEBHOOKS_ED25519 in one.signatures else None
    try:
        if secret is not None:
            ed25519_key(secret)
    except ValueError as rule:
        name = Signature.STANDARD_WEBHOOKS_ED25519.value
        raise Invalid(Problem("signatures", f"{name} needs another secret: this one {rule}")) from None
    return one


def public_keys(of: Subscription, keys: KeyRing) -> list[str | None]:
    """What its `v1a` signatures are verified with, a secret each; None: it cannot be opened, or makes no pair."""
    return [_public(_opened(one.sealed, of, keys)) for one in of.secrets]


def newest_secret(of: Subscription, keys: KeyRing) -> bytes | None:
    """In the clear, to compare with; None when it cannot be opened."""
    return _opened(of.secrets[0].sealed, of, keys) if of.secrets else None


def _sealed(
    values: Mapping[str, Any], old: Subscription | None, subscription_id: str, account_id: str, keys: KeyRing
) -> dict[str, Any]:
    if "headers" not in values:
        return dict(values)
    before = {} if old is None else old.headers
    headers = {
        name: before[name]
        if old and name in before and _opened(before[name], old, keys, header=name) == value.encode()
        else keys.seal(value.encode(), account_id=account_id, subscription_id=subscription_id, header=name)
        for name, value in values["headers"].items()
    }
    return {**values, "headers": headers}


def _public(secret: bytes | None) -> str | None:
    try:
        return None if secret is None else public_key(secret)
    except ValueError:
        return None


def _opened(sealed: Sealed, of: Subscription, keys: KeyRing, *, header: str | None = None) -> bytes | None:
    try:
        return keys.open(sealed, account_id=of.account_id, subscription_id=of.id, header=header)
    except CannotOpen:
        return None
