"""All lanes of a worker: what becomes of what comes, who goes next, and what is remembered."""

import math
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.model import Reason, Subscription, SubscriptionId
from relay.pipeline.able import LOOKED_AT
from relay.pipeline.allowance import MOST_S
from relay.pipeline.known import IDLE_LANES, IDLE_S
from relay.pipeline.lane import LaneRules, Outcome
from relay.pipeline.lanes import QUEUED, Hold, Lanes
from relay.pipeline.queue import Waiting

RULES = LaneRules(in_flight=8, queue=20, wait_s=5.0)


def some_lanes(places: int = 64, rules: LaneRules = RULES) -> Lanes[int]:
    lanes: Lanes[int] = Lanes(rules, places=places, buffer_bytes=64 * 1024 * 1024)
    lanes.reshare(1.0)
    return lanes


def of(account: str, *, rate_per_s: float | None = None, max_in_flight: int | None = None) -> Subscription:
    return Subscription(
        id=SubscriptionId(f"sub_{account}"),
        account_id=account,
        name="",
        url="",
        events=(),
        rate_per_s=rate_per_s,
        max_in_flight=max_in_flight,
    )


A, B, C = of("a"), of("b"), of("c")


def offer(lanes: Lanes[int], to: Subscription, count: int = 1, *, now_s: float = 0.0) -> Counter[object]:
    """So many late ones; what was said of them."""
    return Counter(lanes.offer(number, to, lead=None, size=100, now_s=now_s) for number in range(count))


def begin(lanes: Lanes[int], now_s: float = 0.0) -> list[Waiting[int]]:
    begun = []
    while (one := lanes.next(now_s)) is not None:
        begun.append(one)
    return begun


def end(lanes: Lanes[int], several: list[Waiting[int]], outcome: Outcome = Outcome.OK, now_s: float = 0.0) -> None:
    for one in several:
        lanes.over(one, outcome, now_s)


def filled(lanes: Lanes[int], to: Subscription, *, now_s: float) -> object:
    """What is said of the first that it does not take."""
    while (said := lanes.offer(0, to, lead=None, size=100, now_s=now_s)) is None:
        begin(lanes, now_s)
    return said


def test_a_full_lane_puts_off_and_no_other_notices() -> None:
    """Its receiver does not answer."""
    lanes = some_lanes()
    filled(lanes, A, now_s=0.0)

    assert filled(lanes, A, now_s=2.0) is Reason.LANE_FULL
    assert lanes.offer(0, B, lead=None, size=100, now_s=2.0) is None
    assert 1 == len(begin(lanes, 2.0))


def grown(lanes: Lanes[int], to: Subscription) -> None:
    """Its limit has found its height: a request was too much."""
    offer(lanes, to, 2)
    first, second = begin(lanes)
    end(lanes, [first], Outcome.TROUBLED)
    end(lanes, [second], now_s=0.001)


def test_a_reader_waits_a_moment_for_a_receiver_that_is_well_and_no_longer() -> None:
    """It is merely slower than what comes; but nobody is held up for long."""
    lanes = some_lanes()
    grown(lanes, A)

    assert filled(lanes, A, now_s=0.1) is Hold.A_MOMENT
    lanes.waited(MOST_S)
    assert filled(lanes, A, now_s=0.1) is Reason.LANE_FULL
    assert filled(lanes, A, now_s=1.1) is Hold.A_MOMENT
    lanes.waited(0.02)
    assert filled(lanes, A, now_s=1.1) is Reason.LANE_FULL


def test_a_reader_waits_until_a_receiver_has_shown_how_much_it_takes() -> None:
    """But not for one that does not answer within a second, nor until what waits is late."""
    lanes = some_lanes()

    assert filled(lanes, A, now_s=0.0) is Hold.TO_GROW
    assert filled(lanes, A, now_s=0.9) is Hold.TO_GROW
    assert filled(lanes, A, now_s=1.1) is Reason.LANE_FULL

    offer(lanes, B)
    end(lanes, begin(lanes, 2.0), now_s=2.0)
    assert filled(lanes, B, now_s=2.0) is Hold.TO_GROW
    assert filled(lanes, B, now_s=4.6) is Reason.LANE_FULL


def test_a_reader_waits_for_a_place_when_the_worker_has_too_few() -> None:
    """Nobody is slow, and nobody has more than its share: there is just more to do than can be under way."""
    lanes = some_lanes(places=8)
    offer(lanes, A)
    end(lanes, begin(lanes))

    for _ in range(1_000):
        assert filled(lanes, A, now_s=0.0) is Hold.FOR_A_PLACE
        lanes.waited(0.0)


