"""A bad endpoint costs only itself (promise P6): whole hours of it, in time that jumps."""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import MutableMapping
from typing import Any

import pytest
import structlog
from structlog.testing import capture_logs

from relay.model import Answer, Reply
from relay.pipeline.dispatch import AT_ONCE, HELD_S, Turns
from relay.pipeline.lane import LaneRules
from tests.pipeline.world import OK, REFUSED, Call, Receiver, World, played

MINUTE_S, HOUR_S = 60.0, 3_600.0
READ_S = 0.00006  # what a record takes from the fetch to its lane


def well(now_s: float) -> tuple[float, Reply]:  # noqa: ARG001
    return 0.01, OK


def slow(now_s: float) -> tuple[float, Reply]:  # noqa: ARG001
    return 2.0, OK


def hangs(now_s: float) -> tuple[float, Reply]:  # noqa: ARG001
    return 3_600.0, OK


def refuses(now_s: float) -> tuple[float, Reply]:  # noqa: ARG001
    return 0.001, REFUSED


def away(until_s: float, then: Receiver = well) -> Receiver:
    """Hangs until then."""
    return lambda now_s: hangs(now_s) if now_s < until_s else then(now_s)


def overlap(calls: list[Call]) -> int:
    return max((call.under_way for call in calls), default=0)


def once_each(calls: list[Call]) -> bool:
    """Every id was delivered once, and nothing was sent behind that."""
    taken: set[str] = set()
    for call in calls:
        if call.id in taken:
            return False
        if call.ok:
            taken.add(call.id)
    return True


def test_one_that_hangs_is_not_noticed_by_the_others() -> None:
    """Nothing of theirs is late or put off, and the reader is never held up."""

    async def play() -> World:
        async with World({"bad": hangs, "one": well, "two": well}) as world:
            await world.emit_for(3 * MINUTE_S, bad=20, one=20, two=20)
            return world

    world = played(play)

    for name in ("one", "two"):
        assert Counter({("delivered", "ok"): 3_600}) == world.verdicts(name)
        assert max(row["queued_ms"] for row in world.results if row["subscription_id"] == name) <= 1
    assert world.waits_s == pytest.approx(0.0)
    assert overlap(world.of("bad")) <= 8
    assert world.verdicts("bad")["deferred", "circuit_open"] > 0


def waited_ms(world: World, subscription: str) -> int:
    """The longest that one of its deliveries waited for its first request."""
    return int(max(row["queued_ms"] for row in world.results if row["subscription_id"] == subscription))


def test_a_flood_whose_receiver_takes_its_time_holds_up_no_other_account() -> None:
    """It has every place that there is and wants more; what is too much for it is put off, and the log is read on."""

    async def play() -> World:
        async with World({"flood": lambda _: (1.0, OK), "other": well}, places=64) as world:
            await world.emit_for(12.0, flood=200, other=5)
            await asyncio.sleep(1)
            return world

    world = played(play)

    assert Counter({("delivered", "ok"): 60}) == world.verdicts("other")
    assert world.waits_s < 0.5
    assert waited_ms(world, "other") < 100


def test_one_that_begins_to_hang_is_not_noticed_by_the_others_of_its_account() -> None:
    """It was well, and had shown to take more than all that the worker may have under way."""
    receivers = {"bad": lambda now_s: (0.5, OK) if now_s < 6 else hangs(now_s), "good": lambda _: (0.05, OK)}

    async def play() -> World:
        async with World(receivers, {name: {"account_id": "one"} for name in receivers}, places=64) as world:
            await world.emit_for(30.0, one=40)
            await asyncio.sleep(1)
            return world

    world = played(play)

    assert Counter({("delivered", "ok"): 1_200}) == world.verdicts("good")
    assert waited_ms(world, "good") < 100
    assert world.waits_s < 0.5


def test_more_that_hang_than_the_worker_has_places_do_not_keep_those_that_answer_from_theirs() -> None:
    """A region is down: nothing of the others is put off."""
    ill = [f"bad_{number}" for number in range(80)]

    async def play() -> World:
        async with World(dict.fromkeys(ill, hangs) | {"good": lambda _: (0.02, OK)}, places=64) as world:
            await world.emit("good")
            await asyncio.sleep(1)
            await world.emit_for(40.0, good=10, **dict.fromkeys(ill, 0.2))
            await asyncio.sleep(1)
            return world

    world = played(play)

    assert Counter({("delivered", "ok"): 401}) == world.verdicts("good")
    assert waited_ms(world, "good") < 1_000


@pytest.mark.parametrize("bad", [hangs, refuses, slow])
def test_a_backlog_is_read_past_a_bad_one(bad: Receiver) -> None:
    """As fast as the good ones take it, but for a moment in which it may yet turn out to be fast."""

    async def play() -> World:
        async with World({"bad": bad, "good": well}, rules=LaneRules(queue=100)) as world:
            for number in range(4_000):
                await world.emit("bad" if number % 2 else "good")
                await asyncio.sleep(0.0005)
            await asyncio.sleep(5)
            return world

    world = played(play)

    assert Counter({("delivered", "ok"): 2_000}) == world.verdicts("good")
    assert max(call.at_s for call in world.of("good")) < 2.0 + 1.5


