"""
Names of receivers -> addresses, so that a name that is slow holds up no other. Edge (threads).

The system's resolver keeps a thread until it has an answer: for tens of seconds where a name's servers are silent, and
nothing ends it sooner. asyncio's own threads are six on two cores, and the brokers' names are looked up there too: six
such names would hold up everybody's. So a look-up has a thread of its own, and the room for them is divided by how long
a name took the last time; one that takes long leaves its place to the next. Of a name and port one look-up is under
way at a time for each set of rules, however many wait for it: the connector sees to that.
"""

import asyncio
import errno
import socket
import threading
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from enum import Enum, auto
from functools import partial
from typing import Any, cast

from aiohttp.resolver import ThreadedResolver

LATE_S = 1.0  # most look-ups take milliseconds, and a resolver asks another server after 5 s
REMEMBERED = 10_000  # names, some 200 bytes each: as many as there are busy subscriptions

Answers = list[tuple[Any, ...]]  # of getaddrinfo


class Pace(Enum):
    """Of a name, by its latest look-up."""

    PROMPT = auto()
    NEW = auto()  # there was none
    LATE = auto()


# Look-ups at once: 128 threads at most, some 50 kB each. A prompt one keeps its place for milliseconds, a late one for
# tens of seconds.
PLACES = {Pace.PROMPT: 32, Pace.NEW: 32, Pace.LATE: 64}


class LookUps:
    """What aiohttp's resolver asks of a loop, in threads of its own that a process does not wait for at its end."""

    def __init__(self, ask: Callable[..., Answers] = socket.getaddrinfo, *, late_s: float = LATE_S) -> None:
        """
        Args:
            ask: Blocks until it has the answer.
            late_s: A look-up that has taken so long is late.
        """
        self._ask = ask
        self._late_s = late_s
        self._places = {pace: asyncio.Semaphore(count) for pace, count in PLACES.items()}
        self._paces: OrderedDict[str, Pace] = OrderedDict()

    async def getaddrinfo(self, host: str, port: int, **hints: int) -> Answers:
        """
        As the loop's own.

        Raises:
            OSError: As the system says; or the machine has no thread left.
        """
        late = self._places[Pace.LATE]
        place = self._places[self._paces.get(host, Pace.NEW)]
        await place.acquire()
        try:
            answer = _in_a_thread(partial(self._ask, host, port, **hints))
            prompt, _ = await asyncio.wait({answer}, timeout=self._late_s)
            self._remember(host, Pace.PROMPT if prompt else Pace.LATE)
            if not prompt and place is not late and not late.locked():
                await late.acquire()
                place.release()
                place = late
            return await answer
        finally:
            place.release()

    async def getnameinfo(self, address: tuple[Any, ...], flags: int) -> tuple[str, str]:
        """As the loop's own: only numbers are asked for, and nobody else is."""
        return await asyncio.get_running_loop().getnameinfo(cast("tuple[str, int]", address), flags)

    def _remember(self, host: str, pace: Pace) -> None:
        self._paces[host] = pace
        self._paces.move_to_end(host)
        if len(self._paces) > REMEMBERED:
            self._paces.popitem(last=False)


class Names(ThreadedResolver):
    """aiohttp's, on look-ups of our own."""

    def __init__(self, look_ups: LookUps | None = None) -> None:
        super().__init__(cast("asyncio.AbstractEventLoop", look_ups or LookUps()))


def _in_a_thread(ask: Callable[[], Answers]) -> asyncio.Future[Answers]:
    """
    What comes of it.

    Raises:
        OSError: There is no thread for it.
    """
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[Answers] = loop.create_future()

    def asked() -> None:
        try:
            found = ask()
        except Exception as error:  # noqa: BLE001  whatever it is, it belongs to whoever asked
            tell(answer.set_exception, error)
        else:
            tell(answer.set_result, found)

    def tell(how: Callable[[Any], None], what: object) -> None:
        with suppress(RuntimeError):  # the loop has ended, and nobody waits
            loop.call_soon_threadsafe(lambda: None if answer.done() else how(what))

    try:
        threading.Thread(target=asked, name="look-up", daemon=True).start()
    except RuntimeError as error:
        raise OSError(errno.EAGAIN, f"no thread for a look-up: {error}") from error
    return answer
