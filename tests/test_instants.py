"""Instants as records and people write them."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.instants import LATEST_MS, epoch_ms
from relay.pipeline.results import rfc3339


@given(st.integers(0, LATEST_MS), st.integers(-23 * 60, 23 * 60))
def test_an_instant_is_read_as_it_was_written_in_whatever_zone(ms: int, minutes: int) -> None:
    """To the millisecond."""
    assert ms == epoch_ms(rfc3339(ms))
    try:
        there = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=ms)).astimezone(
            timezone(timedelta(minutes=minutes))
        )
    except OverflowError:  # the year 10000 has begun there
        return
    assert ms == epoch_ms(there.isoformat(timespec="microseconds"))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "soon",
        "1795982400123",
        "2026-02-30T00:00:00Z",
        "2026-11-29T20:00:00",
        "1969-12-31T23:59:59.999Z",
        "1970-01-01T00:00:00+00:01",
        "0001-01-01T00:00:00+23:59",
        "9999-12-31T23:59:59.999-00:01",
        "9999-12-31T23:59:59-23:59",
    ],
)
def test_what_relay_could_not_write_itself_is_no_instant(text: str) -> None:
    """It tells the rule."""
    with pytest.raises(ValueError, match="must be a time with its zone"):
        epoch_ms(text)


def test_what_is_finer_than_a_millisecond_is_left_out() -> None:
    """Never rounded up: then it would be later than it was."""
    assert (0, LATEST_MS) == (epoch_ms("1970-01-01T00:00:00.000999Z"), epoch_ms("9999-12-31T23:59:59.999999Z"))