def test_a_receiver_that_is_away_for_ten_minutes_gets_everything_once_and_at_its_pace() -> None:
    """It comes back to one probe, and then to no more at once than its ramp allows."""
    back_s = 10 * MINUTE_S

    async def play() -> World:
        async with World({"away": away(back_s)}) as world:
            await world.emit_for(15 * MINUTE_S, away=3)
            await asyncio.sleep(2 * HOUR_S)
            return world

    world = played(play)
    calls = world.of("away")
    delivered = [call for call in calls if call.ok]

    assert 2_700 == len(delivered) == len({call.id for call in delivered})
    assert once_each(calls)
    later = [call for call in calls if call.at_s >= back_s and call.ok]
    assert 1 == later[0].under_way
    assert [call.under_way <= 2 * number for number, call in enumerate(later, 1)] == [True] * len(later)


@pytest.mark.parametrize(("hours", "most"), [(1, 8), (24, 14)])
def test_what_an_outage_costs(hours: int, most: int) -> None:
    """So many records on delivery topics for each that waits, however long it lasts; and all is delivered behind it."""

    async def play() -> tuple[World, int]:
        async with World({"away": away(hours * HOUR_S)}) as world:
            await world.emit_for(MINUTE_S, away=5)
            await asyncio.sleep(hours * HOUR_S - MINUTE_S)
            written = max(world.written.values())
            while sum(call.ok for call in world.calls) < 300:  # noqa: ASYNC110  it is the time that passes
                await asyncio.sleep(10 * MINUTE_S)
            return world, written

    world, written = played(play)

    print(f"{hours} h: at most {written} records on delivery topics a delivery")
    assert written <= most
    assert 300 == len({call.id for call in world.calls if call.ok})


def test_a_receiver_that_flaps_keeps_its_traffic() -> None:
    """Down for three seconds of every eight: nothing is put off for its circuit, and everything arrives."""

    async def play() -> World:
        async with World({"flaps": lambda now_s: refuses(now_s) if now_s % 8 < 3 else well(now_s)}) as world:
            await world.emit_for(10 * MINUTE_S, flaps=10)
            await asyncio.sleep(3 * HOUR_S)
            return world

    world = played(play)

    assert world.verdicts("flaps")["delivered", "ok"] == 6_000
    assert world.verdicts("flaps")["deferred", "circuit_open"] == 0


def test_an_outage_is_told_when_it_begins_and_when_it_is_over_however_many_probes_fail() -> None:
    """A line each, and one more counted; of a receiver that is well there is nothing to tell."""
    told: list[MutableMapping[str, Any]] = []

    async def play() -> World:
        structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.INFO))
        with capture_logs() as lines:
            async with World({"bad": away(5 * MINUTE_S), "good": well}) as world:
                await world.emit_for(10 * MINUTE_S, bad=1, good=1)
        told.extend(line for line in lines if line["event"].startswith("circuit."))
        return world

    world = played(play)

    assert ["circuit.opened", "circuit.closed"] == [line["event"] for line in told]
    assert {("bad", "bad", "info")} == {
        (line["subscription_id"], line["account_id"], line["log_level"]) for line in told
    }
    assert told[0]["probe_in_s"] == 30.0
    (counted,) = world.tools.metrics.circuits_opened.collect()
    assert [1.0] == [sample.value for sample in counted.samples]


@pytest.mark.parametrize("per_s", [2.0, 50.0])
def test_a_rate_is_kept_and_reached(per_s: float) -> None:
    """In no second more than it allows; all arrives, and what is put off for it spends no attempt."""

    async def play() -> World:
        async with World({"paced": well}, {"paced": {"rate_per_s": per_s}}) as world:
            await world.emit_for(10.0, paced=2 * per_s)
            await asyncio.sleep(600.0)
            return world

    world = played(play)
    starts = sorted(call.at_s for call in world.of("paced"))

    for first, begin in enumerate(starts):
        assert sum(1 for one in starts[first:] if one < begin + 1.0) <= per_s * 1.02 + 1
    assert len([one for one in starts if one < 10.0]) >= 0.9 * per_s * 10
    assert {1} == {row["attempt"] for row in world.results}
    assert {("delivered", "ok"), ("deferred", "rate_limited")} == set(world.verdicts("paced"))
    assert 20 * per_s == world.verdicts("paced")["delivered", "ok"]


def test_a_rate_is_kept_when_the_fate_of_a_partition_becomes_known() -> None:
    """What waited for that has taken neither a turn nor a place, to be sent all at once then."""

    async def play() -> World:
        async with World({"paced": well}, {"paced": {"rate_per_s": 10.0}}) as world:
            for _ in range(30):
                await world.emit("paced")
            await asyncio.sleep(0.05)  # what has begun is over
            await world.in_doubt(2.0)
            assert world.dispatch.in_flight == 0
            await asyncio.sleep(600.0)
            return world

    starts = sorted(call.at_s for call in played(play).of("paced"))

    assert len(starts) == 30
    assert all(sum(1 for one in starts[n:] if one < begin + 1.0) <= 11 for n, begin in enumerate(starts))


