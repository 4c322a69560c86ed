"""What the audit says of an edit."""

from dataclasses import replace
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.model import EVENT_TYPES, Sealed, Secret, State, Subscription, SubscriptionId
from relay.pipeline.results import rfc3339
from relay.store.audited import audited
from relay.store.edits import Changes, Existing, Stored, Unreadable, in_state, touched
from relay.store.entry import AuditEntry, encode_entry
from relay.store.keyring import KeyRing
from relay.store.rewrap import rewrapped
from relay.store.sealing import amended, made, renewed
from tests.builders import NOON_MS, a_subscription

NOON = rfc3339(NOON_MS)
SUB_1 = SubscriptionId("sub_1")
OLD_KEYS = KeyRing([("k1", bytes(32))])
KEYS = KeyRing([("k2", bytes(range(32))), ("k1", bytes(32))])
HOUR_MS = 3_600_000
SECRETS = ("a-signing-secret", "another-secret", "a-bearer-token", "caffe-in-a-path")


def told(old: Stored | None, new: Subscription | None, by: str | None = "ann") -> list[tuple[str, dict[str, Any]]]:
    """Action and details of each entry of an edit of one subscription."""
    existing: Existing = {} if old is None else {SUB_1: old}
    entries = list(audited(existing, {SUB_1: new}, by=by, at=NOON))
    assert {(NOON, "ann", "acc_1", SUB_1)} >= {(one.at, one.actor, one.account_id, one.subject) for one in entries}
    return [(one.action, dict(one.details)) for one in entries]


def a_sealed_one(keys: KeyRing = KEYS) -> Subscription:
    values = {
        "account_id": "acc_1",
        "name": "CRM",
        "url": f"https://crm.example/{SECRETS[3]}",
        "events": EVENT_TYPES,
        "headers": {"authorization": SECRETS[2]},
    }
    return made(SUB_1, values, SECRETS[0].encode(), keys, by="ann", now_ms=NOON_MS)


def edited(old: Subscription, **fields: Any) -> Subscription:  # noqa: ANN401  a Subscription's own
    return touched(replace(old, **fields), by="ann", now_ms=NOON_MS)


def test_a_new_one_is_told_by_what_people_know_it_by() -> None:
    """Name and origin; of the URL's path nothing."""
    new = a_subscription(name="CRM", url="https://crm.example/t0ken")

    assert [("subscription.created", {"version": 1, "name": "CRM", "url": "https://crm.example/…"})] == told(None, new)


def test_a_deleted_one_is_told_by_what_people_knew_it_by() -> None:
    """Also one that can be read no more; of one that never could, that it was there."""
    old = a_subscription(name="CRM", url="https://crm.example/t0ken", version=7)
    known = {"version": 7, "name": "CRM", "url": "https://crm.example/…"}
    (never,) = audited({SUB_1: Unreadable("not JSON", None)}, {SUB_1: None}, by="ann", at=NOON)

    assert [("subscription.deleted", known)] == told(old, None)
    assert [("subscription.deleted", known)] == told(Unreadable("not JSON", old), None)
    assert (None, {}) == (never.account_id, never.details)


def test_an_edit_is_told_by_the_names_of_what_changed() -> None:
    """In the order of the record; never what stood there."""
    old = a_subscription()
    new = edited(old, url="https://other.example/t0ken", bot_ids=("b",), filter={"a": 1}, record_response=False)

    assert [
        ("subscription.updated", {"version": 2, "fields": ["bot_ids", "url", "filter", "record_response"]})
    ] == told(old, new)


def test_an_edit_that_was_none_is_not_told() -> None:
    """Its version apart, it is as it was."""
    old = a_subscription()

    assert [] == told(old, edited(old))


@pytest.mark.parametrize(
    ("old", "new", "action"),
    [
        (State.ACTIVE, State.PAUSED, "subscription.paused"),
        (State.PAUSED, State.ACTIVE, "subscription.resumed"),
        (State.DISABLED, State.ACTIVE, "subscription.resumed"),
        (State.ACTIVE, State.DISABLED, "subscription.disabled"),
    ],
)
def test_another_state_is_told_with_its_reason(old: State, new: State, action: str) -> None:
    """Whoever did it: a worker that disables, too."""
    before = a_subscription(state=old, state_reason="before")

    assert [(action, {"version": 2, "reason": "holidays"})] == told(before, edited(in_state(new, "holidays")(before)))


