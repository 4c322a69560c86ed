"""Look-ups of names: one that is slow holds up no other, however many there are."""

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from relay.pipeline.names import PLACES, Answers, LookUps, Names, Pace

HEARD_S = 10  # for what takes milliseconds, on a busy machine
ADDRESS: Answers = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.1", 443))]


class System:
    """A resolver whose names under `slow` get their answer when they are told to."""

    def __init__(self) -> None:
        self.told = threading.Event()
        self.asking = 0  # threads
        self._lock = threading.Lock()

    def __call__(self, host: str, port: int, **_: int) -> Answers:  # noqa: ARG002
        with self._lock:
            self.asking += 1
        try:
            if host.startswith("slow"):
                self.told.wait(HEARD_S)
        finally:
            with self._lock:
                self.asking -= 1
        if host.startswith("none"):
            raise socket.gaierror(socket.EAI_NONAME, "no such name")
        return ADDRESS


@asynccontextmanager
async def slow_ones(look_ups: LookUps, system: System, count: int) -> AsyncIterator[list[asyncio.Task[Answers]]]:
    """So many names are being looked up, each as far as it gets, and answered at the end."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(look_ups.getaddrinfo(f"slow-{number}", 443)) for number in range(count)]
        try:
            await until(lambda: system.asking >= min(count, PLACES[Pace.NEW] + PLACES[Pace.LATE]))
            yield tasks
        finally:
            system.told.set()


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(HEARD_S):
        while not holds():  # noqa: ASYNC110  threads tell no event of a loop's
            await asyncio.sleep(0.001)


async def test_names_that_are_slow_hold_up_no_name_that_was_prompt() -> None:
    """However many they are; and no more threads wait for them than there is room for."""
    system = System()
    look_ups = LookUps(system, late_s=0.01)
    await look_ups.getaddrinfo("well", 443)

    async with slow_ones(look_ups, system, 300) as slow:
        async with asyncio.timeout(HEARD_S / 2):
            assert ADDRESS == await look_ups.getaddrinfo("well", 443)
        assert system.asking == PLACES[Pace.NEW] + PLACES[Pace.LATE]

    assert [ADDRESS] * 300 == [task.result() for task in slow]


async def test_names_that_are_slow_hold_up_new_ones_only_until_they_are_known_to_be() -> None:
    """As many as there is room for."""
    system = System()
    look_ups = LookUps(system, late_s=0.01)

    async with slow_ones(look_ups, system, PLACES[Pace.LATE]), asyncio.timeout(HEARD_S / 2):
        assert ADDRESS == await look_ups.getaddrinfo("new", 443)


async def test_a_name_that_was_slow_waits_among_its_like_and_is_prompt_again_when_it_was() -> None:
    """What it takes from the others is nothing."""
    system = System()
    look_ups = LookUps(system, late_s=0.01)
    async with slow_ones(look_ups, system, 1):
        await until(lambda: look_ups._paces.get("slow-0") is Pace.LATE)

    assert ADDRESS == await look_ups.getaddrinfo("slow-0", 443)

    assert look_ups._paces["slow-0"] is Pace.PROMPT


async def test_what_the_system_says_is_said() -> None:
    """Also that there is no such name."""
    with pytest.raises(socket.gaierror, match="no such name"):
        await LookUps(System()).getaddrinfo("none", 443)


async def test_the_systems_own_resolver_is_asked() -> None:
    """Names of this machine, with the port that was asked for."""
    found = await Names().resolve("localhost", 8080, socket.AF_INET)

    assert [("127.0.0.1", 8080)] == [(one["host"], one["port"]) for one in found]
