"""A rate: evenly spaced, and never exceeded."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.pipeline.rate import SLACK_S, Rate


def test_starts_are_evenly_spaced() -> None:
    """Ten a second: every 0.1 s, the first at once."""
    rate, now_s, starts = Rate(), 100.0, []

    for _ in range(4):
        now_s = max(now_s, rate.ready_s(10))
        rate.take(10, now_s)
        starts.append(round(now_s - 100, 3))

    assert [0.0, 0.08, 0.18, 0.28] == starts


def test_at_none_a_second_nothing_starts() -> None:
    """A worker without partitions has no share of the rate."""
    assert math.inf == Rate().ready_s(0)


def test_a_rate_that_is_raised_is_in_force_at_once() -> None:
    """Whoever waited for ten seconds by the old one does not wait on."""
    rate = Rate()
    rate.take(0.1, 100.0)

    assert pytest.approx(100.0 + 0.1 - SLACK_S) == rate.ready_s(10)


def test_it_may_be_forgotten_when_a_new_one_would_allow_as_much() -> None:
    """Not while the next one is not due yet."""
    rate = Rate()
    assert rate.quiet(1.0, 0.0)

    rate.take(1.0, 100.0)

    assert not rate.quiet(1.0, 100.99)
    assert rate.quiet(1.0, 101.01)


@given(st.floats(0.1, 10_000), st.lists(st.floats(0, 3), min_size=2, max_size=200))
def test_no_stretch_of_time_has_more_than_the_rate(per_s: float, waits: list[float]) -> None:
    """Whenever somebody asks, and whatever the rate: in T seconds at most per_s x (T + slack) + 1."""
    rate, now_s = Rate(), 1_000.0
    starts = []
    for wait_s in waits:
        now_s += wait_s / per_s
        if rate.ready_s(per_s) <= now_s:
            rate.take(per_s, now_s)
            starts.append(now_s)
    for first, begin in enumerate(starts):
        for count, end in enumerate(starts[first:], 1):
            assert count <= per_s * (end - begin + SLACK_S) + 1 + 1e-6


@given(st.floats(0.1, 10_000))
def test_the_rate_is_reached_when_there_is_enough_to_do(per_s: float) -> None:
    """Started whenever it may be, a hundred take no longer than they should."""
    rate, now_s = Rate(), 1_000.0
    for _ in range(100):
        now_s = max(now_s, rate.ready_s(per_s))
        rate.take(per_s, now_s)

    assert now_s - 1_000.0 <= 99 / per_s + 1e-6
