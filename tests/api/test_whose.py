"""Whose a subscription is, decided where it is written."""

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

from relay.access.values import Principal, Scope
from relay.console.desk import whose
from relay.console.etags import etag
from relay.errors import Invalid, NotFound, Stale
from relay.model import Subscription, SubscriptionId
from relay.store.edits import Edit, Existing, Unreadable

ID = SubscriptionId("sub_1")
ONE = Subscription(
    id=ID, account_id="acct-1", name="Hook", url="https://x/", events=("lead.updated",), created_at="2026", version=3
)
MINE = Principal(name="me", scope=Scope.WRITE, account="acct-1")
OTHER = dataclasses.replace(MINE, account="acct-2")
OPERATOR = dataclasses.replace(MINE, account=None)


def renamed(who: Principal, **asked: Any) -> Edit:  # noqa: ANN401
    asked = {"now_ms": 0, "version": None, "if_match": None} | asked
    return whose.changed(who, ID, lambda old: dataclasses.replace(old, name="New"), **asked)


def removed(who: Principal, **asked: Any) -> Edit:  # noqa: ANN401
    return whose.deleted(who, ID, **{"version": None, "if_match": None} | asked)


@pytest.mark.parametrize("edit", [renamed, removed])
def test_only_whose_it_is_edits_it(edit: Callable[..., Edit]) -> None:
    """Asked of what is there when it is written: an id that was made anew by another is another's."""
    assert {ID} == edit(MINE)({ID: ONE}).keys()
    assert {ID} == edit(OPERATOR)({ID: ONE}).keys()
    for existing in ({}, {ID: dataclasses.replace(ONE, account_id="acct-2")}, {ID: Unreadable("no JSON", None)}):
        with pytest.raises(NotFound):
            edit(MINE)(existing)
    with pytest.raises(NotFound):
        edit(OTHER)({ID: ONE})


@pytest.mark.parametrize("edit", [renamed, removed])
@pytest.mark.parametrize("asked", [{"version": 2}, {"if_match": '"2-00000000"'}, {"if_match": "junk"}])
def test_what_has_changed_since_is_left_as_it_is(edit: Callable[..., Edit], asked: dict[str, Any]) -> None:
    """By its version, or by its tag."""
    with pytest.raises(Stale):
        edit(MINE, **asked)({ID: ONE})


@pytest.mark.parametrize("edit", [renamed, removed])
@pytest.mark.parametrize("asked", [{"version": 3}, {"if_match": etag(ONE)}, {"if_match": "*"}])
def test_what_was_seen_as_it_is_is_edited(edit: Callable[..., Edit], asked: dict[str, Any]) -> None:
    assert {ID} == edit(MINE, **asked)({ID: ONE}).keys()


def test_what_cannot_be_read_can_be_deleted_and_not_by_a_form_that_was_seen() -> None:
    """Its tag was another's."""
    existing: Existing = {ID: Unreadable("no JSON", ONE)}

    assert {ID: None} == removed(MINE)(existing)
    with pytest.raises(Stale):
        removed(MINE, version=3)(existing)


def test_a_form_of_a_new_one_is_for_the_account_that_its_writer_is_bound_to() -> None:
    """It names no other, and no id: that one is taken would tell that somebody has it."""
    assert {"account_id": "acct-1", "name": "x"} == whose.own(MINE, {"name": "x"})
    assert {"account_id": "acct-9", "id": "x"} == whose.own(OPERATOR, {"account_id": "acct-9", "id": "x"})
    with pytest.raises(Invalid) as told:
        whose.own(MINE, {"account_id": "acct-9", "id": "x"})
    assert ["account_id", "id"] == [one.field for one in told.value.problems]
