"""Cursors of subscriptions."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.console.cursors import Newest, key_of, opened, written
from relay.errors import Invalid
from relay.model import Subscription, SubscriptionId
from relay.store.edits import Stored, Unreadable, last


def made(ident: str, day: int) -> Subscription:
    at = f"2026-01-{day:02}T00:00:00.000Z"
    return Subscription(id=SubscriptionId(ident), account_id="a", name="", url="", events=(), created_at=at)


IDS = st.sampled_from([SubscriptionId(f"sub_{number}") for number in range(5)])


@given(st.lists(st.tuples(IDS, st.integers(0, 3), st.sampled_from(["made", "unreadable", "deleted"]))), st.data())
def test_a_listing_stays_in_order_whatever_becomes_of_its_subscriptions(
    edits: list[tuple[SubscriptionId, int, str]], data: st.DataObject
) -> None:
    """Made, made anew, deleted, unreadable for a while: newest first, and from behind any place on."""
    newest, there = Newest(), dict[SubscriptionId, Stored]()
    for ident, day, kind in edits:
        before = there.get(ident)
        if kind == "deleted":
            there.pop(ident, None)
        else:
            there[ident] = made(ident, day + 1) if kind == "made" else Unreadable("", last(before))
        newest.change(before, there.get(ident))
    keys = sorted((key_of(one) for one in map(last, there.values()) if one), reverse=True)
    after = data.draw(st.none() | st.sampled_from([*keys, ("2026-01-02T", "")]))

    assert [ident for at, ident in keys if after is None or (at, ident) < after] == [*newest.behind(after)]
    assert [ident for _, ident in keys] == [*Newest(there).behind(None)]


def test_a_cursor_says_where_the_page_ended() -> None:
    one = made("sub_1", 1)

    assert key_of(one) == opened(written(one))


@given(cursor=st.text() | st.text(alphabet='ABCabc0123_-=[]"'))
def test_whatever_is_made_up_is_a_place_or_refused(cursor: str) -> None:
    """It may be anything."""
    try:
        created_at, ident = opened(cursor)
    except Invalid:
        return
    assert isinstance(created_at + ident, str)


@pytest.mark.parametrize("cursor", ["", "x", "W10", "WzEsMl0", "bnVsbA", "A" * 500])
def test_what_is_none_is_refused(cursor: str) -> None:
    """Not base64, an empty list, numbers, null, too long."""
    with pytest.raises(Invalid):
        opened(cursor)
