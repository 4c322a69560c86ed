import asyncio
from collections.abc import Coroutine

from hypothesis import given
from hypothesis import strategies as st

from relay.pipeline.room import QUEUE_PLACES, RESUME_SHARE, Room


def a_room(*, limit_bytes: int = 1_000, places: int = 3) -> Room:
    return Room(limit_bytes=limit_bytes, places=places)


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


@given(st.integers(1, 4), st.lists(st.sampled_from(["enter", "leave", "give up"]), max_size=50))
def test_places_in_flight(places: int, script: list[str]) -> None:
    """Never more are taken than there are, none stays empty while somebody waits, and who came first goes first."""

    async def play() -> None:
        room, entered = a_room(places=places), list[int]()

        async def enter(number: int) -> None:
            await room.enter()
            entered.append(number)

        waiting: dict[int, asyncio.Task[None]] = {}
        expected, inside = list[int](), 0
        async with asyncio.TaskGroup() as group:
            for number, what in enumerate(script):
                if what == "enter":
                    waiting[number] = group.create_task(enter(number))
                elif what == "leave" and inside:
                    room.leave()
                    inside -= 1
                elif what == "give up" and waiting:
                    waiting.pop(next(iter(waiting))).cancel()
                while waiting and inside < places:
                    first = next(iter(waiting))
                    del waiting[first]
                    expected.append(first)
                    inside += 1
                await turn()

                assert expected == entered
                assert inside == room.in_flight
            for task in waiting.values():
                task.cancel()

    asyncio.run(play())


async def test_deliveries_that_wait_their_turn() -> None:
    """So many and no more: the walk of a fan-out stops until one of them has its turn."""
    room = a_room()
    for _ in range(QUEUE_PLACES):
        await room.queue()
    assert not await at_once(room.queue())

    room.unqueue()

    assert await at_once(room.queue())
    assert not await at_once(room.queue())