@pytest.mark.parametrize("narrow", [{"rate_per_s": 1.0}, {"max_in_flight": 1}])
def test_a_burst_of_minutes_for_a_narrow_one_is_sent_within_hours(narrow: dict[str, float]) -> None:
    """Nothing of it grows too old, though it takes one a second and a hundred and fifty came at once."""

    async def play() -> World:
        async with World({"narrow": lambda _: (0.99, OK)}, {"narrow": narrow}) as world:
            for _ in range(150):
                await world.emit("narrow")
            await asyncio.sleep(3 * HOUR_S)
            return world

    world = played(play)

    assert 150 == world.verdicts("narrow")["delivered", "ok"]
    assert {1} == {row["attempt"] for row in world.results}
    assert max(world.written.values()) <= 8


def test_max_in_flight_is_kept() -> None:
    """Whatever the backlog."""

    async def play() -> World:
        async with World({"narrow": slow}, {"narrow": {"max_in_flight": 3}}) as world:
            await world.emit_for(30.0, narrow=20)
            return world

    assert overlap(played(play).of("narrow")) == 3


def test_first_attempts_of_a_lead_keep_their_order() -> None:
    """One at a time, as they came."""

    async def play() -> World:
        async with World({"one": lambda _: (0.2, OK)}) as world:
            for number in range(30):
                await world.emit("one", lead=f"lead_{number % 3}")
            await asyncio.sleep(10)
            return world

    world = played(play)
    offsets = {row["event_offset"]: row for row in world.results}
    for lead in ("lead_0", "lead_1", "lead_2"):
        started = [row["started_at"] for _, row in sorted(offsets.items()) if row["lead_id"] == lead]
        assert started == sorted(started)
        assert len(set(started)) == 10


BACKLOG = 8_000  # more than all lanes together may hold


@pytest.mark.parametrize("away_s", [0.001, 0.05, 0.2])
def test_a_backlog_is_no_reason_to_put_anything_off(away_s: float) -> None:
    """Its receiver takes as much as it is given: the reader waits while that is found out, and for places."""

    async def play() -> tuple[World, float]:
        async with World({"busy": lambda _: (away_s, OK)}) as world:
            for _ in range(BACKLOG):
                await world.emit("busy")
                await asyncio.sleep(READ_S)
            await asyncio.sleep(2)
            return world, max(call.at_s for call in world.of("busy"))

    world, last_s = played(play)

    assert Counter({("delivered", "ok"): BACKLOG}) == world.verdicts("busy")
    assert last_s < BACKLOG * max(READ_S, away_s / (512 * 7 / 8)) + 2.0


@pytest.mark.parametrize("value", ["-5", "31536000", "soon", "Thu, 01 Jan 1970 00:00:00 GMT", "1e400", "9" * 60])
def test_an_absurd_retry_after_is_no_reason_to_lose_anything(value: str) -> None:
    """It is tried again, at the latest with the longest delay."""
    busy = Answer(status=429, headers=(("retry-after", value),))

    async def play() -> World:
        async with World({"odd": lambda now_s: (0.01, busy if now_s < MINUTE_S else OK)}) as world:
            await world.emit("odd")
            while not world.verdicts("odd")["delivered", "ok"]:  # noqa: ASYNC110  it is the time that passes
                await asyncio.sleep(MINUTE_S)
            return world

    world = played(play)

    assert 1 == len([call for call in world.calls if call.ok])
    assert world.calls[-1].at_s < 30 * HOUR_S


def test_when_the_worker_stops_what_waits_is_left_to_the_next() -> None:
    """Neither sent nor put off: its records stay unsettled."""

    async def play() -> World:
        async with World({"bad": hangs}) as world:
            for _ in range(50):
                await world.emit("bad")
            await asyncio.sleep(0.1)
            return world

    world = played(play)

    assert 8 == len(world.calls)
    assert 42 == world.ledger.open
    assert Counter({("retry", "timeout"): 8}) == world.verdicts("bad")


def test_work_gives_way_by_its_count_and_by_its_time() -> None:
    """A filter may take milliseconds: a thousand of them are no single step."""

    async def others(turns: Turns, *, step_s: float, steps: int, done: bool) -> int:
        had, over = 0, False

        async def other() -> None:
            nonlocal had
            while not over:
                had += 1
                await asyncio.sleep(0)

        async with asyncio.TaskGroup() as group:
            group.create_task(other())
            await asyncio.sleep(0)
            for _ in range(steps):
                until_s = time.perf_counter() + step_s
                while time.perf_counter() < until_s:
                    pass
                await (turns.step() if done else turns.passed())
            over = True
        return had

    turns = Turns()

    assert 1 + 4 <= asyncio.run(others(turns, step_s=0, steps=4 * AT_ONCE, done=True))
    assert 1 + 10 <= asyncio.run(others(turns, step_s=HELD_S, steps=10, done=True))
    assert 1 + 10 <= asyncio.run(others(turns, step_s=HELD_S, steps=10, done=False))
