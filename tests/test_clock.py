import asyncio
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.clock import Clock, ManualClock, SystemClock

NOON_MS = 1_559_908_800_000  # 2019-06-07T12:00:00Z

Woken = list[tuple[str, float]]  # who, and at which time of the clock
quarters = st.integers(0, 40).map(lambda number: number / 4)  # seconds that add up without rounding


async def turn() -> None:
    """Let everybody run who can."""
    await asyncio.sleep(0)


async def nap(clock: Clock, name: str, *seconds: float, woken: Woken) -> None:
    """Fall asleep for each of these in turn."""
    for one in seconds:
        await clock.sleep(one)
        woken.append((name, clock.monotonic()))


@given(st.lists(quarters, max_size=12), st.lists(quarters, max_size=6))
def test_sleepers_wake_in_the_order_of_their_times(naps: list[float], steps: list[float]) -> None:
    """Each at its own time, however far the clock moves at once; of two that are due together, the first to sleep."""
    in_order = sorted(range(len(naps)), key=lambda number: naps[number])
    expected = [(str(number), naps[number]) for number in in_order]

    async def play() -> None:
        clock, woken = ManualClock(), Woken()
        async with asyncio.TaskGroup() as group:
            for number, seconds in enumerate(naps):
                group.create_task(nap(clock, str(number), seconds, woken=woken))
            await turn()
            for seconds in (*steps, 10):
                await clock.advance(seconds)
                assert [one for one in expected if one[1] <= clock.monotonic()] == woken
            assert expected == woken  # in here: who sleeps on is cancelled, and not waited for

    asyncio.run(play())


async def test_one_that_falls_asleep_again_on_the_way() -> None:
    """It wakes again before anybody who is due later, also within one move of the clock."""
    clock, woken = ManualClock(), Woken()
    async with asyncio.TaskGroup() as group:
        group.create_task(nap(clock, "often", 2, 2, 2, woken=woken))
        group.create_task(nap(clock, "once", 5, woken=woken))
        await turn()

        await clock.advance(10)

        assert [("often", 2), ("often", 4), ("once", 5), ("often", 6)] == woken
        assert 10 == clock.monotonic()


async def test_one_that_is_not_due_sleeps_on() -> None:
    """Until exactly its time, counted from when it fell asleep and not from the clock's beginning."""
    clock, woken = ManualClock(), Woken()
    await clock.advance(100)
    async with asyncio.TaskGroup() as group:
        group.create_task(nap(clock, "one", 5, woken=woken))
        await turn()
        await clock.advance(4.75)
        assert [] == woken

        await clock.advance(0.25)

        assert [("one", 105)] == woken


async def test_a_sleeper_that_was_cancelled_holds_nobody_up() -> None:
    """Whoever was due with it or after it still wakes."""
    clock, woken = ManualClock(), Woken()
    async with asyncio.TaskGroup() as group:
        gone = group.create_task(nap(clock, "gone", 1, woken=woken))
        group.create_task(nap(clock, "with it", 1, woken=woken))
        group.create_task(nap(clock, "after it", 2, woken=woken))
        await turn()
        gone.cancel()

        await clock.advance(2)

        assert [("with it", 1), ("after it", 2)] == woken


@given(st.lists(st.integers(0, 100_000), max_size=20))
def test_both_hands_of_a_clock_move_together(steps_ms: list[int]) -> None:
    """By whole milliseconds, of which none is lost over many moves."""

    async def play() -> ManualClock:
        clock = ManualClock(NOON_MS)
        for step_ms in steps_ms:
            await clock.advance(step_ms / 1000)
        return clock

    clock = asyncio.run(play())

    assert NOON_MS + sum(steps_ms) == clock.now_ms()
    assert pytest.approx(sum(steps_ms) / 1000) == clock.monotonic()


def test_the_systems_monotonic_clock_never_goes_back() -> None:
    """However often it is asked; and it does move."""
    clock = SystemClock()
    start = clock.monotonic()
    told = [clock.monotonic() for _ in range(10_000)]

    assert sorted(told) == told
    assert start < told[-1]


def test_the_systems_wall_clock_tells_the_real_time() -> None:
    """In milliseconds since the epoch."""
    before_ms = time.time_ns() // 1_000_000
    told_ms = SystemClock().now_ms()
    after_ms = time.time_ns() // 1_000_000

    assert before_ms <= told_ms <= after_ms


async def test_the_systems_clock_sleeps_for_seconds() -> None:
    """For no less than it was told to, as its own monotonic clock has it."""
    clock = SystemClock()
    start = clock.monotonic()

    await clock.sleep(0.02)

    assert 0.019 <= clock.monotonic() - start  # the loop counts in whole milliseconds
