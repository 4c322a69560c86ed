"""How lanes are told to people: state, figures, what holds each; pages of them, written, read and put together."""

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.model import Subscription, SubscriptionId
from relay.pipeline.breaker import BreakerRules, Circuit
from relay.pipeline.census import (
    FIELDS,
    MOST,
    Asked,
    Page,
    State,
    Why,
    counted,
    of_process,
    page,
    read,
    row,
    state,
    together,
    why,
)
from relay.pipeline.lane import LaneRules, Outcome
from relay.pipeline.lanes import Lanes
from relay.pipeline.queue import Waiting
from tests.builders import NOON_MS

RULES = LaneRules(in_flight=2, breaker=BreakerRules(attempts=3, window_s=5))  # soon open, so that all is met
ALL = Asked()


class Stage:
    """Lanes of a worker, at second 0."""

    def __init__(self, places: int = 64) -> None:
        self.lanes: Lanes[int] = Lanes(RULES, places=places, buffer_bytes=1 << 26)
        self.lanes.reshare(0.5)
        self.now_s = 0.0

    def offer(self, name: str, count: int = 1, *, lead: str | None = None, **bounds: Any) -> None:  # noqa: ANN401
        fields: dict[str, Any] = {"account_id": "acc", "name": "", "url": "https://example.com/secret", "events": ()}
        to = Subscription(id=SubscriptionId(name), **(fields | bounds))
        for number in range(count):
            self.lanes.offer(number, to, lead=lead, size=100, now_s=self.now_s)

    def begin(self) -> list[Waiting[int]]:
        begun = []
        while (one := self.lanes.next(self.now_s)) is not None:
            begun.append(one)
        return begun

    def fail(self, name: str) -> None:
        """Until its circuit opens."""
        while True:
            self.offer(name)
            for one in self.begin():
                if self.lanes.over(one, Outcome.TROUBLED, self.now_s) is Circuit.OPEN:
                    return
            self.now_s += 1

    def why(self) -> Why | None:
        (lane,) = self.lanes
        return why(lane, self.now_s)

    def page(self, asked: Asked = ALL) -> Page:
        return page(self.lanes, asked, now_s=self.now_s, now_ms=NOON_MS, worker="w-1")


@pytest.mark.parametrize(
    ("waits", "places", "expected", "shown"),
    [
        ({}, 64, None, State.HEALTHY),
        ({"count": 3}, 64, Why.LIMIT, State.LIMITED),
        ({"count": 3, "max_in_flight": 2}, 64, Why.SLOTS, State.LIMITED),
        ({"count": 3, "max_in_flight": 100}, 64, Why.LIMIT, State.LIMITED),
        ({"count": 3, "rate_per_s": 1}, 64, Why.RATE, State.LIMITED),
        ({"count": 3}, 1, Why.LIMIT, State.LIMITED),  # what a worker has bounds every limit
        ({"count": 3, "lead": "lead_1"}, 64, Why.LEAD, State.HEALTHY),
    ],
)
def test_what_holds_a_lane_is_told(waits: dict[str, Any], places: int, expected: Why | None, shown: State) -> None:
    """And whether that is a bound, or as it should be."""
    stage = Stage(places)
    stage.offer("a", **waits)
    stage.begin()

    assert (expected, shown) == (stage.why(), state(stage.why()))


def test_one_that_waits_for_a_place_is_told_from_one_whose_own_limit_is_reached() -> None:
    """The worker has too few for all."""
    stage = Stage(places=2)
    for name in "abc":
        stage.offer(name, 2)
    stage.begin()

    held = {lane.id: why(lane, 0.0) for lane in stage.lanes}

    assert list(held.values()).count(Why.PLACE) >= 1
    assert stage.lanes.places.in_flight == 2


