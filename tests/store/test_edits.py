"""What an edit makes of the subscriptions that there are."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.errors import Conflict, NotAllowed, NotFound
from relay.model import EVERY_ACCOUNT, Sealed, Secret, State, Subscription, SubscriptionId
from relay.store.edits import (
    MOST_SECRETS,
    Changes,
    Edit,
    Existing,
    Stored,
    Unreadable,
    account_of,
    change,
    create,
    delete,
    found,
    in_state,
    readable,
    rotated,
)
from tests.builders import NOON_MS, a_subscription

SUB_1 = SubscriptionId("sub_1")
NOON = "2019-06-07T12:00:00.000Z"
DAY_MS = 24 * 3_600_000


def one(number: int, account: str = "acc_1") -> Subscription:
    return a_subscription(id=SubscriptionId(f"sub_{number}"), account_id=account)


def there(*stored: Subscription) -> Existing:
    return {each.id: each for each in stored}


def unreadable(last: Subscription | None = None) -> Unreadable:
    return Unreadable("order: this version does not do that", last)


def changed(edit: Edit, existing: Existing) -> Subscription:
    """The one subscription that it writes."""
    (new,) = edit(existing).values()
    assert new is not None
    return new


def renamed(old: Subscription) -> Subscription:
    return replace(old, name="Another")


def as_it_was(old: Subscription) -> Subscription:
    return old


def at_noon(old: Subscription, **values: Any) -> Changes:  # noqa: ANN401  of its fields
    return change(old.id, lambda before: replace(before, **values), by="ann", now_ms=NOON_MS)(there(old))


# create


def test_a_subscription_with_a_free_id_is_added() -> None:
    """Itself and nothing else is written."""
    new = one(2)

    assert {new.id: new} == create(new, quota=100)(there(one(1)))


@pytest.mark.parametrize("taken", [one(1, "acc_2"), unreadable(one(1)), unreadable()])
def test_an_id_that_is_taken_is_a_conflict(taken: Stored) -> None:
    """Whosever it is, readable or not; the message says what to do."""
    with pytest.raises(Conflict, match="sub_1 already: choose another --id, or `update` that one"):
        create(one(1), quota=100)({SUB_1: taken})


@pytest.mark.parametrize("quota", [1, 2, 5])
def test_an_account_has_as_many_as_its_quota_and_no_more(quota: int) -> None:
    """Other accounts' do not count."""
    others = [one(90 + n, "acc_2") for n in range(9)]
    mine = [one(n) for n in range(quota)]
    new = one(50)

    assert {new.id: new} == create(new, quota=quota)(there(*mine[1:], *others))
    with pytest.raises(NotAllowed, match=f"acc_1 has {quota} subscriptions, and RELAY_MAX_.*_PER_ACCOUNT is {quota}"):
        create(new, quota=quota)(there(*mine, *others))


def test_one_that_cannot_be_read_counts_as_whose_it_was() -> None:
    """It is there and may be read again; of one that never could be read nobody knows."""
    with pytest.raises(NotAllowed):
        create(one(2), quota=1)({SUB_1: unreadable(one(1))})

    assert create(one(2), quota=1)({SUB_1: unreadable()})
    assert ["acc_1", "acc_1", None] == [account_of(each) for each in (one(1), unreadable(one(1)), unreadable())]


def test_an_operators_own_are_exempt_from_the_quota() -> None:
    """Those of all accounts, however many."""
    existing = there(*(one(n, EVERY_ACCOUNT) for n in range(5)))

    assert create(one(9, EVERY_ACCOUNT), quota=1)(existing)


# change


def test_a_change_is_one_version_on_and_stamped() -> None:
    """Who and when; nothing else is different, its incarnation least of all."""
    old = a_subscription(version=7)

    changes = at_noon(old, name="Another")

    assert {SUB_1: replace(old, name="Another", version=8, updated_by="ann", updated_at=NOON)} == changes


