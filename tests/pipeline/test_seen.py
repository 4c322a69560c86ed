from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from relay.model import Delivery, DeliveryId
from relay.pipeline.seen import REMEMBERED, Place, Seen
from tests.builders import a_delivery

HERE: Place = ("relay.deliveries.30s", 0, 17)
ELSEWHERE: Place = ("relay.deliveries.30s", 0, 18)

turns = st.builds(
    a_delivery,
    id=st.sampled_from(["dlv_1", "dlv_2"]).map(DeliveryId),
    attempt=st.integers(1, 3),
    deferrals=st.integers(0, 2),
    run_id=st.sampled_from([None, "run_1", "run_2"]),
)
places = st.tuples(st.just("relay.deliveries.30s"), st.integers(0, 1), st.integers(0, 5))


def test_the_same_turn_at_another_place() -> None:
    """It is a copy, however often it comes."""
    seen = Seen()

    assert [False, True, True] == [seen.again(a_delivery(attempt=2), at) for at in (HERE, ELSEWHERE, ELSEWHERE)]


def test_the_same_turn_in_another_topic_or_partition() -> None:
    """It is a copy: the delays may have been set anew in between, or the topic's partitions."""
    seen = Seen()
    seen.again(a_delivery(), HERE)

    assert seen.again(a_delivery(), ("relay.deliveries.60s", 0, 17))
    assert seen.again(a_delivery(), ("relay.deliveries.30s", 1, 17))


def test_a_record_that_is_read_again() -> None:
    """It is no copy of itself, before or after one was met."""
    seen = Seen()

    assert [False, False, True, False] == [seen.again(a_delivery(), at) for at in (HERE, HERE, ELSEWHERE, HERE)]


@given(turns, turns)
def test_two_records(one: Delivery, other: Delivery) -> None:
    """They are copies only with the same delivery id, attempt, deferrals and run; what else they say is no matter."""
    seen = Seen()
    seen.again(one, HERE)

    same = (one.id, one.attempt, one.deferrals, one.run_id) == (other.id, other.attempt, other.deferrals, other.run_id)

    assert same == seen.again(replace(other, matched_ms=0), ELSEWHERE)


@given(st.lists(st.tuples(turns, places), max_size=80))
def test_whatever_records_come(met: list[tuple[Delivery, Place]]) -> None:
    """Of each turn exactly one place is attempted: the first."""
    seen, first = Seen(), dict[tuple[str, int, int, str | None], Place]()

    for delivery, place in met:
        turn = (delivery.id, delivery.attempt, delivery.deferrals, delivery.run_id)
        assert (first.setdefault(turn, place) != place) == seen.again(delivery, place)


@given(st.integers(1, 20), st.integers(0, 60))
def test_how_much_is_remembered(limit: int, count: int) -> None:
    """The last so many turns; the oldest go, whatever comes."""
    seen = Seen(limit)
    for attempt in range(count):
        assert not seen.again(a_delivery(attempt=attempt), HERE)
        assert len(seen._places) <= limit

    kept = [attempt for attempt in range(count) if (("dlv_1"), attempt, 0, None) in seen._places]
    assert list(range(max(0, count - limit), count)) == kept
    assert all(seen.again(a_delivery(attempt=attempt), ELSEWHERE) for attempt in kept)


def test_how_much_is_remembered_unless_told_otherwise() -> None:
    """Minutes of retries, in some 15 MB."""
    seen = Seen()
    for attempt in range(REMEMBERED + 100):
        seen.again(a_delivery(attempt=attempt), HERE)

    assert len(seen._places) == REMEMBERED == 50_000
    assert not seen.again(a_delivery(attempt=99), ELSEWHERE)
    assert seen.again(a_delivery(attempt=REMEMBERED + 99), ELSEWHERE)
