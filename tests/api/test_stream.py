"""What ends a live stream."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import replace

import pytest

from relay.access.values import Principal, Scope
from relay.console.api import stream
from relay.console.desk.trying import seen
from relay.console.live import Missed, Result, TooSlow


async def test_one_that_may_look_on_no_longer_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the next sign of life, at the latest."""
    monkeypatch.setattr(stream, "HEARTBEAT_S", 0)
    written: list[bytes] = []

    async def write(raw: bytes) -> None:
        written.append(raw)

    told = await stream._beat(write, lambda: len(written) < 2)

    assert "you may look on no longer" == told
    assert [b": still here\n\n"] * 2 == written


async def test_one_that_is_gone_is_told_nothing_and_one_that_is_slow_why(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who reads nothing, or has left, is not written to again."""
    monkeypatch.setattr(stream, "HEARTBEAT_S", 0)

    async def news() -> AsyncGenerator[Result | Missed, None]:
        yield Missed("e-1", 3)
        raise TooSlow("connect again")

    async def gone(_: bytes) -> None:
        raise ConnectionResetError

    async def late(_: bytes) -> None:
        raise TimeoutError

    written: list[bytes] = []

    async def write(raw: bytes) -> None:
        written.append(raw)

    assert (None, None) == (await stream._read(news(), gone), await stream._beat(late, lambda: True))
    assert "connect again" == await stream._read(news(), write)
    assert b'event: missed\nid: e-1\ndata: {"count":3}\n\n' == written[-1]


def test_how_many_of_all_accounts_were_passed_over_is_an_operators_to_know() -> None:
    """Whoever is bound to one is told that some were."""
    operator = Principal(name="me", scope=Scope.READ, account=None)

    assert Missed("e-1", 3) == seen(operator, Missed("e-1", 3))
    assert Missed("e-1", None) == seen(replace(operator, account="acct-1"), Missed("e-1", 3))


async def test_the_end_of_the_console_ends_it() -> None:
    stopping = asyncio.Event()
    stopping.set()

    assert "the console ends" == await stream._end(stopping)
