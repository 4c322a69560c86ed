"""The circuit of a lane: opens on evidence, lets one probe through, and is never stuck."""

from hypothesis import given
from hypothesis import strategies as st

from relay.pipeline.breaker import COOLDOWN_MOST, HORIZON, UNASKED_S, Breaker, BreakerRules, Circuit

RULES = BreakerRules(share=0.8, attempts=20, window_s=30.0, cooldown_s=30.0)


def failing(breaker: Breaker, *, of: int, every_s: float, oks: int = 0, start_s: float = 0.0) -> float | None:
    """Attempts one after another, of each ten `oks` good ones; when it opened."""
    for number in range(of):
        now_s = start_s + number * every_s
        if breaker.heard(ok=number % 10 < oks, probe=False, now_s=now_s) is Circuit.OPEN:
            return now_s
    return None


def opened() -> tuple[Breaker, float]:
    breaker = Breaker(RULES)
    at_s = failing(breaker, of=100, every_s=1.0)
    assert at_s is not None
    return breaker, at_s


def test_it_opens_after_half_a_minute_of_failures() -> None:
    """Soon after the window is full, and not before."""
    assert 30.0 == failing(Breaker(RULES), of=1_000, every_s=0.5)


def test_a_burst_of_failures_does_not_open_it() -> None:
    """A thousand within a second are a restart."""
    assert failing(Breaker(RULES), of=1_000, every_s=0.001) is None


def test_few_failures_do_not_open_it() -> None:
    """Nineteen over a minute may be chance."""
    assert failing(Breaker(RULES), of=19, every_s=3.0) is None


def test_a_receiver_that_fails_some_of_the_time_keeps_its_traffic() -> None:
    """Of ten, three are delivered: for ever."""
    assert failing(Breaker(RULES), of=5_000, every_s=0.5, oks=3) is None


def test_what_was_good_long_ago_does_not_keep_it_closed() -> None:
    """An hour of health, and then half a minute of failures: the latest attempts decide."""
    breaker = Breaker(RULES)
    assert failing(breaker, of=3_600, every_s=1.0, oks=10) is None

    opened_s = failing(breaker, of=1_000, every_s=1.0, start_s=3_600.0)

    assert opened_s is not None
    assert 3_624 <= opened_s <= 3_640


def test_an_open_one_lets_one_probe_through_when_its_time_is_over() -> None:
    """Nothing before; and while the probe is under way, nothing else."""
    breaker, at_s = opened()

    assert breaker.blocks(at_s + 29.9)
    assert not breaker.blocks(at_s + 30)
    assert breaker.begin()
    assert breaker.blocks(at_s + 30)
    assert breaker.blocks(at_s + 1_000)


def test_a_probe_that_is_delivered_closes_it() -> None:
    """With nothing held against it."""
    breaker, at_s = opened()
    breaker.begin()

    assert breaker.heard(ok=True, probe=True, now_s=at_s + 31) is Circuit.CLOSED
    assert not breaker.blocks(at_s + 31)
    assert breaker.heard(ok=False, probe=False, now_s=at_s + 31) is None


def test_a_probe_that_fails_doubles_the_time_up_to_ten_times() -> None:
    """30, 60, 120, 240, 300, 300 seconds."""
    breaker, at_s = opened()
    times = []
    for _ in range(6):
        times.append(breaker.open_until_s - at_s)
        at_s = breaker.open_until_s
        assert breaker.begin()
        breaker.heard(ok=False, probe=True, now_s=at_s)

    assert [30, 60, 120, 240, 300, 300] == times
    assert COOLDOWN_MOST * RULES.cooldown_s == times[-1]


def test_a_probe_that_comes_to_nothing_leaves_the_next_to_be_one() -> None:
    """Its partition was lost before it began, or it failed for a fault of ours."""
    breaker, at_s = opened()
    assert breaker.begin()

    breaker.withdrawn()

    assert not breaker.blocks(at_s + 30)
    assert breaker.begin()


def test_stragglers_neither_close_nor_prolong_it() -> None:
    """They began before it opened."""
    breaker, at_s = opened()

    assert breaker.heard(ok=True, probe=False, now_s=at_s + 1) is None
    assert breaker.heard(ok=False, probe=False, now_s=at_s + 1) is None
    assert breaker.state is Circuit.OPEN
    assert at_s + 30 == breaker.open_until_s


def test_it_may_be_forgotten_once_its_failures_are_old() -> None:
    """Not while they might yet open it, nor while it is open and somebody may come to probe it."""
    breaker = Breaker(RULES)
    assert breaker.quiet(0.0)
    breaker.heard(ok=False, probe=False, now_s=0.0)
    assert not breaker.quiet(1.0)
    assert breaker.quiet(HORIZON * RULES.window_s + 1)
    shut = opened()[0]
    assert not shut.quiet(shut.open_until_s + UNASKED_S - 1)
    assert shut.quiet(shut.open_until_s + UNASKED_S)


@given(st.lists(st.tuples(st.sampled_from(["ok", "failed", "begin", "withdrawn"]), st.floats(0, 60)), max_size=300))
def test_it_is_never_stuck(steps: list[tuple[str, float]]) -> None:
    """Whatever happened: with no probe under way, enough time lets something begin, and a delivery closes it."""
    breaker, now_s, probing = Breaker(RULES), 0.0, False
    for step, wait_s in steps:
        now_s += wait_s
        if step == "begin" and not breaker.blocks(now_s):
            probing = breaker.begin() or probing
        elif step == "withdrawn" and probing:
            breaker.withdrawn()
            probing = False
        elif step in {"ok", "failed"}:
            breaker.heard(ok=step == "ok", probe=probing, now_s=now_s)
            probing = False
    if probing:
        breaker.heard(ok=False, probe=True, now_s=now_s)
    now_s += COOLDOWN_MOST * RULES.cooldown_s
    assert not breaker.blocks(now_s)
    breaker.heard(ok=True, probe=breaker.begin(), now_s=now_s)
    assert breaker.state is Circuit.CLOSED