def test_an_open_circuit_tells_when_and_how_it_goes_on() -> None:
    """Until its probe may go, then while nothing has come, then while the probe is under way."""
    stage = Stage()
    stage.fail("a")
    (lane,) = stage.lanes
    opened = row(lane, now_s=stage.now_s, now_ms=NOON_MS, worker="w-1")

    stage.now_s += 30
    cooled = stage.why()
    stage.offer("a")
    stage.begin()
    probing = row(lane, now_s=stage.now_s, now_ms=NOON_MS, worker="w-1")

    assert ("open", Why.FAILED, "2019-06-07T12:00:30.000Z") == (opened["state"], opened["why"], opened["retry_at"])
    assert cooled is Why.COOLED
    assert ("probing", Why.PROBE, None) == (probing["state"], probing["why"], probing["retry_at"])


def test_a_lane_is_told_with_this_workers_share_of_its_bounds() -> None:
    """Flat, with what is under way, waits and was put off; no URL."""
    stage = Stage()
    stage.offer("sub_1", 3, rate_per_s=5, max_in_flight=8)
    stage.begin()
    (lane,) = stage.lanes
    lane.deferred = 7

    assert {
        "subscription_id": "sub_1",
        "account_id": "acc",
        "state": "limited",
        "limit": 2,
        "max_in_flight": 4,
        "rate_per_s": 2.5,
        "in_flight": 1,
        "queued": 2,
        "deferred": 7,
        "retry_at": None,
        "why": "waits for its rate_per_s",
        "worker": "w-1",
    } == row(lane, now_s=0.0, now_ms=NOON_MS, worker="w-1")


def test_the_worst_come_first() -> None:
    """By state, then by what was put off, then by what waits."""
    stage = Stage()
    stage.fail("open")
    stage.offer("well")
    stage.offer("busy", 3)
    stage.offer("busier", 4)
    stage.begin()

    told = stage.page()

    assert ["open", "busier", "busy", "well"] == [one["subscription_id"] for one in told.lanes]
    assert (4, ("w-1",)) == (told.total, told.workers)
    assert {"open": 1, "probing": 0, "limited": 2, "healthy": 1} == counted(stage.lanes, stage.now_s)


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (Asked(subscription="b"), ["b"]),
        (Asked(state="limited"), ["a"]),
        (Asked(account="b"), ["b"]),
        (Asked(subscription="b", state="limited"), []),
        (Asked(state="no such state"), []),
    ],
)
def test_only_those_are_told_that_are_asked_for(asked: Asked, expected: list[str]) -> None:
    """The total is theirs too."""
    stage = Stage()
    stage.offer("a", 3)
    stage.offer("b", account_id="b")
    stage.begin()

    told = stage.page(asked)

    assert (expected, len(expected)) == ([one["subscription_id"] for one in told.lanes], told.total)


def test_a_page_is_bounded_and_says_of_how_many() -> None:
    """Those that are left out are the best."""
    stage = Stage()
    for number in range(MOST + 5):
        stage.offer(f"sub_{number}")
    stage.offer("bad", 2)

    told = stage.page()

    assert (MOST, MOST + 6) == (len(told.lanes), told.total)
    assert told.lanes[0]["subscription_id"] == "bad"


def test_a_page_is_read_as_it_was_written() -> None:
    """As JSON, with every field of each lane."""
    stage = Stage()
    stage.offer("a", 3, rate_per_s=5)
    stage.fail("b")
    told = stage.page()

    again = read(orjson.dumps(told))

    assert told == again
    assert all(set(FIELDS) == set(one) for one in again.lanes)


def test_pages_of_several_processes_are_one() -> None:
    """Each lane with the number of its process, worst first over all; one that said nothing, or nonsense, is named."""
    well, bad = Stage(), Stage()
    well.offer("well")
    bad.fail("bad")

    told = together(
        [
            of_process(1, orjson.dumps(well.page())),
            of_process(2, orjson.dumps(bad.page())),
            of_process(3, b"starting\n"),
        ]
    )

    assert [("bad", 2), ("well", 1)] == [(one["subscription_id"], one["process"]) for one in told.lanes]
    assert (2, ("w-1", "w-1"), (3,)) == (told.total, told.workers, told.unanswered)
    assert told == read(orjson.dumps(told))


