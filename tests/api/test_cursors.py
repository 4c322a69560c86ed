"""Cursors of subscriptions."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.console.cursors import key_of, opened, written
from relay.errors import Invalid
from relay.model import Subscription, SubscriptionId


def test_a_cursor_says_where_the_page_ended() -> None:
    one = Subscription(
        id=SubscriptionId("sub_1"), account_id="a", name="", url="", events=(), created_at="2026-01-01T00:00:00.000Z"
    )

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
