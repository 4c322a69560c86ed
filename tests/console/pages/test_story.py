"""Deliveries and their attempts as pages show them."""

from functools import reduce
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from relay.console.pages import story
from relay.console.pages.words import Chip
from relay.store.history.folding import merged
from relay.store.history.values import Delivery, Detail
from tests.store.history.results import NOON_MS, a_result, a_row

FIELDS = ["attempt_id", "verdict", "status", "attempt", "deferrals", "reason", "ended_by", "started_at", "run_id"]
ANYTHING = st.none() | st.text(max_size=5) | st.integers() | st.booleans() | st.lists(st.integers(), max_size=2)


def a_delivery(*numbered: dict[str, Any]) -> Delivery:
    """What these records, in this order, are one delivery of."""
    return reduce(merged, (a_row(number, **fields)[1] for number, fields in enumerate(numbered, 1)))


def told(*numbered: dict[str, Any]) -> Detail:
    fields = [{"delivery": 1, "at_ms": NOON_MS + number, **one} for number, one in enumerate(numbered)]
    results = tuple(a_result(number, **one) for number, one in enumerate(fields, 1))
    return Detail(delivery=a_delivery(*fields), attempts=results)


def test_a_timeline_is_told_newest_first_with_what_was_put_off() -> None:
    """A deferral is no attempt, and says so."""
    detail = told(
        {"verdict": "deferred", "attempt": 1, "deferrals": 1, "request_headers": None},
        {"verdict": "retry", "attempt": 1},
        {"attempt": 2},
    )

    steps = story.steps(detail)

    assert ["Attempt 2", "Attempt 1", "Before attempt 1, put off 1×"] == [one.label for one in steps]
    assert [True, True, False] == [one.is_made for one in steps]
    assert Chip("bad", "Failed 503") == steps[1].chip
    assert steps[0] is story.chosen(steps, None)
    assert steps[2] is story.chosen(steps, steps[2].id)


@given(st.dictionaries(st.sampled_from(FIELDS), ANYTHING))
def test_a_record_of_a_newer_relay_is_shown_with_what_is_known_of_it(odd: dict[str, Any]) -> None:
    """Whatever its fields hold by then."""
    detail = Detail(delivery=a_delivery({}), attempts=(a_result(1), a_result(2) | odd))

    steps = story.steps(detail)

    assert len(steps) == 2
    assert story.chosen(steps, None) is not None


def test_a_page_waits_for_the_run_that_somebody_started_and_then_no_more() -> None:
    """One that was delivered long ago and is sent again is not settled before that is seen."""
    before, after = told({}), told({}, {"run_id": "run_1", "trigger": "redelivery"})

    assert story.is_settled(before, None)
    assert not story.is_settled(before, "run_1")
    assert story.is_settled(after, "run_1")
    assert not story.is_settled(told({"verdict": "retry"}), None)


def test_a_page_asks_often_only_where_something_is_about_to_come() -> None:
    """An attempt in 24 hours is not waited for by the second; one of a run that was just begun is."""
    waiting = told({"verdict": "retry", "at_ms": NOON_MS})  # the next is five seconds later
    day_ms = 86_400_000

    assert story.NEAR_S == story.ask_again_s(waiting, None, NOON_MS)
    assert story.FAR_S == story.ask_again_s(waiting, None, NOON_MS - day_ms)
    assert story.NEAR_S == story.ask_again_s(waiting, None, NOON_MS + day_ms)
    assert story.NEAR_S == story.ask_again_s(waiting, "run_1", NOON_MS - day_ms)
    assert story.NEAR_S == story.ask_again_s(told({}), "run_1", NOON_MS)


def test_why_it_ended_is_said_beside_what_happened() -> None:
    """In a sentence each, and the same sentence once."""
    assert story.why("status", "exhausted", 500) == "The receiver answered 500. All attempts of the schedule were made."
    assert story.why("blocked_address", "blocked_address", None) == "The address is not one that relay may call."
    assert story.why("teleported", None, None) == "teleported"


def test_a_row_goes_by_the_webhooks_name_and_else_by_its_id() -> None:
    """One that was deleted has none any more."""
    delivery = a_delivery({"verdict": "gave_up"})

    assert story.row(delivery, {"sub_1": "CRM"}).webhook == "CRM"
    assert story.row(delivery, {}).webhook == "sub_1"
    assert Chip("bad", "Gave up 500") == story.row(delivery, {}).chip