def test_another_secret_is_a_rotation() -> None:
    """Of the newest that signs for ever, and of one that nobody can open."""
    old = a_sealed_one()
    lost = replace(old, secrets=(Secret(sealed=Sealed("gone", b"x" * 60)), *old.secrets))
    for before in (old, lost):
        new = edited(renewed(before, b"another-secret", KEYS, now_ms=NOON_MS, expires_ms=NOON_MS + HOUR_MS))

        assert [("subscription.rotated", {"version": 2})] == told(before, new)


def test_another_value_of_a_header_is_told_by_its_field() -> None:
    """Names and values of headers are sealed, or may say too much."""
    old = a_sealed_one()

    new = edited(amended(old, {"headers": {"authorization": "another"}}, KEYS))

    assert [("subscription.updated", {"version": 2, "fields": ["headers"]})] == told(old, new)


def test_what_is_sealed_anew_is_no_rotation() -> None:
    """`relay secrets rewrap` changes bytes, and no secret; nothing is passed over all the same."""
    old = a_sealed_one(OLD_KEYS)

    new = edited(rewrapped(old, KEYS, now_ms=NOON_MS))

    assert [("subscription.updated", {"version": 2, "fields": ["secrets", "headers"]})] == told(old, new)


def test_an_edit_of_several_things_at_once_is_several_entries() -> None:
    """As `relay subscriptions apply` makes it."""
    old = a_sealed_one()
    rotated = renewed(old, b"another-secret", KEYS, now_ms=NOON_MS, expires_ms=NOON_MS + HOUR_MS)

    new = edited(rotated, name="another", state=State.PAUSED, state_reason=None)

    assert [
        ("subscription.updated", {"version": 2, "fields": ["name"]}),
        ("subscription.rotated", {"version": 2}),
        ("subscription.paused", {"version": 2, "reason": None}),
    ] == told(old, new)


def test_who_did_it_is_who_says_so_or_what_is_written() -> None:
    """A worker's edits say it themselves; of a deletion nothing is left that could."""
    new = a_subscription(updated_by="relay worker")
    changes: Changes = {SUB_1: new}

    (said,) = audited({}, changes, by="ann", at=NOON)
    (written,) = audited({}, changes, by=None, at=NOON)

    assert ("ann", "relay worker") == (said.actor, written.actor)
    with pytest.raises(ValueError, match="sub_1 is deleted: `by` must say who does it"):
        list(audited({SUB_1: new}, {SUB_1: None}, by=None, at=NOON))


@given(st.lists(st.sampled_from(["rotate", "headers", "url", "pause", "resume", "delete"]), min_size=1, max_size=6))
def test_nothing_of_a_secret_a_header_or_a_path_is_ever_in_it(steps: list[str]) -> None:
    """Whatever is done to it, in whatever order; and every step that changes anything is told."""
    old: Subscription | None = None
    new: Subscription | None = a_sealed_one()
    entries = list(audited({}, {SUB_1: new}, by="ann", at=NOON))
    for number, step in enumerate(steps):
        old = new or a_sealed_one()
        new = done(step, old, number)
        entries += (of_it := list(audited({SUB_1: old}, {SUB_1: new}, by="ann", at=NOON)))
        assert of_it or (
            new is not None and replace(new, version=0, updated_at="") == replace(old, version=0, updated_at="")
        )

    bytes_of_it = b"".join(map(encode_entry, entries))
    assert not [one for one in SECRETS if one.encode() in bytes_of_it]
    assert "caffe" not in str([orjson.loads(encode_entry(one)) for one in entries])
    assert all(isinstance(one, AuditEntry) for one in entries)


def done(step: str, old: Subscription, number: int) -> Subscription | None:
    """One step, as commands make it."""
    match step:
        case "rotate":
            secret = f"{SECRETS[1]}-{number}".encode()
            at_ms = NOON_MS + number * HOUR_MS
            return edited(renewed(old, secret, KEYS, now_ms=at_ms, expires_ms=at_ms + 1))
        case "headers":
            return edited(amended(old, {"headers": {"authorization": f"{SECRETS[2]}-{number}"}}, KEYS))
        case "url":
            return edited(old, url=f"https://crm.example/{SECRETS[3]}/{number}")
        case "pause":
            return edited(in_state(State.PAUSED, None)(old))
        case "resume":
            return edited(in_state(State.ACTIVE, None)(old))
        case _:
            return None