@pytest.mark.parametrize(
    ("to", "reason"), [(of("r", rate_per_s=1), Reason.RATE_LIMITED), (of("m", max_in_flight=1), Reason.LANE_FULL)]
)
def test_nobody_waits_for_a_bound_that_the_subscription_asks_for(to: Subscription, reason: Reason) -> None:
    """However well its receiver is: what is too much is put off."""
    lanes = some_lanes()
    offer(lanes, to)
    (first,) = begin(lanes)
    if to.rate_per_s:
        end(lanes, [first])

    assert filled(lanes, to, now_s=0.1) is reason


def test_what_a_rate_keeps_is_told_so_also_in_the_moment_in_which_it_lets_the_next_go() -> None:
    """Nobody is told that the lane was full, when it was the rate that filled it."""
    lanes, slow = some_lanes(), of("r", rate_per_s=10)
    filled(lanes, slow, now_s=100.0)
    end(lanes, begin(lanes, 100.0), now_s=100.0)
    due_s = lanes.next_s()

    assert lanes.offer(0, slow, lead=None, size=100, now_s=due_s) is Reason.RATE_LIMITED
    assert {Reason.RATE_LIMITED} == {why for _, why in lanes.overdue(due_s + RULES.wait_s)}


def test_what_meets_an_open_circuit_is_put_off_at_once() -> None:
    """And what waited there is overdue, for the same reason."""
    lanes = some_lanes()
    for second in range(40):
        offer(lanes, A, now_s=float(second))
        end(lanes, begin(lanes, float(second)), Outcome.TROUBLED, float(second))

    assert lanes.offer(0, A, lead=None, size=100, now_s=40.0) is Reason.CIRCUIT_OPEN


def test_what_waited_when_a_circuit_opened_is_overdue_at_once_for_the_same_reason() -> None:
    lanes = some_lanes()
    offer(lanes, A, 5, now_s=0.0)
    lanes.next(0.0)
    next(iter(lanes)).breaker._open(0.0, 30.0)

    assert [Reason.CIRCUIT_OPEN] * 4 == [why for _, why in lanes.overdue(0.1)]


def test_an_account_with_few_requests_goes_before_one_with_many() -> None:
    """As soon as a place is free, however many of the other wait."""
    lanes = some_lanes(places=8)
    offer(lanes, A, 20)
    under_way = begin(lanes)
    assert 7 == len(under_way)  # the last place is kept
    offer(lanes, B, 3)

    first = begin(lanes)
    assert ["b"] == [one.lane.account for one in first]
    end(lanes, under_way[:3])
    assert Counter({"b": 2}) == Counter(one.lane.account for one in begin(lanes))


def test_a_lane_that_is_slow_is_no_reason_to_hold_up_others_in_the_same_account() -> None:
    """Each waits in its own queue."""
    lanes = some_lanes()
    slow, fast = A, Subscription(id=SubscriptionId("sub_fast"), account_id="a", name="", url="", events=())
    offer(lanes, slow, 20)
    begin(lanes)

    offer(lanes, fast)

    assert ["sub_fast"] == [one.lane.id for one in begin(lanes)]


def test_what_waits_in_all_is_shared_between_the_lanes_that_wait() -> None:
    """One with more than its part takes no more; one with less does."""
    lanes = some_lanes(rules=LaneRules(in_flight=1, queue=2 * QUEUED))
    offer(lanes, A, QUEUED)
    begin(lanes)
    offer(lanes, A)
    offer(lanes, B)

    assert lanes.offer(0, A, lead=None, size=100, now_s=2.0) is Reason.LANE_FULL
    assert lanes.offer(0, C, lead=None, size=100, now_s=2.0) is None


def test_a_lane_goes_on_when_its_rate_allows() -> None:
    """And says when that is."""
    lanes, slow = some_lanes(), of("r", rate_per_s=10)
    offer(lanes, slow, 3)
    assert 1 == len(begin(lanes, 100.0))
    assert not begin(lanes, 100.01)

    assert 100.08 == pytest.approx(lanes.next_s())
    lanes.tick(100.09)
    assert 1 == len(begin(lanes, 100.09))


def test_a_worker_whose_share_shrinks_slows_down_at_once() -> None:
    """Partitions went to another, who sends the rest of the rate."""
    lanes, slow = some_lanes(), of("r", rate_per_s=10)
    offer(lanes, slow, 3)
    begin(lanes, 100.0)

    lanes.reshare(0.1)
    begin(lanes, 100.1)

    assert lanes.next_s() > 100.9