@pytest.mark.parametrize("values", [{}, {"name": "A webhook"}, {"filter": {"b": 1, "a": [True]}}])
def test_a_change_of_nothing_writes_nothing(values: dict[str, object]) -> None:
    """No version, no stamp: who only looked did not change it."""
    old = a_subscription(filter={"a": [True], "b": 1})

    assert {} == at_noon(old, **values)


@pytest.mark.parametrize(("before", "after"), [(1, True), (False, 0), ([1], [True]), ({"$eq": 0}, {"$eq": False})])
def test_true_in_place_of_1_is_a_change(before: object, after: object) -> None:
    """A filter tells them apart, though Python does not."""
    old = a_subscription(filter={"lead.data.agreed.value": before})

    new = at_noon(old, filter={"lead.data.agreed.value": after})[SUB_1]

    assert new is not None
    assert repr({"lead.data.agreed.value": after}) == repr(new.filter)


def test_a_change_of_another_version_than_the_newest_is_a_conflict() -> None:
    """Somebody else was faster: what they wrote is not overwritten unseen, not even by a change of nothing."""
    existing = there(a_subscription(version=8))

    for alter in (renamed, as_it_was):
        with pytest.raises(Conflict, match="sub_1 is at version 8 by now, not 7: look at it again"):
            change(SUB_1, alter, by="ann", now_ms=NOON_MS, version=7)(existing)


@pytest.mark.parametrize("version", [8, None])
def test_a_change_of_the_newest_version_is_made(version: int | None) -> None:
    """Also when none was named."""
    edit = change(SUB_1, renamed, by="ann", now_ms=NOON_MS, version=version)

    assert 9 == changed(edit, there(a_subscription(version=8))).version


def test_an_edit_that_is_asked_again_decides_from_what_there_is_by_then() -> None:
    """A rival was faster: the change is made of the rival's, and both are kept."""
    edit = change(SUB_1, renamed, by="ann", now_ms=NOON_MS)
    first, rivals = a_subscription(), a_subscription(version=2, url="https://rival.example/")

    before, after = changed(edit, there(first)), changed(edit, there(rivals))

    assert [(2, first.url), (3, rivals.url)] == [(before.version, before.url), (after.version, after.url)]


# find and delete


@pytest.mark.parametrize("edit", [change(SUB_1, as_it_was, by="ann", now_ms=NOON_MS), delete(SUB_1)])
def test_what_there_is_not_is_not_found(edit: Edit) -> None:
    """The message says where to look."""
    with pytest.raises(NotFound, match="no subscription sub_1: `relay subscriptions list` shows all"):
        edit(there(one(2)))


def test_one_that_cannot_be_read_cannot_be_changed_but_deleted() -> None:
    """Why is told: a change would lose what this version does not know of."""
    existing = {SUB_1: unreadable(one(1))}

    with pytest.raises(Conflict, match=r"sub_1 cannot be read \(order: .* not do that\): delete it and"):
        found(existing, SUB_1)
    assert {SUB_1: None} == delete(SUB_1)(existing)


def test_a_deletion_writes_null_under_one_id() -> None:
    """And touches no other."""
    assert {SUB_1: None} == delete(SUB_1)(there(one(1), one(2)))


def test_those_that_can_be_shown_stand_in_the_order_of_their_ids() -> None:
    """One that cannot be read is not among them."""
    existing = {**there(one(3), one(1)), SubscriptionId("sub_2"): unreadable(one(2))}

    assert [one(1), one(3)] == readable(existing)


# states


