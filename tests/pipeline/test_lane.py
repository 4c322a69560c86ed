"""One lane: what may go next, what waits behind its lead, and what has waited for too long."""

import math
from collections import defaultdict
from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from relay.model import Subscription, SubscriptionId
from relay.pipeline.breaker import BreakerRules, Circuit
from relay.pipeline.lane import Lane, LaneRules, Outcome
from relay.pipeline.places import Standing
from relay.pipeline.queue import FIRSTS_IN_A_ROW, Waiting

RULES = LaneRules(in_flight=8, queue=10, wait_s=5.0, breaker=BreakerRules())


def a_lane(*, rate_per_s: float | None = None, max_in_flight: int | None = None) -> Lane[int]:
    """One that has agreed to these bounds, of a worker that has all partitions."""
    lane: Lane[int] = Lane("sub_1", "account", RULES, most=512)
    lane.agree(subscription(rate_per_s=rate_per_s, max_in_flight=max_in_flight), 1.0)
    return lane


def subscription(
    *, version: int = 1, rate_per_s: float | None = None, max_in_flight: int | None = None
) -> Subscription:
    return Subscription(
        id=SubscriptionId("sub_1"),
        account_id="account",
        name="",
        url="",
        events=(),
        version=version,
        rate_per_s=rate_per_s,
        max_in_flight=max_in_flight,
    )


def add(lane: Lane[int], work: int, *, lead: str | None = None, now_s: float = 0.0) -> Waiting[int]:
    one = Waiting(lane, work, lead=lead, size=100, since_s=now_s)
    lane.queue.add(one)
    return one


def anything(_: int) -> bool:
    """May begin."""
    return True


def begin(lane: Lane[int], now_s: float = 0.0, may: Callable[[int], bool] = anything) -> list[Waiting[int]]:
    """All that may begin now."""
    begun = []
    while lane.next_s() <= now_s and (one := lane.take(now_s, may)) is not None:
        begun.append(one)
    return begun


def works(several: list[Waiting[int]]) -> list[int]:
    return [one.work for one in several]


def test_no_more_begin_than_its_limit() -> None:
    """The others wait, in the order in which they came."""
    lane = a_lane()
    for number in range(10):
        add(lane, number, lead=str(number))

    begun = begin(lane)

    assert list(range(8)) == works(begun)
    lane.over(begun[0], Outcome.FAILED, 0.1)
    assert [8] == works(begin(lane))


def test_its_limit_grows_only_while_it_is_needed() -> None:
    """One request at a time, however many: the limit stays where it began."""
    lane = a_lane()
    for number in range(100):
        add(lane, number)
        lane.over(begin(lane)[0], Outcome.OK, 0.1)

    assert lane.limit.value == RULES.in_flight


def test_max_in_flight_is_an_upper_bound() -> None:
    """Also of what the limit has grown to; and one is allowed to each worker."""
    lane = a_lane(max_in_flight=2)
    for number in range(10):
        add(lane, number)
    assert [0, 1] == works(begin(lane))

    lane.reshare(0.1)

    assert lane.bound == 1


def test_first_attempts_of_a_lead_go_one_after_another_and_hold_up_nobody_else() -> None:
    """In the order in which they came."""
    lane = a_lane()
    for number, lead in enumerate("aabab"):
        add(lane, number, lead=lead)

    first = begin(lane)
    assert [0, 2] == works(first)
    lane.over(first[0], Outcome.OK, 0.1)
    second = begin(lane)
    assert [1] == works(second)
    lane.over(second[0], Outcome.OK, 0.2)
    assert [3] == works(begin(lane))


def test_one_that_is_put_off_behind_its_lead_leaves_the_others_in_order() -> None:
    """The one under way is still waited for, and then the next is that after the one that was put off."""
    lane = a_lane()
    add(lane, 0, lead="a")
    behind = [add(lane, number, lead="a") for number in (1, 2)]
    (first,) = begin(lane)

    lane.queue.remove(behind[0])

    assert [] == begin(lane)
    lane.over(first, Outcome.OK, 0.1)
    assert [2] == works(begin(lane))


