"""`apply`: what a file says becomes what there is, and people are told the difference."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.errors import Conflict, Invalid, NotAllowed
from relay.model import EVENT_TYPES, EVERY_ACCOUNT, State, Subscription, SubscriptionId
from relay.store.desired import OLD_SECRET_MS, Apply, Desired, Difference
from relay.store.edits import Existing, Stored, Unreadable
from relay.store.keyring import KeyRing
from relay.store.sealing import newest_secret
from tests.builders import NOON_MS

KEYS = KeyRing([("2026", bytes(32))])
OTHERS = KeyRing([("2030", bytes(range(32)))])
NOON, NEXT_DAY_MS = "2019-06-07T12:00:00.000Z", NOON_MS + 24 * 3_600_000
SECRET, ANOTHER = b"s3cr3t-t0ken-one", b"s3cr3t-t0ken-two"
NEEDED: Mapping[str, Any] = {
    "account_id": "acc_1",
    "name": "CRM",
    "url": "https://crm.example/",
    "events": ("lead.created",),
}


def new(id_: str = "one", secret: bytes | None = SECRET, **values: object) -> Desired:
    """What the file says of one that is whole; these fields in place of its own."""
    return Desired(id=SubscriptionId(id_), values={**NEEDED, **values}, secret=secret)


def said(id_: str = "one", secret: bytes | None = None, **values: object) -> Desired:
    """What the file says: this and no more."""
    return Desired(id=SubscriptionId(id_), values=values, secret=secret)


def apply(*desired: Desired, prune: str | None = None, quota: int = 100, keys: KeyRing = KEYS) -> Apply:
    return Apply(desired=desired, prune=prune, keys=keys, quota=quota, by="ann", now_ms=NOON_MS)


def after(edit: Apply, existing: Existing) -> dict[SubscriptionId, Stored]:
    """All that there is once it is written."""
    changes = edit(existing)
    return {id_: one for id_, one in {**existing, **changes}.items() if one is not None}


def there(*desired: Desired) -> dict[SubscriptionId, Stored]:
    return after(apply(*desired), {})


def one_of(existing: Existing, id_: str = "one") -> Subscription:
    one = existing[SubscriptionId(id_)]
    assert isinstance(one, Subscription)
    return one


def told(edit: Apply, existing: Existing) -> list[tuple[str, str]]:
    edit(existing)
    return [(one.action, one.id) for one in edit.differences]


# idempotent


def test_a_file_that_says_everything_changes_nothing_the_second_time() -> None:
    """Also with another key in front of the ring: what is the same is not sealed anew."""
    desired = new(
        headers={"authorization": "Bearer t0ken"},
        bot_ids=("bot_1",),
        filter={"a": [1, True]},
        timeout_s=3.0,
        rate_per_s=2.5,
        max_in_flight=4,
        record_response=False,
    )
    existing = there(desired)
    again = apply(desired, prune="acc_1", keys=KeyRing([("2027", bytes(range(32))), ("2026", bytes(32))]))

    assert {} == again(existing)
    assert [] == again.differences


ids = st.sampled_from(["one", "two", "three"])
fields = st.fixed_dictionaries(
    {},
    optional={
        "name": st.sampled_from(["CRM", "Another"]),
        "url": st.sampled_from(["https://crm.example/", "https://crm.example/b"]),
        "events": st.sampled_from([("lead.created",), EVENT_TYPES]),
        "bot_ids": st.sampled_from([(), ("bot_1",)]),
        "filter": st.sampled_from([None, {}, {"a": 1}, {"a": True}, {"a": 1.0}, {"b": 1, "a": 1}, {"a": 1, "b": 1}]),
        "headers": st.dictionaries(st.sampled_from(["x-a", "x-b"]), st.sampled_from(["", "1", "2"])),
        "timeout_s": st.sampled_from([None, 1.0, 15.0]),
        "rate_per_s": st.sampled_from([None, 0.1, 10.0]),
        "max_in_flight": st.sampled_from([None, 1, 10]),
        "record_response": st.booleans(),
    },
)
secrets = st.sampled_from([SECRET, ANOTHER])
states = st.dictionaries(ids, st.tuples(fields, secrets)).map(
    lambda of: there(*(new(id_, secret, **values) for id_, (values, secret) in of.items()))
)
files = st.dictionaries(ids, st.tuples(fields, st.none() | secrets), max_size=3).map(
    lambda of: [Desired(id=SubscriptionId(id_), values=values, secret=secret) for id_, (values, secret) in of.items()]
)


@given(states, files, st.sampled_from([None, "acc_1", "acc_2"]))
def test_applying_twice_is_applying_once(existing: Existing, desired: list[Desired], prune: str | None) -> None:
    """Whatever there was, and whatever the file says: the second time nothing is different."""
    whole = [replace(one, values={**NEEDED, **one.values}, secret=one.secret or SECRET) for one in desired]

    once = after(apply(*whole, prune=prune), existing)
    again = apply(*whole, prune=prune)

    assert {} == again(once)
    assert [] == again.differences


@given(states, files, st.booleans())
def test_the_difference_is_what_is_written(existing: Existing, desired: list[Desired], pruned: bool) -> None:  # noqa: FBT001
    """No more and no less, each under its own word; a file that lacks what a new one needs writes nothing."""
    edit = apply(*desired, prune="acc_1" if pruned else None)

    try:
        changes = edit(existing)
    except Invalid:
        assert {one.id for one in desired} - existing.keys()
        return

    words = {
        id_: "delete" if one is None else "update" if id_ in existing else "create" for id_, one in changes.items()
    }
    assert words == {one.id: one.action for one in edit.differences}
    assert len(words) == len(edit.differences)
    assert all(one.fields for one in edit.differences if one.action != "delete")


def test_asked_again_it_tells_the_difference_of_the_last_time_only() -> None:
    """A rival was faster: what was told of the first try is forgotten."""
    edit = apply(new("one"), new("two"))
    edit({})

    assert [("create", "two")] == told(edit, there(new("one")))


# create


def test_what_there_is_not_is_created() -> None:
    """Active, of version 1, its secret and headers sealed; the difference has what was said."""
    edit = apply(new(headers={"authorization": "Bearer t0ken"}))

    one = one_of(after(edit, {}))

    assert (State.ACTIVE, 1, "ann", NOON, NOON) == (
        one.state,
        one.version,
        one.updated_by,
        one.created_at,
        one.updated_at,
    )
    assert SECRET == newest_secret(one, KEYS)
    before_and_after = {name: (None, list(value) if name == "events" else value) for name, value in NEEDED.items()}
    assert [Difference("one", "create", before_and_after | {"headers": (None, {"authorization": "***"})})] == (
        edit.differences
    )


def test_all_that_is_missing_is_told_at_once() -> None:
    """Of every subscription in the file, each field by the subscription's id; nothing is written."""
    edit = apply(said("one", name="CRM"), new("two"), said("three", SECRET, account_id="acc_1"))

    with pytest.raises(Invalid) as caught:
        edit({})

    fields = ["one.account_id", "one.url", "one.events", "one.secret_file", "three.name", "three.url", "three.events"]
    assert fields == [one.field for one in caught.value.problems]
    assert {"is needed, for there is no such subscription yet"} == {one.rule for one in caught.value.problems}


