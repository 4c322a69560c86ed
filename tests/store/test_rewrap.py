"""Everything sealed anew with the newest key, and what each key still seals."""

import dataclasses
from typing import Any

import pytest

from relay.model import Secret, Subscription, SubscriptionId
from relay.store import rewrap
from relay.store.catalogue import opened
from relay.store.edits import Stored, Unreadable
from relay.store.keyring import KeyRing
from relay.store.rewrap import Rewrap, Use, rewrapped, sealed_of, uses
from relay.store.sealing import made, newest_secret, renewed
from tests.builders import NOON_MS, a_subscription

OLD, NEW, LOST = ("2025", bytes(32)), ("2026", bytes(range(32))), ("2020", b"l" * 32)
BEFORE, AFTER = KeyRing([OLD]), KeyRing([NEW, OLD])
SECRET = b"correct horse battery"


def one_of(keys: KeyRing, ident: str = "sub_1", **values: Any) -> Subscription:  # noqa: ANN401  a form's own
    needed = {"account_id": "acc_1", "name": "CRM", "url": "https://crm.example/", "events": ("lead.created",)}
    return made(SubscriptionId(ident), needed | values, SECRET, keys, by="somebody", now_ms=NOON_MS)


def edit(keys: KeyRing = AFTER) -> Rewrap:
    return Rewrap(keys=keys, by="cli:ann", now_ms=NOON_MS + 1)


def test_secrets_and_headers_are_sealed_with_the_newest_key_and_stay_what_they_were() -> None:
    """The old key may go: the new one alone opens all of it."""
    old = one_of(BEFORE, headers={"authorization": "Bearer t0ken"})
    alone = KeyRing([NEW])

    new = rewrapped(old, AFTER, now_ms=NOON_MS)

    assert {"2026"} == {sealed.key_id for sealed in sealed_of(new)}
    assert SECRET == newest_secret(new, alone)
    assert {"authorization": "Bearer t0ken"} == opened(new, alone).headers
    assert dataclasses.replace(old, secrets=new.secrets, headers=new.headers) == new


def test_what_the_newest_key_seals_already_is_left_alone() -> None:
    """So the second time nothing is different, and nothing is written."""
    once = rewrapped(one_of(BEFORE, headers={"x": "y"}), AFTER, now_ms=NOON_MS)

    assert once == rewrapped(once, AFTER, now_ms=NOON_MS)
    assert {} == edit()({once.id: once})


def test_what_the_ring_does_not_open_stays_as_it_was() -> None:
    """Its key may yet be found; the rest of the same subscription is sealed anew."""
    old = one_of(KeyRing([LOST]), headers={"x": "y"})
    old = dataclasses.replace(old, headers=one_of(BEFORE, headers={"x": "y"}).headers)

    new = rewrapped(old, AFTER, now_ms=NOON_MS)

    assert ["2020", "2026"] == [sealed.key_id for sealed in sealed_of(new)]
    assert old.secrets == new.secrets


def test_secrets_that_have_expired_are_dropped_and_times_stay() -> None:
    """They sign nothing, and would hold their key for ever; of those that hold, when they do is kept."""
    old = renewed(one_of(BEFORE), b"another", BEFORE, now_ms=NOON_MS, expires_ms=NOON_MS + 10, active_ms=NOON_MS + 5)

    before, after = (rewrapped(old, AFTER, now_ms=now_ms) for now_ms in (NOON_MS + 9, NOON_MS + 10))

    assert [(NOON_MS + 5, None), (0, NOON_MS + 10)] == [(one.active_ms, one.expires_ms) for one in before.secrets]
    assert [(NOON_MS + 5, None)] == [(one.active_ms, one.expires_ms) for one in after.secrets]


def test_the_last_secret_is_never_dropped() -> None:
    """One that expired stays, as its writer left it."""
    old = one_of(BEFORE)
    over = dataclasses.replace(old, secrets=(dataclasses.replace(old.secrets[0], expires_ms=NOON_MS),))

    assert 1 == len(rewrapped(over, AFTER, now_ms=NOON_MS + 1).secrets)


def test_each_that_is_changed_is_one_version_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of what cannot be read nothing is written; and no more at once than one transaction should hold."""
    there: dict[SubscriptionId, Stored] = {one.id: one for one in (one_of(BEFORE, f"sub_{n}") for n in range(3))}
    there[SubscriptionId("sub_x")] = Unreadable("{", one_of(BEFORE, "sub_x"))

    changes = edit()(there)
    monkeypatch.setattr(rewrap, "BATCH_BYTES", 1)
    first = edit()(there)

    assert ["sub_0", "sub_1", "sub_2"] == list(changes)
    assert [(2, "cli:ann")] * 3 == [(one.version, one.updated_by) for one in changes.values() if one]
    assert ["sub_0"] == list(first)
    assert ["sub_1"] == list(edit()(there | {id_: one for id_, one in first.items() if one}))


def test_without_a_key_nothing_is_sealed_anew() -> None:
    """An empty ring opens nothing, and so changes nothing."""
    assert one_of(BEFORE) != rewrapped(one_of(BEFORE), AFTER, now_ms=NOON_MS)
    old = one_of(BEFORE)
    assert old == rewrapped(old, KeyRing([]), now_ms=NOON_MS)


def test_what_each_key_seals_is_counted_also_of_keys_that_are_missing() -> None:
    """The ring's in its order, each with what keeps it there; 0 is what lets one go."""
    a = one_of(BEFORE, "a", headers={"x": "1", "y": "2"})
    b = one_of(KeyRing([LOST]), "b")
    both = dataclasses.replace(a, secrets=(*a.secrets, Secret(sealed=b.secrets[0].sealed)))

    counted = uses({one.id: one for one in (both, b)}, AFTER)

    assert [Use("2026", "newest", 0, 0), Use("2025", "older", 3, 1), Use("2020", "missing", 2, 2)] == counted
    assert [Use("2026", "newest", 0, 0), Use("2025", "older", 0, 0)] == uses({}, AFTER)
    assert [Use("key_1", "missing", 1, 1)] == uses({SubscriptionId("sub_1"): a_subscription()}, KeyRing([]))