def test_the_next_of_a_lead_may_go_when_the_first_is_put_off() -> None:
    """It had not begun, and nobody waits for it any more."""
    lane = a_lane()
    first = add(lane, 0, lead="a")
    add(lane, 1, lead="a")

    lane.queue.remove(first)

    assert [1] == works(begin(lane))


def test_late_ones_go_after_first_attempts_and_get_a_fifth() -> None:
    """They never starve."""
    lane = a_lane(max_in_flight=1)
    for number in range(FIRSTS_IN_A_ROW * 2):
        add(lane, number, lead=str(number))
    for number in (100, 101):
        add(lane, number)

    order = []
    while started := begin(lane):
        order += works(started)
        lane.over(started[0], Outcome.OK, 0.0)

    assert [0, 1, 2, 3, 100, 4, 5, 6, 7, 101] == order


def test_it_is_full_when_so_many_wait_or_the_oldest_has_waited_for_half_its_time() -> None:
    """So that what it takes has a chance to go in time."""
    lane = a_lane(max_in_flight=1)
    for number in range(9):
        add(lane, number)
    assert not lane.full(0.0, queue=1_000)
    assert lane.full(0.0, queue=9)
    assert lane.full(2.5, queue=1_000)
    add(lane, 9)
    assert lane.full(0.0, queue=1_000)


def test_what_has_waited_for_too_long_is_overdue_oldest_first() -> None:
    """Whether it could go next or stands behind its lead."""
    lane = a_lane(max_in_flight=1)
    add(lane, 0, lead="a")
    begin(lane)
    add(lane, 1, lead="a", now_s=1.0)
    add(lane, 2, lead="b", now_s=2.0)
    add(lane, 3, lead="c", now_s=3.0)

    assert [] == works(lane.overdue(5.9))
    assert [1, 2] == works(lane.overdue(7.0))


def test_all_that_waits_is_overdue_when_the_circuit_opens() -> None:
    """It would wait for nothing."""
    lane = a_lane(max_in_flight=1)
    for number in range(3):
        add(lane, number)
    for second in range(40):
        for one in begin(lane, float(second)):
            lane.over(one, Outcome.TROUBLED, float(second))
        add(lane, second, now_s=float(second))
    assert lane.breaker.state is Circuit.OPEN

    assert len(lane.queue) == len(lane.overdue(31.0)) > 0


def test_a_receiver_that_is_back_is_given_one_and_then_more_with_each_round_trip() -> None:
    """No herd: its ramp is that of a new one, from the bottom."""
    lane = a_lane()
    lane.breaker._open(0.0, 30.0)
    for number in range(10):
        add(lane, number)

    (probe,) = begin(lane, 31.0)
    assert probe.probe
    lane.over(probe, Outcome.OK, 31.1)

    ramp = []
    while started := begin(lane, 32.0):
        ramp.append(len(started))
        for one in started:
            lane.over(one, Outcome.OK, 32.1)
    assert [1, 2, 4, 2] == ramp


def test_a_rate_spaces_what_begins() -> None:
    """Its workers' share of it: at a quarter of the partitions a quarter of the rate."""
    lane = a_lane(rate_per_s=40)
    lane.reshare(0.25)
    for number in range(20):
        add(lane, number)

    starts = []
    for now_ms in range(1_000):
        for one in begin(lane, now_ms / 1000):
            starts.append(now_ms)
            lane.over(one, Outcome.OK, now_ms / 1000)

    assert [0, 80, 180, 280] == starts[:4]
    assert lane.waits_for_rate(0.999)
    assert not math.isinf(lane.next_s())


def test_a_subscription_that_was_changed_begins_anew() -> None:
    """It may have another receiver: the circuit of the old one says nothing of it."""
    lane = a_lane()
    lane.breaker._open(0.0, 30.0)

    lane.agree(subscription(version=2), 1.0)

    assert not lane.breaker.blocks(0.0)


