"""What a URL asks to replay."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.console.pages import wishes
from relay.replay.values import Lost, Preview, Wish

NOW_MS = 1_559_908_800_000
DAY_MS = 86_400_000


@given(st.dictionaries(st.sampled_from(wishes.FIELDS), st.text(max_size=20)))
def test_whatever_was_typed_is_a_wish_or_a_problem_with_its_field(query: dict[str, str]) -> None:
    """Never an error of ours, and never a wish for everything by mistake."""
    wished = wishes.wished(query, now_ms=NOW_MS)

    assert set(wished.problems) <= set(wishes.FIELDS)
    assert wished.problems or wished.wish.since_ms is not None or wished.wish.from_offsets


def test_a_day_is_replayed_where_nobody_says_since_when() -> None:
    """The form shows it, to be changed."""
    wished = wishes.wished({"subscription": "sub_1"}, now_ms=NOW_MS)

    assert Wish(since_ms=NOW_MS - DAY_MS) == wished.wish
    assert wished.shown["since"] == "2019-06-06T12:00:00"


def test_the_time_that_a_form_shows_is_read_back_as_the_same() -> None:
    """To the second: what a browser's field holds."""
    first = wishes.wished({"subscription": "a", "since": "2019-06-07T11:00:00.000Z"}, now_ms=NOW_MS)

    again = wishes.wished(dict(first.shown), now_ms=NOW_MS)

    assert first == again


@pytest.mark.parametrize("typed", ["leads.events 1", "leads.events/0", "/0 1", "leads.events/x 1", "a/0 -1", "a/0 1²"])
def test_a_line_that_names_no_offset_is_told_by_its_number(typed: str) -> None:
    """A replay from a wrong place would be a lot of mail."""
    with pytest.raises(ValueError, match="line 2"):
        wishes.read_offsets(f"leads.events/0 5\n{typed}")


def test_what_would_be_sent_is_said_with_what_is_not_certain_about_it() -> None:
    """Estimates are called that."""
    exact = wishes.forecast(Preview(events=2000, matched=10, to_send=4, lost=(), exact=True), account=None)
    rough = wishes.forecast(
        Preview(events=2000, matched=10, to_send=4, lost=(), exact=False, note="it is paused"), account=None
    )

    assert ["2,000", "10", "4"] == [figure for _, figure in exact.figures]
    assert ["2,000", "about 10", "about 4"] == [figure for _, figure in rough.figures]
    assert (2, "it is paused") == (len(rough.notes), rough.notes[-1])


def test_whoever_is_bound_to_an_account_is_not_told_how_much_the_log_holds() -> None:
    """It holds all accounts' events."""
    lost = (Lost(topic="leads.events", partition=0, first=7, end=100),)
    told = wishes.forecast(Preview(events=2000, matched=10, to_send=4, lost=lost, exact=True), account="42")

    assert ["10", "4"] == [figure for _, figure in told.figures]
    assert ["leads.events/0: some of it is gone from the log"] == told.notes