# update


def test_a_field_that_the_file_does_not_mention_keeps_its_value() -> None:
    """The difference has the one that changed, before and after."""
    existing = there(new(timeout_s=3.0, filter={"a": 1}, headers={"x-team": "sales"}))
    edit = apply(said(name="Another"))

    one = one_of(after(edit, existing))

    assert replace(one_of(existing), name="Another", version=2, updated_by="ann", updated_at=NOON) == one
    assert [Difference("one", "update", {"name": ("CRM", "Another")})] == edit.differences


def test_a_limit_is_there_until_a_file_says_null() -> None:
    """The difference has it before and after; a file that does not mention it leaves it."""
    existing = there(new(rate_per_s=2.5, max_in_flight=4))
    edit = apply(said(rate_per_s=None, max_in_flight=8))

    one = one_of(after(edit, existing))

    assert (None, 8) == (one.rate_per_s, one.max_in_flight)
    assert [{"rate_per_s": (2.5, None), "max_in_flight": (4, 8)}] == [each.fields for each in edit.differences]
    assert 2.5 == one_of(after(apply(said(name="Another")), existing)).rate_per_s


def test_true_in_place_of_1_in_a_filter_is_a_difference() -> None:
    """Python holds them equal; a filter does not."""
    edit = apply(said(filter={"a": True}))

    assert "{'a': True}" == repr(one_of(after(edit, there(new(filter={"a": 1})))).filter)
    assert "{'filter': ({'a': 1}, {'a': True})}" == repr(edit.differences[0].fields)


