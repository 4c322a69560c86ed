from collections import defaultdict

from hypothesis import given
from hypothesis import strategies as st

from relay.pipeline.order import Key, Order

KEYS: tuple[Key, ...] = (("sub_a", "lead_1"), ("sub_a", "lead_2"), ("sub_b", "lead_1"))
A, B, C = KEYS

# What happens: an attempt of this pair comes, or the one under way is over.
scripts = st.lists(st.tuples(st.sampled_from(["comes", "ends"]), st.sampled_from(KEYS)), max_size=60)


class Attempts:
    """What is under way by the word of an `Order`: every attempt is numbered as it comes."""

    def __init__(self) -> None:
        self.order: Order[int] = Order()
        self.came: dict[Key, list[int]] = defaultdict(list)
        self.started: dict[Key, list[int]] = defaultdict(list)
        self.running: dict[Key, int] = {}

    def come(self, key: Key) -> None:
        work = sum(map(len, self.came.values()))
        self.came[key].append(work)
        if self.order.enter(key, work):
            self._start(key, work)

    def end(self, key: Key) -> None:
        if self.running.pop(key, None) is None:
            return
        following = self.order.next(key)
        if following is not None:
            self._start(key, following)

    def _start(self, key: Key, work: int) -> None:
        assert key not in self.running, "two of one pair at once"
        self.running[key] = work
        self.started[key].append(work)


def play(script: list[tuple[str, Key]]) -> Attempts:
    attempts = Attempts()
    for what, key in script:
        attempts.come(key) if what == "comes" else attempts.end(key)
    return attempts


@given(scripts)
def test_attempts_of_one_pair(script: list[tuple[str, Key]]) -> None:
    """They run one at a time, in the order they came in."""
    attempts = play(script)  # which asserts that no two run at once

    for key in KEYS:
        started = attempts.started[key]
        assert attempts.came[key][: len(started)] == started


@given(scripts)
def test_a_pair_that_has_work(script: list[tuple[str, Key]]) -> None:
    """It always has one attempt under way, however many of others wait; the rest are counted as waiting."""
    attempts = play(script)

    unfinished = {key for key in KEYS if len(attempts.came[key]) > len(attempts.started[key])}
    assert unfinished <= attempts.running.keys()
    came, started = (sum(map(len, works.values())) for works in (attempts.came, attempts.started))
    assert came - started == attempts.order.waiting


@given(scripts)
def test_when_all_attempts_are_over(script: list[tuple[str, Key]]) -> None:
    """Everything that came was started, nothing waits, and nothing is remembered."""
    attempts = play(script)
    while attempts.running:
        attempts.end(next(iter(attempts.running)))

    assert attempts.came == attempts.started
    assert attempts.order.waiting == 0
    assert attempts.order._busy == {}


def test_other_leads_of_the_same_subscription() -> None:
    """They do not wait for one that is busy; nor does the same lead at another subscription."""
    order: Order[str] = Order()

    assert [order.enter(key, "first") for key in KEYS] == [True, True, True]
    assert not order.enter(A, "second")


def test_a_pair_whose_work_is_done() -> None:
    """It is forgotten, and its next attempt goes on at once."""
    order: Order[str] = Order()
    order.enter(B, "first")

    assert order.next(B) is None
    assert order.enter(B, "second")


def test_a_pair_with_a_queue() -> None:
    """It hands out what waits first come, first served; what comes meanwhile goes behind."""
    order: Order[str] = Order()
    order.enter(C, "first")
    order.enter(C, "second")
    order.enter(C, "third")

    assert order.next(C) == "second"
    assert not order.enter(C, "fourth")
    assert [order.next(C) for _ in range(3)] == ["third", "fourth", None]
