"""The adaptive limit: up on success, down on trouble, never stuck."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.pipeline.limit import PAUSE_MOST_S, Limit

MOST = 512


def answered(limit: Limit) -> int:
    """A round trip in which all that may be under way is answered well; the limit afterwards."""
    for _ in range(limit.value):
        limit.succeeded(pressed=True)
    return limit.value


def test_it_doubles_with_each_round_trip_up_to_what_the_worker_has() -> None:
    """From its start on, while there was no trouble."""
    limit = Limit(8, MOST)

    assert [8, 16, 32, 64, 128, 256, 512, 512] == [limit.value, *(answered(limit) for _ in range(7))]


def test_after_trouble_it_is_half_and_grows_by_one_a_round_trip() -> None:
    """As TCP does behind its first loss."""
    limit = Limit(64, MOST)

    limit.troubled(begun_s=0.0, now_s=1.0)

    assert 32 == limit.value
    for _ in range(10):
        answered(limit)
    assert 41 <= limit.value <= 42


def test_all_that_were_under_way_together_and_failed_count_once() -> None:
    """Eight that hang for as long are one sign, not eight."""
    limit = Limit(8, MOST)

    for _ in range(8):
        limit.troubled(begun_s=0.0, now_s=15.0)
    assert 4 == limit.value
    limit.troubled(begun_s=15.0, now_s=30.0)
    assert 2 == limit.value


def test_one_for_whom_one_at_once_is_too_many_is_left_alone_for_longer_and_longer() -> None:
    """But a second at most, and no longer once it has answered."""
    limit, now_s, pauses = Limit(2, MOST), 0.0, []
    for _ in range(9):
        limit.troubled(begun_s=now_s, now_s=now_s)
        pauses.append(limit.ready_s - now_s)
        now_s += 10.0

    assert -math.inf == pauses[0]
    assert [0.05, 0.1, 0.2, 0.4, 0.8, 1.0, 1.0, 1.0] == pytest.approx(pauses[1:])
    limit.succeeded(pressed=False)
    assert limit.ready_s < now_s
    limit.troubled(begun_s=now_s, now_s=now_s)
    assert limit.ready_s - now_s == pytest.approx(0.05)


def test_half_of_it_is_near() -> None:
    """One request at a time says nothing about eight."""
    limit = Limit(8, MOST)

    assert [False, True, True] == [limit.near(3), limit.near(4), limit.near(8)]


def test_a_receiver_that_was_away_begins_with_one() -> None:
    """And doubles, as from the start."""
    limit = Limit(64, MOST)
    limit.troubled(begun_s=0.0, now_s=1.0)

    limit.restart()

    assert [1, 2, 4, 8] == [limit.value, *(answered(limit) for _ in range(3))]


@given(st.integers(1, 64), st.integers(1, 64), st.lists(st.sampled_from(["ok", "trouble", "restart"]), max_size=200))
def test_it_stays_between_one_and_what_the_worker_has(start: int, most: int, steps: list[str]) -> None:
    """Whatever happens, in any order."""
    limit = Limit(start, most)
    for now, step in enumerate(steps):
        match step:
            case "ok":
                limit.succeeded(pressed=True)
            case "trouble":
                limit.troubled(float(now), float(now))
            case _:
                limit.restart()
        assert 1 <= limit.value <= most
        assert limit.ready_s <= now + PAUSE_MOST_S