def test_one_that_its_rate_held_back_and_that_was_put_off_is_not_waited_for() -> None:
    """Nobody looks for ever at what has nothing to do, and it can be forgotten."""
    lanes, slow = some_lanes(), of("r", rate_per_s=0.1)
    offer(lanes, slow, 2)
    end(lanes, begin(lanes))
    assert lanes.next_s() < math.inf

    for one, _ in lanes.overdue(RULES.wait_s):
        lanes.remove(one, RULES.wait_s)

    assert math.isinf(lanes.next_s())
    lanes.forget(IDLE_S + 10)
    assert 0 == len(lanes)


def test_large_bodies_under_way_to_a_receiver_that_hangs_take_the_room_of_those_that_wait_for_it() -> None:
    """Else the worker's budget is full of them, and it reads nothing for anybody."""
    lanes, size, under_way = some_lanes(rules=LaneRules(in_flight=8, queue=1_000)), 1024 * 1024, list[Waiting[int]]()
    for number in range(16):
        while lanes.offer(0, of(str(number)), lead=None, size=size, now_s=0.0) is None:
            under_way += begin(lanes)

    assert lanes.held_bytes <= (40 + 16) * size  # of a budget of 64, and one for whoever has none
    assert lanes.queued_bytes < lanes.held_bytes
    assert lanes.offer(0, C, lead=None, size=size, now_s=0.0) is None
    end(lanes, under_way + begin(lanes), Outcome.TROUBLED, 15.0)
    assert lanes.queued_bytes == lanes.held_bytes


def test_lanes_without_work_are_forgotten() -> None:
    """After a while, or when there are too many; a million subscriptions are no million lanes."""
    lanes = some_lanes()
    for number in range(IDLE_LANES + 5):
        offer(lanes, of(str(number)))
        end(lanes, begin(lanes))
    lanes.forget(1.0)
    assert len(lanes) == IDLE_LANES

    lanes.forget(IDLE_S + 1)

    assert len(lanes) == 0
    assert 0 == lanes.places.in_flight


def test_a_lane_whose_failures_are_fresh_is_remembered() -> None:
    """Else an endpoint that is called now and then would never be found out."""
    lanes = some_lanes()
    offer(lanes, A)
    end(lanes, begin(lanes), Outcome.TROUBLED)

    lanes.forget(IDLE_S + 1)

    assert len(lanes) == 1


accounts = st.integers(0, 3 * LOOKED_AT)
what = st.sampled_from(["offer", "offer", "offer", "ok", "fails", "hangs", "late", "reshare"])
steps = st.lists(st.tuples(accounts, what, st.floats(0, 3)), max_size=150)


@given(steps, st.integers(1, 24))
def test_whatever_happens(script: list[tuple[int, str, float]], places: int) -> None:
    """
    Never more under way than there are places; nothing is forgotten, and every lane comes to its turn: also one with a
    rate, with a share that was none for a while, and with one lead only, among more than are looked at at once.
    """
    lanes, now_s, under_way = some_lanes(places), 0.0, list[Waiting[int]]()
    outcomes = {"ok": Outcome.OK, "fails": Outcome.FAILED, "hangs": Outcome.TROUBLED}
    taken = begun = off = 0
    for account, step, wait_s in script:
        now_s += wait_s
        if step == "offer":
            to = of(f"{account}", rate_per_s=0.5 if account % 3 == 0 else None)
            taken += lanes.offer(0, to, lead="lead" if account % 2 else None, size=1, now_s=now_s) is None
        elif step == "reshare":
            lanes.reshare(account % 3 / 2)
        elif step == "late":
            for one, _ in lanes.overdue(now_s):
                lanes.remove(one, now_s)
                off += 1
        elif under_way:
            lanes.over(under_way.pop(0), outcomes[step], now_s)
        started = begin(lanes, now_s)
        under_way += started
        begun += len(started)
        assert lanes.places.in_flight == len(under_way) <= places
    lanes.reshare(1.0)
    for _ in range(len(script) + 1):
        now_s += 400.0
        end(lanes, under_way, now_s=now_s)
        lanes.tick(now_s)
        under_way = begin(lanes, now_s)
        begun += len(under_way)
    assert (taken, 0, 0) == (begun + off, lanes.queued, lanes.queued_bytes)
    assert math.isinf(lanes.next_s())
