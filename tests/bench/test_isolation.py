"""What the isolation benchmark works out: traffic, percentiles, bounds, and what is lost."""

import math
from collections import Counter

import pytest

from tests.bench.audit import judge
from tests.bench.cases import CASES, EVEN, FLOOD, SUBSCRIBERS
from tests.bench.children import Broken
from tests.bench.figures import Pair, Seen, checks, line, per_s, percentile
from tests.bench.stage import PARTITIONS

HANG, *_, FLOODED = CASES


def seen(*, per_s: float = 2000, p99_ms: float = 100, deferred: int = 0, late: int = 0) -> Seen:
    """A run with nothing to complain of."""
    return Seen(per_s=per_s, p50_ms=3, p99_ms=p99_ms, peak_mb=80, deferred=deferred, late=late)


def holds(*bad: Seen) -> list[bool | None]:
    return [one.holds for one in checks(HANG, [Pair(healthy=seen(), bad=one) for one in bad])]


def test_every_subscriber_has_events_on_every_partition() -> None:
    """Twenty accounts in turn over four partitions would else each keep to one of them."""
    for traffic in (EVEN, FLOODED.scene.traffic):
        rounds = range(len(traffic.turns) * SUBSCRIBERS * PARTITIONS)

        assert SUBSCRIBERS * PARTITIONS == len({(traffic.of(number), number % PARTITIONS) for number in rounds})


def test_one_floods_a_hundred_times_each_other_evenly() -> None:
    turns = FLOODED.scene.traffic.turns

    assert {0: FLOOD} | dict.fromkeys(range(1, SUBSCRIBERS), 1) == Counter(turns)
    assert not [at for at in range(len(turns) - 1) if turns[at] and turns[at + 1]]


def test_a_bad_receiver_has_its_own_url_and_its_neighbours_stay_well() -> None:
    urls = [one.url for one in HANG.scene.subscribers(sink="http://sink/", nobody="http://nobody/")]

    assert ["http://sink/hang/0", "http://sink/well/1"] == urls[:2]
    assert SUBSCRIBERS == len(set(urls))


def test_a_percentile_is_a_value_that_was_measured() -> None:
    """And one that never came is infinite only where the share reaches it."""
    assert percentile([3, 1, 2, 4], 0.5) == 2
    assert percentile([*range(99), math.inf], 0.99) == 98
    assert percentile([], 0.5) == math.inf


def test_a_backlog_of_which_not_everything_came_took_all_the_time_there_was() -> None:
    second = 1_000_000_000

    assert per_s([second, 3 * second], began_ns=second, limit_s=60, expected=2) == 1
    assert per_s([second, 3 * second], began_ns=second, limit_s=60, expected=3) == 2 / 60


def test_the_median_of_the_pairs_is_what_a_bound_is_held_against() -> None:
    assert holds(seen(), seen(per_s=1000), seen(per_s=1900)) == [True] * 4
    assert holds(seen(per_s=1800), seen(per_s=1000), seen()) == [False, True, True, True]


def test_a_p99_may_grow_by_its_ratio_or_by_twenty_milliseconds() -> None:
    fast = Pair(healthy=seen(p99_ms=5), bad=seen(p99_ms=25))

    assert [one.holds for one in checks(HANG, [fast])][1]
    assert holds(seen(p99_ms=150))[1]
    assert not holds(seen(p99_ms=151))[1]
    assert not holds(seen(p99_ms=math.inf))[1]


def test_one_deferred_delivery_of_a_healthy_endpoint_in_any_run_is_one_too_many() -> None:
    assert not holds(seen(), seen(), seen(deferred=1))[3]


def test_an_event_that_never_came_is_one_too_many() -> None:
    assert not holds(seen(), seen(), seen(late=1))[3]


def test_a_line_says_both_figures_and_what_was_missed() -> None:
    assert "2,000 → 1,000  0.50 >= 0.95 MISSED" in line(HANG, [Pair(healthy=seen(), bad=seen(per_s=1000))])
    assert "100.0 → inf  inf <= 1.5 MISSED" in line(HANG, [Pair(healthy=seen(), bad=seen(p99_ms=math.inf, late=7))])


def test_each_event_that_arrived_has_been_delivered_once() -> None:
    once, deferred = Counter(delivered=1), Counter(delivered=1, deferred=2)

    assert judge({1: once, 2: deferred}, [1, 2], arrived=True, passed=lambda _: True) == 2
    with pytest.raises(Broken, match=r"1 events .* lost"):
        judge({1: once}, [1, 2], arrived=True, passed=lambda _: False)
    with pytest.raises(Broken, match=r"1 events .* more than once"):
        judge({1: Counter(delivered=2)}, [1], arrived=True, passed=lambda _: True)


def test_what_came_too_late_is_lost_only_when_it_was_committed_without_a_word() -> None:
    assert judge({}, [1], arrived=False, passed=lambda _: False) == 0
    assert judge({1: Counter(retry=1)}, [1], arrived=False, passed=lambda _: True) == 0
    with pytest.raises(Broken, match="lost"):
        judge({}, [1], arrived=False, passed=lambda _: True)
