import asyncio
from collections.abc import Coroutine

from hypothesis import given
from hypothesis import strategies as st

from relay.pipeline.room import RESUME_SHARE, Room


def a_room(*, limit_bytes: int = 1_000) -> Room:
    return Room(limit_bytes=limit_bytes)


async def at_once(waits: Coroutine[object, object, None]) -> bool:
    """Whether it returns without having to wait; what would have to is given up."""
    async with asyncio.TaskGroup() as group:
        task = group.create_task(waits)
        await turn()
        done = task.done()
        task.cancel()
    return done


async def turn() -> None:
    """Let everybody run who can; a hand-over takes two turns of the loop."""
    for _ in range(3):
        await asyncio.sleep(0)


@given(
    st.integers(1, 1_000),
    st.lists(st.integers(1, 300), max_size=60),
    st.data(),
)
def test_one_intake(limit_bytes: int, fetches: list[int], data: st.DataObject) -> None:
    """
    It takes nothing while the budget is used up, so that no more is held than the limit and its last fetch.

    It stops at the limit and goes on at three quarters, and in between does as before.
    """

    async def play() -> None:
        room, held, stopped = a_room(limit_bytes=limit_bytes), list[int](), False
        for size in fetches:
            if not stopped:
                assert sum(held) < limit_bytes
                room.take(size)
                held.append(size)
            elif held:
                room.give(held.pop(data.draw(st.integers(0, len(held) - 1))))
            if sum(held) >= limit_bytes:
                stopped = True
            elif sum(held) <= int(limit_bytes * RESUME_SHARE):
                stopped = False

            assert sum(held) == room.held_bytes
            assert stopped is room.full
            assert stopped is not await at_once(room.wait())

    asyncio.run(play())


@given(st.lists(st.integers(0, 2_000), max_size=20))
def test_when_everything_is_given_back(sizes: list[int]) -> None:
    """Intake goes on, however much was held."""

    async def play() -> bool:
        room = a_room()
        for size in sizes:
            room.take(size)
        for size in sizes:
            room.give(size)
        return room.held_bytes == 0 and await at_once(room.wait())

    assert asyncio.run(play())


async def test_both_intakes_while_memory_is_used_up() -> None:
    """They wait, and both go on once a quarter is free."""
    room = a_room(limit_bytes=1_000)
    room.take(1_000)
    async with asyncio.TaskGroup() as group:
        intakes = [group.create_task(room.wait()) for _ in range(2)]
        room.give(249)
        await turn()
        assert [intake.done() for intake in intakes] == [False, False]

        room.give(1)


async def test_records_that_must_be_produced() -> None:
    """They are held above the limit too: what is not produced is never settled, and would hold its place for ever."""
    room = a_room(limit_bytes=1_000)
    room.take(1_000)
    room.take(500)

    assert room.held_bytes == 1_500
    assert not await at_once(room.wait())
