"""`relay lanes`: how each subscription with work fares, worst first, as the workers themselves say it."""

import asyncio
import os
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Literal

from aiohttp import ClientError, ClientSession, ClientTimeout
from cyclopts import Parameter

from relay import settings
from relay.cli.common import Common, run, tell
from relay.errors import Invalid, Problem, RelayError, Unreachable
from relay.pipeline.census import MAX_PAGE_BYTES, Asked, Page, read, together

COMMON = Common()
COLUMNS = ("subscription_id", "account_id", "state", "limit", "in_flight", "queued", "deferred", "retry_at", "why")
ANSWER_S = 2.0  # a worker that lives answers within milliseconds; several processes behind one address within 1 s

Address = tuple[str, int]
State = Literal["open", "probing", "limited", "healthy"]


@dataclass(frozen=True, slots=True)
class Said:
    """What came of asking one address: a page, or none; and what is wrong there."""

    page: Page | None = None
    wrong: tuple[RelayError, ...] = ()


def lanes(
    *,
    at: Annotated[tuple[str, ...], Parameter(negative=())] = (),
    subscription: str | None = None,
    state: State | None = None,
    common: Common = COMMON,
) -> int:
    """
    List the lanes of subscriptions that had work lately, worst first; exit status 5 when a worker does not answer.

    Args:
        at: host:port of a worker's metrics; may be given more than once. RELAY_METRICS_ADDRESS where none is given.
        subscription: Only this one's.
        state: Only those that are open (circuit open: nothing is sent), probing (one attempt decides), limited
            (something waits, and a bound keeps it) or healthy.
    """
    config = common.load()
    asked = Asked(subscription=subscription, state=state)
    said = run(_ask_all(_addresses(at, config.metrics_address), asked))
    if pages := [one.page for one in said if one.page]:
        page = together(pages)
        columns = (*COLUMNS, "worker") if len(page.workers) > 1 else COLUMNS
        common.show(page.lanes, columns, empty="no lanes: nothing came lately for what you ask for")
        if page.total > len(page.lanes):
            tell(f"{len(page.lanes)} of {page.total} lanes, the worst; --subscription or --state shows others")
    wrong = [error for one in said for error in one.wrong]
    for error in wrong:
        tell(f"relay: {error}")
    return max((error.exit_code for error in wrong), default=0)


def _addresses(at: Sequence[str], configured: Address) -> list[Address]:
    """
    Raises:
        Invalid: One cannot be asked.
    """
    if not at:
        return [_askable("RELAY_METRICS_ADDRESS", configured)]
    problems: list[Problem] = []
    addresses: list[Address] = []
    for written in at:
        try:
            addresses.append(_askable("at", settings.address(written)))
        except Invalid as invalid:
            problems += invalid.problems
        except ValueError as rule:
            problems.append(Problem("at", str(rule), settings.shown(written)))
    if problems:
        raise Invalid(*problems)
    return addresses


def _askable(where: str, address: Address) -> Address:
    if address[1] == 0:
        rule = "port 0 cannot be asked: `metrics.listening` in the worker's log has the port, for --at host:port"
        raise Invalid(Problem(where, rule, settings.spelled(*address)))
    return address


async def _ask_all(addresses: Sequence[Address], asked: Asked) -> list[Said]:
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
    wanted = {"subscription": asked.subscription, "state": asked.state}
    query = {name: value for name, value in wanted.items() if value is not None}
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
