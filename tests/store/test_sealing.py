"""From values and a key ring to a subscription as it is stored."""

import base64
import dataclasses
import re
from typing import Any

import pytest

from relay.errors import ConfigProblem, Invalid
from relay.model import Signature, State, Subscription, SubscriptionId
from relay.store.forms import read_secret
from relay.store.keyring import KeyRing
from relay.store.sealing import (
    amended,
    fitting,
    generated_secret,
    made,
    new_id,
    newest_secret,
    public_keys,
    renewed,
)
from relay.store.sound import ID
from tests.builders import NOON_MS, a_subscription

KEYS = KeyRing([("2026", bytes(32))])
LATER = KeyRing([("2027", bytes(range(32))), ("2026", bytes(32))])
OTHERS = KeyRing([("2030", bytes(range(32)))])
SECRET = b"correct horse battery"  # 21 bytes
LONG = b"correct horse battery staple"
TOKEN = "Bearer t0ken"


def made_of(keys: KeyRing = KEYS, **values: Any) -> Subscription:  # noqa: ANN401  a form's own
    needed = {"account_id": "acc_1", "name": "CRM", "url": "https://crm.example/", "events": ("lead.created",)}
    return made(SubscriptionId("sub_1"), needed | values, SECRET, keys, by="somebody", now_ms=NOON_MS)


def plain_headers(of: Subscription, keys: KeyRing = KEYS) -> dict[str, bytes]:
    return {
        name: keys.open(sealed, account_id=of.account_id, subscription_id=of.id, header=name)
        for name, sealed in of.headers.items()
    }


def test_a_new_one_is_active_and_stamped() -> None:
    """Version 1, and its incarnation is when it was made."""
    new = made_of()

    assert State.ACTIVE is new.state
    assert ("2019-06-07T12:00:00.000Z",) * 2 == (new.created_at, new.updated_at)
    assert ("sub_1", "acc_1", 1, "somebody") == (new.id, new.account_id, new.version, new.updated_by)


def test_its_secret_and_headers_are_sealed_for_it() -> None:
    """They open as they were written, and are in no repr."""
    new = made_of(headers={"authorization": TOKEN})

    assert SECRET == newest_secret(new, KEYS)
    assert {"authorization": TOKEN.encode()} == plain_headers(new)
    assert SECRET.decode() not in repr(new)
    assert TOKEN not in repr(new)


def test_without_a_key_nothing_is_made() -> None:
    """A secret is never stored as it is."""
    with pytest.raises(ConfigProblem, match="RELAY_SECRET_KEYS"):
        made_of(KeyRing([]))


def test_headers_that_are_the_same_stay_sealed_as_they_were() -> None:
    """So the same file twice is no change, though sealing twice gives other bytes."""
    old = made_of(headers={"authorization": TOKEN, "x-team": "sales"})

    same = amended(old, {"headers": {"authorization": TOKEN, "x-team": "sales"}}, LATER)

    assert old == same


def test_a_header_that_is_different_is_sealed_anew_and_one_that_is_not_said_goes() -> None:
    """The headers that were said replace all that there were."""
    old = made_of(headers={"authorization": TOKEN, "x-team": "sales", "x-old": "1"})

    new = amended(old, {"headers": {"authorization": TOKEN, "x-team": "support"}}, LATER)

    assert {"authorization": TOKEN.encode(), "x-team": b"support"} == plain_headers(new, LATER)
    assert old.headers["authorization"] == new.headers["authorization"]
    assert "2027" == new.headers["x-team"].key_id


def test_a_header_that_cannot_be_opened_is_sealed_anew() -> None:
    """Its key is gone: what is written now is what holds."""
    old = made_of(headers={"authorization": TOKEN})

    new = amended(old, {"headers": {"authorization": TOKEN}}, OTHERS)

    assert {"authorization": TOKEN.encode()} == plain_headers(new, OTHERS)


def test_fields_that_are_not_said_keep_their_values() -> None:
    """Its secrets too; without headers to seal not even a key is needed."""
    old = made_of(headers={"authorization": TOKEN}, timeout_s=3.0)

    new = amended(old, {"name": "Another"}, KeyRing([]))

    assert dataclasses.replace(old, name="Another") == new


def test_a_secret_that_cannot_be_opened_is_none() -> None:
    """Nor is there one where there are no secrets; neither raises."""
    assert newest_secret(made_of(), OTHERS) is None
    assert newest_secret(a_subscription(secrets=()), KEYS) is None


def test_a_new_secret_stands_in_front_and_the_old_one_signs_on() -> None:
    """With the time from which headers of one value use it."""
    old = made_of()

    new = renewed(old, LONG, LATER, now_ms=NOON_MS, expires_ms=NOON_MS + 10, active_ms=NOON_MS + 5)

    assert LONG == newest_secret(new, LATER)
    assert [(NOON_MS + 5, None), (0, NOON_MS + 10)] == [(one.active_ms, one.expires_ms) for one in new.secrets]
    assert old.secrets[0].sealed == new.secrets[1].sealed


def test_a_secret_that_the_ring_does_not_open_goes_with_the_next_rotation() -> None:
    """Its key was lost: as long as it stood there nothing could be sent."""
    new = renewed(made_of(OTHERS), SECRET, KEYS, now_ms=NOON_MS, expires_ms=NOON_MS + 10)

    assert 1 == len(new.secrets)
    assert SECRET == newest_secret(new, KEYS)


ED25519 = (Signature.STANDARD_WEBHOOKS_ED25519,)


def test_a_secret_that_makes_no_pair_cannot_be_used_for_one() -> None:
    """Neither at first nor later; what it is that is missing is said, and it is not cited."""
    with pytest.raises(Invalid, match="signatures: standard-webhooks-ed25519 needs another secret") as refused:
        made_of(signatures=ED25519)
    with pytest.raises(Invalid):
        fitting(amended(made_of(), {"signatures": ED25519}, KEYS), KEYS)

    assert SECRET.decode() not in str(refused.value)


def test_one_that_does_or_that_nobody_can_open_is_not_refused() -> None:
    """Of the latter nothing is known; the worker puts it off."""
    able = renewed(made_of(), LONG, KEYS, now_ms=NOON_MS, expires_ms=NOON_MS + 10)
    able = amended(able, {"signatures": ED25519}, KEYS)

    assert able == fitting(able, KEYS)
    assert able == fitting(able, OTHERS)


def test_public_keys_stand_as_the_secrets_do() -> None:
    """None of one that makes no pair, or cannot be opened."""
    both = renewed(made_of(), LONG, LATER, now_ms=NOON_MS, expires_ms=NOON_MS + 10)

    first, second = public_keys(both, LATER)

    assert first is not None
    assert first.startswith("whpk_")
    assert second is None
    assert [None, None] == public_keys(both, OTHERS)


def test_a_generated_id_is_one_that_forms_takes_and_is_new_each_time() -> None:
    """`sub_` and 26 characters of base32."""
    ids = {new_id() for _ in range(100)}

    assert 100 == len(ids)
    assert all(re.fullmatch(r"sub_[a-z2-7]{26}", one) and ID.fullmatch(one) for one in ids)


def test_a_generated_secret_is_one_that_forms_takes_and_is_new_each_time() -> None:
    """`whsec_` and 32 bytes in base64, as Standard Webhooks writes it."""
    secrets = {generated_secret() for _ in range(100)}

    assert 100 == len(secrets)
    assert secrets == {read_secret(one) for one in secrets}
    assert {32} == {len(base64.b64decode(one.removeprefix(b"whsec_"), validate=True)) for one in secrets}