def test_what_another_version_tells_besides_is_kept_and_a_state_that_it_alone_knows_comes_first() -> None:
    """Workers are upgraded one after another."""
    stage = Stage()
    stage.fail("open")
    told = stage.page()
    newer = {**told.lanes[0], "subscription_id": "new", "state": "exploded", "blast_m": 3}

    merged = together([told, read(orjson.dumps({**orjson.loads(orjson.dumps(told)), "lanes": [newer]}))])

    assert ["new", "open"] == [one["subscription_id"] for one in merged.lanes]
    assert merged.lanes[0]["blast_m"] == 3


EMPTY: dict[str, Any] = {"lanes": [], "total": 0, "workers": [], "unanswered": []}
LANE: dict[str, Any] = {
    "subscription_id": "a", "account_id": "a", "state": "open", "limit": 1, "max_in_flight": None, "rate_per_s": 0.5,
    "in_flight": 0, "queued": 0, "deferred": 0, "retry_at": None, "why": None, "worker": "w",
}  # fmt: skip


@pytest.mark.parametrize(
    ("told", "wrong"),
    [
        ([], "no JSON object"),
        ({}, "lanes is missing"),
        (EMPTY | {"lanes": None}, "lanes is missing, or of another kind"),
        (EMPTY | {"total": "1"}, "total is"),
        (EMPTY | {"workers": [1]}, "workers holds"),
        (EMPTY | {"unanswered": ["1"]}, "unanswered holds"),
        (EMPTY | {"lanes": [[]]}, "lanes holds"),
        (EMPTY | {"lanes": [{**LANE, "queued": True}]}, "queued is"),
        (EMPTY | {"lanes": [{**LANE, "retry_at": 5}]}, "retry_at is"),
        (EMPTY | {"lanes": [{name: value for name, value in LANE.items() if name != "why"}]}, "why is missing"),
    ],
)
def test_what_is_no_page_is_refused_with_what_is_wrong(told: object, wrong: str) -> None:
    """It comes from outside."""
    with pytest.raises(ValueError, match=wrong):
        read(orjson.dumps(told))


@given(st.binary(max_size=40) | st.sampled_from([b"[" * 5_000, b"nan", b'{"lanes": [1e999]}', b""]))
def test_no_bytes_at_all_do_worse_than_that(raw: bytes) -> None:
    """Whatever listens there."""
    try:
        read(raw)
    except ValueError:
        pass
    else:
        pytest.fail("these are a page?")


steps = st.lists(
    st.tuples(
        st.sampled_from(["comes", *Outcome]), st.sampled_from(["lead", None]), st.sampled_from("ab"), st.floats(0, 9)
    ),
    max_size=60,
)


@given(steps=steps, places=st.integers(1, 9))
def test_whatever_happens_what_is_told_is_how_it_is(
    steps: list[tuple[Any, str | None, str, float]], places: int
) -> None:
    """A lane whose circuit is closed could begin something exactly when all it wants is a place."""
    stage, under_way = Stage(places), list[Waiting[int]]()
    for what, lead, name, wait_s in steps:
        stage.now_s += wait_s
        stage.lanes.tick(stage.now_s)
        if what == "comes":
            stage.offer(name, lead=lead, rate_per_s=2 if name == "a" else None)
        elif under_way:
            stage.lanes.over(under_way.pop(0), what, stage.now_s)
        under_way += stage.begin()

        for lane in stage.lanes:
            held, told = why(lane, stage.now_s), row(lane, now_s=stage.now_s, now_ms=NOON_MS, worker="w")
            assert (held is Why.PLACE) == (lane.breaker.state is Circuit.CLOSED and lane.next_s() <= stage.now_s)
            assert (held in {Why.FAILED, Why.PROBE}) == lane.breaker.blocks(stage.now_s)
            assert (told["state"] == "open") == (told["retry_at"] is not None)
            assert told["state"] != "limited" or told["queued"]
        assert read(orjson.dumps(stage.page())) == stage.page()