def test_its_account_never_changes() -> None:
    """It is told whose it is, with all else that is wrong; the account that it has may be said."""
    existing = there(new("one"), new("two"))
    edit = apply(said("one", account_id="acc_2"), said("two", account_id="*", name="Two"), said("three", SECRET))

    with pytest.raises(Invalid) as caught:
        edit(existing)

    assert ["one.account_id: never changes: it is acc_1", "two.account_id: never changes: it is acc_1"] == [
        str(one) for one in caught.value.problems[:2]
    ]
    assert "three.account_id" == caught.value.problems[2].field
    assert {} == apply(said("one", account_id="acc_1"))(existing)


@pytest.mark.parametrize("state", [State.PAUSED, State.DISABLED])
def test_what_is_paused_or_disabled_stays_so(state: State) -> None:
    """A file says what a subscription is, not whether it is delivered to."""
    existing = {id_: replace(one_of(there(new())), state=state, state_reason="moving") for id_ in there(new())}

    one = one_of(after(apply(said(name="Another")), existing))

    assert (state, "moving", "Another") == (one.state, one.state_reason, one.name)


def test_one_that_cannot_be_read_is_a_conflict() -> None:
    """It would be written over unseen; the message says what to do."""
    existing = {SubscriptionId("one"): Unreadable("order: this version does not do that", one_of(there(new())))}

    with pytest.raises(Conflict, match="one cannot be read: delete it, then apply again"):
        apply(new())(existing)


# secrets and headers


def test_another_secret_is_a_rotation() -> None:
    """The old one signs too for a day, as after `rotate`."""
    existing = there(new())
    edit = apply(said(secret=ANOTHER))

    one = one_of(after(edit, existing))

    assert ANOTHER == newest_secret(one, KEYS)
    assert [None, NEXT_DAY_MS] == [each.expires_ms for each in one.secrets]
    assert OLD_SECRET_MS == NEXT_DAY_MS - NOON_MS
    assert one_of(existing).secrets[0].sealed == one.secrets[1].sealed
    assert [Difference("one", "update", {"secret": ("***", "another")})] == edit.differences


@pytest.mark.parametrize("secret", [SECRET, None])
def test_the_same_secret_or_none_said_is_no_rotation(secret: bytes | None) -> None:
    """It keeps its bytes, though sealing it again would give others."""
    existing = there(new())

    assert {} == apply(said(secret=secret))(existing)
    assert one_of(existing).secrets == one_of(after(apply(said(secret=secret, name="B")), existing)).secrets


def test_a_secret_that_cannot_be_opened_is_rotated_once() -> None:
    """Nobody can tell whether it is the same; from then on it is."""
    once = after(apply(new(), keys=OTHERS), there(new()))

    assert SECRET == newest_secret(one_of(once), OTHERS)
    assert {} == apply(new(), keys=OTHERS)(once)


def test_of_headers_the_difference_tells_the_names() -> None:
    """Also when only a value is another."""
    existing = there(new(headers={"authorization": "Bearer t0ken", "x-team": "a"}))
    value, name = apply(said(headers={"authorization": "Bearer 0ther", "x-team": "a"})), apply(said(headers={}))
    value(existing)
    name(existing)

    assert [{"headers": (["authorization", "x-team"], ["authorization", "x-team"])}] == [
        one.fields for one in value.differences
    ]
    assert [{"headers": (["authorization", "x-team"], [])}] == [one.fields for one in name.differences]


