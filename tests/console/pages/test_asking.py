"""The filters of Delivery History in a URL."""

from urllib.parse import parse_qsl

from hypothesis import given
from hypothesis import strategies as st

from relay.console.pages import asking
from relay.errors import Problem
from relay.store.history.listing import Route, route
from relay.store.history.values import Search, State

NOW_MS = 1_559_908_800_000
HOUR_MS = 3_600_000
QUERIES = st.dictionaries(st.sampled_from(asking.FIELDS), st.text(max_size=12))
SOUND = st.fixed_dictionaries(
    {},
    optional={
        "q": st.sampled_from(["lead 1", "a&b=c"]),
        "subscription": st.just("sub_1"),
        "state": st.sampled_from(sorted(asking.STATES)),
        "event": st.sampled_from(["lead.updated", "LeadCreated"]),
        "status": st.sampled_from(["503", "5xx", "2xx"]),
        "trigger": st.sampled_from(["event", "test"]),
        "range": st.sampled_from(sorted(asking.RANGES_MS)),
    },
)


@given(QUERIES)
def test_whatever_stands_in_a_url_is_a_search_or_a_problem_with_its_field(query: dict[str, str]) -> None:
    """Never an error of ours: people edit URLs."""
    asked = asking.asked(query, now_ms=NOW_MS)

    assert set(asked.problems) <= set(asking.FIELDS)


@given(SOUND)
def test_what_a_form_can_ask_the_history_can_answer(query: dict[str, str]) -> None:
    """A filter that needs a time range gets one, and the form shows it."""
    asked = asking.asked(query, now_ms=NOW_MS)

    assert not asked.problems
    assert isinstance(route(asked.search, cursor=None, limit=50), Route)


@given(SOUND)
def test_a_url_that_was_made_asks_for_the_same(query: dict[str, str]) -> None:
    """It can be kept, sent, and gone back to."""
    asked = asking.asked(query, now_ms=NOW_MS)

    again = asking.asked(dict(parse_qsl(asked.query().removeprefix("?"))), now_ms=NOW_MS)

    assert asked == again


def test_each_field_asks_for_what_it_says() -> None:
    """By the names that the seed's people use too."""
    query = {"subscription": "sub_1", "state": "gave_up", "event": "LeadUpdated", "status": "5xx", "range": "1h"}

    asked = asking.asked(query, now_ms=NOW_MS)

    assert asked.search == Search(
        subscription_id="sub_1",
        state=State.GAVE_UP,
        event_type="lead.updated",
        status=5,
        since_ms=NOW_MS - HOUR_MS,
    )


def test_two_times_can_be_chosen_and_a_range_takes_their_place() -> None:
    """To the second; the fields of a form are sent whichever of the two is meant."""
    chosen = asking.asked({"since": "2019-06-07T10:00:00Z", "until": "2019-06-07T11:00"}, now_ms=NOW_MS)
    ranged = asking.asked({**chosen.shown, "range": "1h"}, now_ms=NOW_MS)

    assert (NOW_MS - 2 * HOUR_MS, NOW_MS - HOUR_MS) == (chosen.search.since_ms, chosen.search.until_ms)
    assert {"range": "chosen", "since": "2019-06-07T10:00:00", "until": "2019-06-07T11:00:00"} == chosen.shown
    assert {"range": "1h"} == ranged.shown
    assert asking.asked({"range": "chosen"}, now_ms=NOW_MS).search.since_ms == NOW_MS - 24 * HOUR_MS


def test_a_field_that_says_nothing_sensible_is_told_beside_it() -> None:
    """And is not quietly left out of the search."""
    asked = asking.asked({"status": "teapot", "since": "yesterday", "state": "odd", "range": "1y"}, now_ms=NOW_MS)

    assert {"status", "since", "state"} <= set(asked.problems)


def test_the_api_and_the_stream_are_asked_the_same() -> None:
    """What is exported is what is seen; a result by itself says nothing of its delivery's state."""
    search = Search(subscription_id="sub_1", state=State.PENDING, since_ms=NOW_MS)

    assert asking.told(search)["state"] == "pending"
    assert asking.told(search)["since"] == "2019-06-07T12:00:00.000Z"
    assert "state" not in asking.followed(search)
    assert {"since": "is needed"} == asking.beside([Problem("since_ms", "is needed")])
