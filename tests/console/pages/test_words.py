"""Figures and times as people read them."""

import doctest
import re
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from relay.console.pages import asking, curl, forms, frame, wishes, words
from relay.model import EVENT_TYPES
from relay.store.history.values import State

ZONES = st.integers(-1439, 1439).map(lambda minutes: timezone(timedelta(minutes=minutes)))
TIMES_MS = st.integers(0, 253_402_300_799_999)  # to the end of the year 9999


@pytest.mark.parametrize("module", [asking, curl, forms, frame, wishes, words])
def test_the_examples_in_docstrings_are_so(module: object) -> None:
    """They are what a reader goes by."""
    done = doctest.testmod(module)  # type: ignore[arg-type]

    assert done.attempted
    assert done.failed == 0


@given(TIMES_MS)
def test_a_time_is_read_back_as_it_was_written(at_ms: int) -> None:
    """`datetime` of <time> is what a script reads, and what goes into a URL."""
    assert at_ms == words.parsed(words.instant(at_ms))


@given(st.text() | st.datetimes(timezones=ZONES).map(datetime.isoformat) | st.integers() | st.none())
@example("9999-12-31T23:59:59-14:00")
@example("0001-01-01T00:00:00+23:00")
def test_whatever_a_result_has_for_a_time_is_one_or_none(value: object) -> None:
    """Others write to that topic too, and anybody writes URLs: what is no time, or none in UTC, is shown as none."""
    at_ms = words.parsed(value)

    assert at_ms is None or isinstance(at_ms, int)
    assert words.relative(at_ms, 0)
    assert words.absolute(at_ms)
    assert at_ms == words.parsed(words.instant(at_ms))


@given(TIMES_MS, TIMES_MS)
def test_a_relative_time_says_the_largest_unit_that_has_passed(at_ms: int, now_ms: int) -> None:
    """One number and one unit, and which way."""
    said = words.relative(at_ms, now_ms)

    assert re.fullmatch(r"now|\d+ (s|min|h|d) ago|in \d+ (s|min|h|d)", said)
    assert said.startswith("in ") == (at_ms >= now_ms + 1000)


@given(st.floats(0, 1))
def test_a_share_that_is_not_all_is_never_told_as_all(share: float) -> None:
    """99.96 % is 99.9 %: somebody did not get theirs."""
    assert (words.share(share) == "100 %") == (share == 1)


def test_a_date_without_a_zone_is_utc() -> None:
    """A field of a form has none."""
    noon = datetime(2026, 11, 29, 12, tzinfo=UTC)

    assert int(noon.timestamp() * 1000) == words.parsed("2026-11-29T12:00")


def test_every_state_reason_and_event_has_its_words() -> None:
    """As DESIGN.md lists them; what a newer relay says is shown as it says it."""
    assert set(State) == set(words.DELIVERY_STATES)
    assert ["LeadCreated", "LeadUpdated", "LeadCompleted"] == [words.event_name(one) for one in EVENT_TYPES]
    assert words.Chip("mute", "teleported") == words.chip(words.VERDICTS, "teleported")
