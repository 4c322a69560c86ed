"""What waits for one receiver: who goes next, who waits behind whom, and what is set aside."""

from collections.abc import Callable

from relay.pipeline.lane import Lane, LaneRules
from relay.pipeline.queue import Queue, Waiting

LANE: Lane[str] = Lane("sub_1", "account", LaneRules(), most=512)


def a_queue(*works: str, since_s: tuple[float, ...] = ()) -> tuple[Queue[str], dict[str, Waiting[str]]]:
    """Works by name: its first letter is the lead's, and `-` is of one that may overlap others."""
    queue: Queue[str] = Queue()
    ones = {}
    for n, work in enumerate(works):
        lead = None if work[0] == "-" else work[0]
        ones[work] = Waiting(LANE, work, lead=lead, size=10, since_s=since_s[n] if since_s else float(n))
        queue.add(ones[work])
    return queue, ones


def taken(queue: Queue[str], may: Callable[[str], bool] = lambda _: True) -> list[str]:
    """All that goes while nothing is over."""
    works = []
    while (one := queue.take(may)) is not None:
        works.append(one.work)
    return works


def test_a_lead_that_was_busy_is_not_before_those_that_came_earlier() -> None:
    """Its next one has waited for its own time, and not for theirs."""
    queue, ones = a_queue("a1", "b1", "a2", "c1")
    first = queue.take(lambda _: True)
    assert first is ones["a1"]

    queue.release(first)

    assert ["b1", "a2", "c1"] == taken(queue)


def test_what_may_not_begin_lets_the_others_go_and_keeps_its_place() -> None:
    """Of a partition whose fate is open: it takes nobody's turn."""
    queue, _ = a_queue("a1", "b1", "-1", "c1", "-2", "a2")

    assert ["b1", "c1", "-2"] == taken(queue, lambda work: work not in {"a1", "-1"})
    assert not queue.eager

    assert queue.recall()
    assert queue.eager
    assert ["a1", "-1"] == taken(queue)
    assert not queue.recall()


def test_how_long_the_oldest_waits_is_not_told_by_one_behind_its_lead() -> None:
    queue, _ = a_queue("a1", "a2", "b1", since_s=(0.0, 1.0, 7.0))
    queue.take(lambda _: True)

    assert queue.since_s() == 7.0


def test_what_is_removed_holds_nothing_wherever_it_waited() -> None:
    """Its lead, its bytes, and its place behind another."""
    queue, ones = a_queue("a1", "a2", "a3", "b1", "-1")
    for work in ("a2", "a1", "b1"):
        queue.remove(ones[work])

    assert ["a3", "-1"] == [one.work for one in queue.arrived()]
    assert (2, 20) == (len(queue), queue.size)
    assert ["a3", "-1"] == taken(queue)
    queue.release(ones["a3"])
    assert not queue._leads


def test_one_that_was_removed_is_passed_over_behind_one_that_may_not_begin() -> None:
    queue, ones = a_queue("a1", "b1", "c1", "-1", "-2", "-3")
    for work in ("b1", "-2"):
        queue.remove(ones[work])

    assert ["c1", "-3"] == taken(queue, lambda work: work not in {"a1", "-1"})


def test_one_that_was_set_aside_and_removed_does_not_come_back() -> None:
    queue, ones = a_queue("a1", "a2")
    assert [] == taken(queue, lambda _: False)
    queue.remove(ones["a1"])

    assert queue.recall()
    assert ["a2"] == taken(queue)