@pytest.mark.parametrize(("before", "after"), [(a, b) for a in State for b in State if a is not b])
def test_a_new_state_brings_its_reason_and_when_it_began(before: State, after: State) -> None:
    """No reason in place of the one before, too; an edit of something else moves neither."""
    old = a_subscription(state=before, state_reason="it was so")

    for reason in ("moving", None):
        new = change(SUB_1, in_state(after, reason), by="ann", now_ms=NOON_MS)(there(old))[SUB_1]
        assert new is not None
        assert (after, reason, NOON) == (new.state, new.state_reason, new.state_at)

    renamed = at_noon(old, name="Another")[SUB_1]
    assert renamed is not None
    assert ("it was so", old.state_at) == (renamed.state_reason, renamed.state_at)


@pytest.mark.parametrize("state", State)
def test_one_that_is_in_that_state_already_keeps_its_reason(state: State) -> None:
    """So pausing twice writes nothing the second time."""
    old = a_subscription(state=state, state_reason="since Monday")

    assert {} == change(SUB_1, in_state(state, "again"), by="ann", now_ms=NOON_MS)(there(old))


# secrets


def a_secret(key_id: str, expires_ms: int | None = None) -> Secret:
    return Secret(sealed=Sealed(key_id, key_id.encode()), expires_ms=expires_ms)


def rotate(*secrets: Secret, expires_ms: int = NOON_MS + DAY_MS) -> tuple[Secret, ...]:
    """Those after `new` is put in front at noon."""
    return rotated(a_secret("new"), now_ms=NOON_MS, expires_ms=expires_ms)(a_subscription(secrets=secrets)).secrets


def test_a_new_secret_stands_in_front_and_the_old_one_expires() -> None:
    """The new one does not."""
    assert (a_secret("new"), a_secret("old", NOON_MS + DAY_MS)) == rotate(a_secret("old"))


def test_a_secret_that_expires_sooner_keeps_its_time_and_one_that_expires_later_does_not() -> None:
    """A rotation never lengthens a life."""
    sooner, later = a_secret("sooner", NOON_MS + 1), a_secret("later", NOON_MS + 2 * DAY_MS)

    assert (a_secret("new"), a_secret("later", NOON_MS + DAY_MS), sooner) == rotate(later, sooner)


def test_a_secret_that_has_expired_is_dropped() -> None:
    """To the millisecond: at its time it signs no more."""
    gone, last = a_secret("gone", NOON_MS), a_secret("last", NOON_MS + 1)

    assert (a_secret("new"), last) == rotate(gone, last)


def test_a_rotation_of_one_without_secrets_gives_it_one() -> None:
    """It has nothing to expire."""
    assert (a_secret("new"),) == rotate()


def test_a_subscription_has_only_so_many_secrets_at_a_time() -> None:
    """Each of them is in every request's head; when the next may be given follows from when the others expire."""
    full = [a_secret(f"{n}", NOON_MS + 1) for n in range(MOST_SECRETS)]

    assert MOST_SECRETS == len(rotate(*full[1:]))
    assert MOST_SECRETS == len(rotate(*full[1:], a_secret("gone", NOON_MS)))
    with pytest.raises(Conflict, match="it has 10 secrets that have not expired"):
        rotate(*full)


@given(st.lists(st.none() | st.integers(NOON_MS - 5, NOON_MS + 5), max_size=6), st.integers(NOON_MS, NOON_MS + 5))
def test_a_rotation_keeps_the_order_drops_what_expired_and_bounds_the_rest(
    expiries: list[int | None], bound: int
) -> None:
    """Whatever there was; nothing else of the subscription is touched."""
    old = a_subscription(secrets=tuple(a_secret(f"{n}", at) for n, at in enumerate(expiries)))

    new = rotated(a_secret("new"), now_ms=NOON_MS, expires_ms=bound)(old)

    alive = [each for each in old.secrets if each.expires_ms is None or each.expires_ms > NOON_MS]
    assert ["new", *(each.sealed.key_id for each in alive)] == [each.sealed.key_id for each in new.secrets]
    assert [min(each.expires_ms or bound, bound) for each in alive] == [each.expires_ms for each in new.secrets[1:]]
    assert old == replace(new, secrets=old.secrets)
