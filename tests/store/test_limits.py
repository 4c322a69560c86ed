"""The limits that people may write of a subscription: each number within its bounds, and nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.store.limits import (
    LEAST_RATE_PER_S,
    LEAST_TIMEOUT_S,
    MOST_IN_FLIGHT,
    MOST_RATE_PER_S,
    max_in_flight,
    rate_per_s,
    timeout_s,
)

NO_NUMBERS: tuple[object, ...] = (
    "",
    " ",
    "x",
    "none",
    "NULL",
    "1,5",
    "0x1",
    "nan",
    "inf",
    "-inf",
    True,
    False,
    [],
    [1],
    {},
    b"1",
)
HUGE: tuple[object, ...] = (10**400, -(10**400), 1e308, float("inf"), float("-inf"), float("nan"), "1e999", "9" * 5000)

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=2), inner, max_size=2),
    max_leaves=4,
)


@given(st.floats(LEAST_RATE_PER_S, MOST_RATE_PER_S) | st.integers(1, MOST_RATE_PER_S))
def test_a_rate_within_its_bounds_is_read_as_a_number_or_a_text(rate: float) -> None:
    """Exactly; both bounds are included."""
    assert (rate, rate) == (rate_per_s(rate), rate_per_s(str(rate)))


@given(st.integers(1, MOST_IN_FLIGHT))
def test_a_bound_of_requests_is_read_as_a_number_or_a_text(most: int) -> None:
    """Both bounds are included."""
    assert (most, most) == (max_in_flight(most), max_in_flight(str(most)))


def test_null_is_no_limit() -> None:
    """In a file it is null itself, as an option the word."""
    assert [None] * 4 == [rate_per_s(None), rate_per_s("null"), max_in_flight(None), max_in_flight("null")]


@pytest.mark.parametrize("wrong", [0, -1, 0.0, -0.0, "0", "-1", 0.0999, "0.0999", 10_000.1, 10_001, *HUGE, *NO_NUMBERS])
def test_any_other_rate_is_refused(wrong: object) -> None:
    """0 would be a pause, which has a name of its own; nothing is bent into the bounds."""
    with pytest.raises(ValueError, match=r"^must be from 0\.1 to 10000 requests a second, or null for no limit$"):
        rate_per_s(wrong)


@pytest.mark.parametrize(
    "wrong", [0, -1, "0", "-1", "+1", "1_0", "٤", 10_001, "10001", 1.0, 4.5, "4.0", "1e3", *HUGE, *NO_NUMBERS]
)
def test_any_other_bound_of_requests_is_refused(wrong: object) -> None:
    """There is no part of a request."""
    with pytest.raises(ValueError, match=r"^must be a whole number from 1 to 10000, or null for no limit$"):
        max_in_flight(wrong)


@pytest.mark.parametrize("wrong", [0, "0", -1, 0.0999, 15.1, "15.1", "null", *HUGE, *NO_NUMBERS])
def test_a_timeout_is_bounded_by_the_operators(wrong: object) -> None:
    """RELAY_TIMEOUT_S is its upper bound, and what it is when none is said."""
    assert [None, LEAST_TIMEOUT_S, 15.0] == [timeout_s(one, 15.0) for one in (None, "0.1", 15)]
    with pytest.raises(ValueError, match=r"^must be from 0\.1 to 15 seconds \(RELAY_TIMEOUT_S\)$"):
        timeout_s(wrong, 15.0)


@given(anything)
def test_whatever_is_written_is_a_limit_within_its_bounds_or_refused(written: object) -> None:
    """Nothing but ValueError; who paces by a rate may divide by it."""
    try:
        rate = rate_per_s(written)
    except ValueError:
        rate = None
    try:
        most = max_in_flight(written)
    except ValueError:
        most = None

    assert rate is None or LEAST_RATE_PER_S <= rate <= MOST_RATE_PER_S
    assert most is None or (type(most) is int and 1 <= most <= MOST_IN_FLIGHT)