def test_no_secret_is_in_a_difference_or_a_repr() -> None:
    """Nor a header's value, nor any sealed byte: differences go to screens and logs."""
    desired = [
        new("one", ANOTHER, headers={"authorization": "Bearer s3cr3t-t0ken-three"}),
        new("two", SECRET, headers={"authorization": "Bearer s3cr3t-t0ken-four"}),
    ]
    existing = there(new("one", SECRET, headers={"authorization": "Bearer s3cr3t-t0ken-five"}))
    edit = apply(*desired)
    edit(existing)

    assert [("update", "one"), ("create", "two")] == [(one.action, one.id) for one in edit.differences]
    assert "s3cr3t" not in repr(edit.differences)
    assert not any(repr(each.sealed.data) in repr(edit.differences) for each in one_of(existing).secrets)
    assert "s3cr3t" not in repr(said(secret=SECRET))


# prune


def test_nothing_is_deleted_unless_asked_for() -> None:
    """A file may hold a part of what there is."""
    assert [] == told(apply(new("one")), there(new("one"), new("two")))


def test_what_the_file_does_not_hold_is_deleted_of_that_account_only() -> None:
    """In the order of ids, after all else; an operator's own are an account like others."""
    existing = there(
        *(new("c"), new("b"), new("a"), new("kept")),
        *(new("theirs", account_id="acc_2"), new("all", account_id=EVERY_ACCOUNT)),
    )
    edit = apply(said("kept", name="Kept"), prune="acc_1")

    changes = edit(existing)

    assert [("update", "kept"), *(("delete", id_) for id_ in "abc")] == [
        (one.action, one.id) for one in edit.differences
    ]
    assert {"a": None, "b": None, "c": None} == {id_: one for id_, one in changes.items() if one is None}
    assert [("delete", "all")] == told(apply(prune=EVERY_ACCOUNT), existing)
    assert [] == told(apply(prune="acc_3"), existing)


def test_one_that_cannot_be_read_is_not_pruned() -> None:
    """A later version may have written it; `delete` is how it goes."""
    existing = {SubscriptionId("one"): Unreadable("order: this version does not do that", one_of(there(new())))}

    assert {} == apply(prune="acc_1")(existing)


# quota


def test_an_account_within_its_quota_is_brought_to_it_in_one_file() -> None:
    """What is deleted makes room for what is created."""
    existing = there(new("one"), new("two"))

    assert [("create", "three"), ("delete", "one")] == told(
        apply(new("two"), new("three"), prune="acc_1", quota=2), existing
    )


def test_an_account_over_its_quota_is_refused_whole() -> None:
    """By its name and both numbers; what was within the quota is not written either."""
    edit = apply(new("two"), new("three"), new("theirs", account_id="acc_2"), quota=2)

    with pytest.raises(NotAllowed, match=r"acc_1 would have 3 subscriptions, and RELAY_MAX_.*_PER_ACCOUNT is 2"):
        edit(there(new("one")))


def test_one_that_cannot_be_read_counts_for_its_account() -> None:
    """As it does for `create`."""
    existing = {SubscriptionId("one"): Unreadable("order: this version does not do that", one_of(there(new())))}

    with pytest.raises(NotAllowed, match="acc_1 would have 2"):
        apply(new("two"), quota=1)(existing)


def test_an_operators_own_are_exempt_and_so_is_changing_what_there_is() -> None:
    """A quota that was lowered stops what is new, not what is."""
    existing = there(new("one"), new("two"))

    assert [("create", "a"), ("create", "b")] == told(
        apply(new("a", account_id=EVERY_ACCOUNT), new("b", account_id=EVERY_ACCOUNT), quota=1), existing
    )
    assert [("update", "one")] == told(apply(said("one", name="Another"), quota=1), existing)