def test_what_was_sent_before_a_change_says_nothing_of_the_receiver_that_there_is_now() -> None:
    """However much of it hangs, and though it was a probe."""
    lane = a_lane()
    for number in range(8):
        add(lane, number)
    before = begin(lane)
    lane.agree(subscription(version=2), 1.0)

    for one in before:
        one.probe = True
        assert lane.over(one, Outcome.TROUBLED, 15.0) is None

    assert RULES.in_flight == lane.limit.value
    assert lane.breaker.quiet(15.0)
    assert lane.idle
    assert lane.heard.standing(15.0) is Standing.UNKNOWN


class Play:
    """A lane, what came to it, and what became of that."""

    def __init__(self) -> None:
        self.lane = a_lane()
        self.now_s = 0.0
        self.under_way: list[Waiting[int]] = []
        self.came: dict[str | None, list[int]] = defaultdict(list)
        self.began: dict[str | None, list[int]] = defaultdict(list)
        self.off: set[int] = set()
        self.open = True  # else nothing is known of every other one's partition

    def may(self, work: int) -> bool:
        return self.open or work % 2 == 0

    def decide(self, *, known: bool) -> None:
        self.open = known
        if known:
            self.lane.queue.recall()

    def step(self, number: int, what: str, lead: str) -> None:
        """One thing happens, and then all begins that may."""
        if what in {"comes", "late"}:
            key = lead if what == "comes" else None
            self.came[key].append(number)
            add(self.lane, number, lead=key, now_s=self.now_s)
        elif what in {"in doubt", "decided"}:
            self.decide(known=what == "decided")
        elif what == "put off":
            for one in self.lane.overdue(self.now_s):
                if self.may(one.work):  # of a partition whose fate is open nothing is given up
                    self.off.add(one.work)
                    self.lane.queue.remove(one)
        elif self.under_way:
            self.lane.over(self.under_way.pop(0), OUTCOMES[what], self.now_s)
        self.begin()

    def begin(self) -> None:
        for one in begin(self.lane, self.now_s, self.may):
            assert self.may(one.work)
            assert one.lead is None or all(other.lead != one.lead for other in self.under_way)
            self.began[one.lead].append(one.work)
            self.under_way.append(one)
            assert self.lane.in_flight <= max(1, self.lane.bound)
        assert self.lane.in_flight == len(self.under_way)

    def end(self) -> None:
        """Its receiver is well from now on, and nothing is in doubt."""
        self.decide(known=True)
        while not self.lane.idle:
            self.now_s += 400.0
            self.begin()
            assert self.under_way, "nothing is under way, and nothing may begin: it is stuck"
            while self.under_way:
                self.lane.over(self.under_way.pop(0), Outcome.OK, self.now_s)


OUTCOMES = {"ends": Outcome.OK, "fails": Outcome.FAILED, "hangs": Outcome.TROUBLED, "nothing": Outcome.NONE}
steps = st.tuples(
    st.sampled_from(["comes", "late", "put off", "in doubt", "decided", *OUTCOMES]),
    st.sampled_from("abc"),
    st.floats(0, 8),
)


@given(st.lists(steps, max_size=120))
def test_whatever_happens(script: list[tuple[str, str, float]]) -> None:
    """
    Of a lead one first attempt is under way at a time, in their order; bounds hold; nothing is lost, nothing is stuck:
    once its receiver is well, all that waits goes.
    """
    play = Play()
    for number, (what, lead, wait_s) in enumerate(script):
        play.now_s += wait_s
        play.step(number, what, lead)
    play.end()

    for key, works_ in play.came.items():
        began = play.began[key] if key is not None else sorted(play.began[key])  # late ones may overlap
        assert began == [work for work in works_ if work not in play.off]
    assert (0, 0) == (len(play.lane.queue), play.lane.queue.size)
