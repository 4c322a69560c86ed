"""Which lanes are remembered: a million subscriptions are no million lanes, and nothing is lost with one forgotten."""

from relay.model import Subscription, SubscriptionId
from relay.pipeline.known import IDLE_LANES, IDLE_REMEMBERED, IDLE_S, Known
from relay.pipeline.lane import Lane, LaneRules, Outcome
from relay.pipeline.queue import Waiting


def known_of(known: Known[int], number: int, *, per_s: float | None = None, now_s: float = 0.0) -> Lane[int]:
    """A lane that is known from now on, of an account of its own."""
    id_ = SubscriptionId(f"sub_{number}")
    lane: Lane[int] = Lane(id_, f"acc_{number}", LaneRules(), most=512)
    fields = {"name": "", "url": "", "events": (), "version": 1}
    lane.agree(Subscription(id=id_, account_id=f"acc_{number}", rate_per_s=per_s, **fields), 1.0)  # type: ignore[arg-type]
    known.add(lane, now_s)
    return lane


def attempted(lane: Lane[int], outcome: Outcome, now_s: float = 0.0) -> None:
    lane.queue.add(Waiting(lane, 0, lead=None, size=1, since_s=now_s))
    one = lane.take(now_s, lambda _: True)
    assert one is not None
    lane.over(one, outcome, now_s)


def test_lanes_that_come_and_go_never_pile_up() -> None:
    """Though nobody looks back in between: one event may be for a hundred thousand subscriptions."""
    known: Known[int] = Known()

    for number in range(20 * IDLE_LANES):
        known_of(known, number)

    assert IDLE_LANES >= len(known)
    assert (0, len(known)) == (known.working, known.accounts)


def test_one_that_works_is_never_forgotten() -> None:
    """However many others come and go."""
    known: Known[int] = Known()
    busy = known_of(known, -1)
    known.works(busy)

    for number in range(2 * IDLE_LANES):
        known_of(known, number)
    known.forget(10 * IDLE_S)

    assert busy is known.get("sub_-1")
    assert known.working


def test_a_rate_is_remembered_until_the_next_may_go_anyway() -> None:
    """Else whoever is sent to now and then, or one of very many, would be sent more than its rate."""
    known: Known[int] = Known()
    slow = known_of(known, 0, per_s=0.01)
    attempted(slow, Outcome.OK)
    known.rests(slow, 0.0)

    known.forget(IDLE_S + 1)
    assert slow is known.get("sub_0")

    known.forget(2 * IDLE_S + 2)
    assert known.get("sub_0") is None


def test_what_is_remembered_for_what_is_known_of_it_is_bounded_too() -> None:
    """Though all of them failed lately."""
    known: Known[int] = Known()
    for number in range(IDLE_REMEMBERED + 100):
        lane = known_of(known, number)
        attempted(lane, Outcome.TROUBLED)
        known.rests(lane, 0.0)

    assert len(known) <= IDLE_REMEMBERED
    assert known.get(f"sub_{IDLE_REMEMBERED + 99}") is not None


def test_one_that_is_made_anew_for_another_account_takes_the_place_of_the_old_one() -> None:
    """Its id was deleted and given again."""
    known: Known[int] = Known()
    known_of(known, 0)
    other: Lane[int] = Lane("sub_0", "another", LaneRules(), most=512)

    known.add(other, 0.0)

    assert other is known.get("sub_0")
    assert (1, 1, 1) == (len(known), 1 - known.working, known.accounts)
