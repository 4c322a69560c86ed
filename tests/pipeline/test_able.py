"""Whose turn it is: the account with the fewest, and never one behind many that may not begin."""

import math

import pytest

from relay.pipeline.able import LOOKED_AT, Able
from relay.pipeline.lane import Lane, LaneRules, Outcome
from relay.pipeline.places import Places, Standing
from relay.pipeline.queue import Waiting
from relay.pipeline.rate import SLACK_S


def a_lane(name: str, *, waits: int = 1) -> Lane[int]:
    lane: Lane[int] = Lane(name, name, LaneRules(), most=512)
    for number in range(waits):
        lane.queue.add(Waiting(lane, number, lead=None, size=1, since_s=0.0))
    return lane


def begun(lane: Lane[int], places: Places, now_s: float = 0.0) -> Waiting[int]:
    one = lane.take(now_s, lambda _: True)
    assert one is not None
    places.take(lane.account, one.standing)
    return one


def test_one_that_may_begin_is_found_behind_any_number_that_find_no_place() -> None:
    """They have a request under way each, and there is no place for a second one."""
    places = Places(16)
    able: Able[int] = Able(places)
    for number in range(14):
        lane = a_lane(f"busy_{number}", waits=2)
        begun(lane, places)
        able.put(lane)
    for number in range(10 * LOOKED_AT):
        lane = a_lane(f"full_{number}", waits=2)
        lane.in_flight = 1
        able.put(lane)
    other = a_lane("other")
    able.put(other)

    assert other is able.fairest(0.0)


def test_those_that_found_no_place_are_looked_at_again_when_one_is_free() -> None:
    """Every one of them, a few at a time; and by time alone too, for a receiver may be well by then."""
    places = Places(2)
    able: Able[int] = Able(places)
    taken = [begun(a_lane(f"busy_{number}"), places) for number in range(2)]
    waiting = [a_lane(f"lane_{number}") for number in range(3 * LOOKED_AT)]
    for lane in waiting:
        able.put(lane)
    assert able.fairest(0.0) is None

    places.leave(taken[0].lane.account, taken[0].standing)
    found = set()
    for _ in range(len(waiting)):
        able.tick(1.0)
        fairest = able.fairest(1.0)
        assert fairest is not None
        found.add(fairest.id)
        able.drop(fairest)

    assert {lane.id for lane in waiting} == found
    assert able.fairest(2.0) is None


def test_a_lane_that_waits_for_its_rate_goes_on_with_time_and_one_that_is_dropped_is_not_waited_for() -> None:
    """Nobody looks for it."""
    places = Places(8)
    able: Able[int] = Able(places)
    lanes = [a_lane(name, waits=2) for name in ("one", "two")]
    for lane in lanes:
        lane.per_s = 1.0
        one = lane.take(0.0, lambda _: True)
        assert one is not None
        lane.over(one, Outcome.OK, 0.0)
        able.put(lane)
    assert able.fairest(0.5) is None
    assert able.next_s() == pytest.approx(1.0, abs=2 * SLACK_S)

    able.drop(lanes[0])
    able.tick(1.1)

    assert lanes[1] is able.fairest(1.1)
    able.drop(lanes[1])
    assert math.isinf(able.next_s())
    assert Standing.WELL is lanes[1].heard.standing(1.1)
