"""How often anybody may try to log in."""

from collections import deque

from hypothesis import given
from hypothesis import strategies as st

from relay.access.limit import ALL, EACH, WINDOW_S, Limit

TRIES = st.lists(st.tuples(st.sampled_from("abcdefgh"), st.floats(0, 30), st.booleans()), max_size=120)


def test_an_address_may_try_so_often_and_then_waits() -> None:
    """For what one of its tries is worth; another's are its own."""
    limit = Limit()

    assert [0.0] * EACH == [limit.take("a", 100.0) for _ in range(EACH)]
    assert WINDOW_S / EACH == limit.take("a", 100.0)
    assert 0.0 == limit.take("b", 100.0)
    assert 0.0 == limit.take("a", 100.0 + WINDOW_S / EACH)
    assert limit.take("a", 100.0 + WINDOW_S / EACH)


def test_all_together_may_try_so_often_and_then_everybody_waits() -> None:
    """However many addresses they have."""
    limit = Limit()

    assert [0.0] * ALL == [limit.take(str(number), 100.0) for number in range(ALL)]
    wait_s = limit.take("another", 100.0)
    assert 0 < wait_s <= WINDOW_S / ALL * 1.001
    assert 0.0 == limit.take("another", 100.0 + wait_s)


def test_whoever_has_waited_for_a_window_begins_anew() -> None:
    """And nothing is remembered of them."""
    limit = Limit()
    for number in range(ALL):
        limit.take(str(number), 100.0)

    assert 0.0 == limit.take("a", 100.0 + WINDOW_S)
    assert 1 == len(limit)


def test_what_was_right_costs_nothing() -> None:
    """A person, or a test, that logs in again and again."""
    limit = Limit()

    for _ in range(10 * ALL):
        assert 0.0 == limit.take("a", 100.0)
        limit.give_back("a")


@given(TRIES)
def test_no_window_ever_holds_more_than_twice_what_is_allowed(tries: list[tuple[str, float, bool]]) -> None:
    """Of an address, nor of all; told to wait, and having waited, one may."""
    limit = Limit(each=3, all_=7, window_s=60)
    now_s, taken = 1_000.0, deque[tuple[str, float]]()
    for who, pause_s, patient in tries:
        now_s += pause_s
        wait_s = limit.take(who, now_s)
        if wait_s and patient:
            now_s += wait_s
            wait_s = limit.take(who, now_s)
            assert 0.0 == wait_s
        if not wait_s:
            taken.append((who, now_s))
        while taken and taken[0][1] <= now_s - 60:
            taken.popleft()
        assert len(taken) <= 2 * 7
        assert all(sum(one == who for one, _ in taken) <= 2 * 3 for one, _ in taken)
        assert len(limit) <= 2 * 7
