"""What a listing asks is answered by an index, bounded, or refused by field; so is a cursor that was made up."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.store.history.listing import MAX_LIMIT, Route, cursor_of, fits, holds, opened, route
from relay.store.history.values import Refused, Search, State
from tests.store.history.results import NOON_MS, a_row

DIGITS = string.ascii_uppercase + string.ascii_lowercase + string.digits + "-_"  # of base64, for URLs
KEY = (1_559_908_800_000, 42)


def way(search: Search, *, cursor: str | None = None, limit: int = 50) -> Route:
    found = route(search, cursor=cursor, limit=limit)
    assert isinstance(found, Route), found
    return found


def refused(search: Search, *, cursor: str | None = None, limit: int = 50) -> str:
    found = route(search, cursor=cursor, limit=limit)
    assert isinstance(found, Refused)
    return found.problem.field


@pytest.mark.parametrize(
    "search",
    [
        Search(),
        Search(subscription_id="sub_1"),
        Search(lead_id="lead_1"),
        Search(state=State.PENDING),
        Search(state=State.GAVE_UP, subscription_id="sub_1"),
        Search(since_ms=1, until_ms=2),
        Search(since_ms=1, until_ms=2, subscription_id="sub_1", state=State.DROPPED),
    ],
)
def test_these_are_answered_by_an_index_alone(search: Search) -> None:
    """Nothing is looked at row by row."""
    assert () == way(search).rest


@pytest.mark.parametrize("name", ["verdict", "reason", "event_type", "trigger"])
def test_what_has_no_index_needs_a_time_range(name: str) -> None:
    """And then is looked at row by row."""
    asked = {name: "delivered"}

    assert "since_ms" == refused(Search(**asked))  # type: ignore[arg-type]
    assert ((name, "delivered"),) == way(Search(since_ms=1, **asked)).rest  # type: ignore[arg-type]


def test_a_lead_has_so_few_that_anything_may_be_asked_of_it() -> None:
    """A state too is looked at row by row there."""
    search = Search(lead_id="lead_1", subscription_id="sub_1", state=State.GAVE_UP, status=503)

    assert {"subscription_id", "state", "status"} == {name for name, _ in way(search).rest}
    assert way(search).state is None


def test_what_was_delivered_is_most_of_what_there_is() -> None:
    """No index, and no time range needed."""
    assert (("state", State.DELIVERED.value),) == way(Search(state=State.DELIVERED)).rest


@pytest.mark.parametrize(("status", "between"), [(503, (503, 503)), (5, (500, 599)), (1, (100, 199))])
def test_a_status_is_one_or_a_class_of_them(status: int, between: tuple[int, int]) -> None:
    """5 is 500 to 599."""
    assert (("status", between),) == way(Search(status=status, since_ms=1)).rest


@pytest.mark.parametrize("status", [0, 6, 99, 1000, -1])
def test_another_number_is_no_status(status: int) -> None:
    assert "status" == refused(Search(status=status, since_ms=1))


@pytest.mark.parametrize("limit", [0, -1, MAX_LIMIT + 1])
def test_a_page_has_a_bound(limit: int) -> None:
    assert "limit" == refused(Search(), limit=limit)


@pytest.mark.parametrize("value", [-1, 2**63])
def test_a_time_is_one_that_a_calendar_has(value: int) -> None:
    assert "since_ms" == refused(Search(since_ms=value))
    assert "until_ms" == refused(Search(until_ms=value))


@pytest.mark.parametrize("name", ["subscription_id", "lead_id", "verdict", "reason", "event_type", "trigger"])
@pytest.mark.parametrize("text", ["a\0b", "x" * 257, "\ud800"])
def test_a_text_that_no_row_can_hold_is_refused(name: str, text: str) -> None:
    """PostgreSQL would raise."""
    assert name == refused(Search(since_ms=1, **{name: text}))  # type: ignore[arg-type]
    assert not holds(text)


@given(created_ms=st.integers(0, 2**63 - 1), id_=st.integers(0, 2**63 - 1))
def test_a_cursor_goes_on_where_the_page_ended(created_ms: int, id_: int) -> None:
    """Of the same listing."""
    search = Search(subscription_id="sub_1")

    cursor = cursor_of((created_ms, id_), search)

    assert (created_ms, id_) == opened(cursor, search) == way(search, cursor=cursor).after


def test_a_cursor_of_another_listing_is_refused() -> None:
    """It would pass over what it knows nothing of."""
    assert "cursor" == refused(Search(lead_id="lead_1"), cursor=cursor_of(KEY, Search()))


@given(made_up=st.text(max_size=200) | st.binary(max_size=60).map(lambda raw: raw.decode("latin-1")))
def test_a_cursor_that_was_made_up_is_refused(made_up: str) -> None:
    """Whatever it is; never an exception."""
    assert "cursor" == refused(Search(), cursor=made_up)


@given(at=st.integers(0, 27), by=st.integers(1, 63))
def test_a_cursor_that_was_changed_is_refused(at: int, by: int) -> None:
    """Any one character of it, but the last, of which not every bit is used."""
    cursor = cursor_of(KEY, Search())
    changed = cursor[:at] + DIGITS[(DIGITS.index(cursor[at]) + by) % 64] + cursor[at + 1 :]

    assert "cursor" == refused(Search(), cursor=changed)


@pytest.mark.parametrize(
    ("asked", "other"),
    [
        ({"subscription_id": "sub_1"}, {"subscription_id": "sub_2"}),
        ({"lead_id": "lead_1"}, {"lead_id": "lead_2"}),
        ({"state": State.PENDING}, {"state": State.DELIVERED}),
        ({"verdict": "retry"}, {"verdict": "delivered"}),
        ({"reason": "status"}, {"reason": "timeout"}),
        ({"status": 503}, {"status": 500}),
        ({"status": 5}, {"status": 4}),
        ({"event_type": "lead.updated"}, {"event_type": "lead.created"}),
        ({"trigger": "event"}, {"trigger": "test"}),
        ({"since_ms": NOON_MS}, {"since_ms": NOON_MS + 1}),
        ({"until_ms": NOON_MS + 1}, {"until_ms": NOON_MS}),
    ],
)
def test_what_comes_is_looked_at_as_a_listing_would(asked: dict[str, object], other: dict[str, object]) -> None:
    """Each condition by itself, and all together with the rest."""
    one = a_row(verdict="retry", event_type="lead.updated")[1]

    assert fits(one, Search())
    assert fits(one, Search(**asked))  # type: ignore[arg-type]
    assert not fits(one, Search(**other))  # type: ignore[arg-type]
    assert not fits(one, Search(**({"lead_id": "lead_1", "status": 503} | other)))  # type: ignore[arg-type]


def test_what_was_not_answered_has_no_status() -> None:
    """So it is of no class either."""
    assert not fits(a_row(verdict="deferred")[1], Search(status=5))
