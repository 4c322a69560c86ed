"""
What workers say of their lanes, each asked at its metrics address. Edge (aiohttp).

Silence is an answer too: whoever asks is told which worker said nothing, and why.
"""

import asyncio
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from http import HTTPStatus

from aiohttp import ClientError, ClientSession, ClientTimeout

from relay import settings
from relay.config import Config
from relay.errors import Invalid, Problem, RelayError, Unreachable
from relay.pipeline.census import MAX_PAGE_BYTES, Asked, Page, read

ANSWER_S = 2.0  # a worker that lives answers within milliseconds; several processes behind one address within 1 s

Address = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Said:
    """What came of asking one address: a page, or none; and what is wrong there."""

    page: Page | None = None
    wrong: tuple[RelayError, ...] = ()


def configured(config: Config) -> list[Address]:
    """
    RELAY_WORKER_ADDRESSES; RELAY_METRICS_ADDRESS where that is not set.

    Raises:
        Invalid: One cannot be asked.
    """
    if config.worker_addresses:
        return [askable("RELAY_WORKER_ADDRESSES", one) for one in config.worker_addresses]
    return [askable("RELAY_METRICS_ADDRESS", config.metrics_address)]


def askable(where: str, address: Address) -> Address:
    """
    An address that can be asked.

    Raises:
        Invalid: It cannot.
    """
    if address[1] == 0:
        rule = "port 0 cannot be asked: `metrics.listening` in the worker's log has the port, for --at host:port"
        raise Invalid(Problem(where, rule, settings.spelled(*address)))
    return address


async def ask_all(addresses: Sequence[Address], asked: Asked) -> list[Said]:
    """Side by side: the slowest decides how long it takes."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(_ask(settings.spelled(*address), asked)) for address in addresses]
    return [task.result() for task in tasks]


async def _ask(address: str, asked: Asked) -> Said:
    try:
        status, raw = await _answer(address, asked)
    except (ClientError, OSError, UnicodeError) as error:  # the last of a name that DNS cannot have
        remedy = "is one running, with this RELAY_METRICS_ADDRESS? `relay lanes --at host:port` asks elsewhere"
        return Said(wrong=(Unreachable(f"no worker answers at {address} ({_why(error)}): {remedy}"),))
    return _heard(address, status, raw)


def _heard(address: str, status: int, raw: bytes) -> Said:
    """What an answer comes to."""
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        return Said(wrong=(Unreachable(f"the worker at {address} is starting: its log says what it waits for"),))
    try:
        if status != HTTPStatus.OK:
            raise ValueError(f"HTTP {status}")  # noqa: TRY301  one place tells all of them
        if len(raw) > MAX_PAGE_BYTES:
            raise ValueError(f"over {MAX_PAGE_BYTES} bytes")  # noqa: TRY301
        page = read(raw)
    except ValueError as error:
        rule = "is it a relay worker's metrics address, and the worker of this version?"
        return Said(wrong=(RelayError(f"what answers at {address} tells of no lanes ({error}): {rule}"),))
    silent = f"at {address} did not answer: it starts or hangs; its log says which"
    return Said(page, tuple(Unreachable(f"process {number} {silent}") for number in page.unanswered))


def _why(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return f"not within {ANSWER_S:.0f} s"
    if isinstance(error, OSError) and error.errno and error.errno > 0:
        return os.strerror(error.errno)
    return str(error)


async def _answer(address: str, asked: Asked) -> tuple[int, bytes]:
    """Status and body; of one that is too long, what shows that it is."""
    query = {name: value for name, value in asdict(asked).items() if value is not None}
    raw = bytearray()
    async with (
        # as it comes: what is compressed was not asked for, and could be any length
        ClientSession(timeout=ClientTimeout(total=ANSWER_S), auto_decompress=False) as session,
        session.get(f"http://{address}/lanes", params=query, allow_redirects=False) as response,
    ):
        async for chunk in response.content.iter_any():
            raw += chunk
            if len(raw) > MAX_PAGE_BYTES:
                break
        return response.status, bytes(raw)
