"""
The processes of a demo besides its own: the worker, and the console where what it needs is installed. Edge.

The worker's log goes to a file that is looked at when it is needed. The console's is read as it comes, for it says
where it listens, and the first token, which it tells once.
"""

import asyncio
import json
import re
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from relay.cli.common import plain

STOP_S = 35.0  # RELAY_DRAIN_S and what comes behind it
LINE_BYTES = 1024 * 1024  # of a log: a traceback in JSON is one line
NEEDED = ("sqlalchemy", "alembic", "aiosqlite", "asyncpg", "jinja2")  # the extra `console`
LISTENING = "console.listening"
MISSING = "Delivery History: `pip install 'relay[console]'`, and the demo shows it in a browser too"
_TOKEN = re.compile(rb"\brly_[A-Za-z0-9_-]{43}(?![A-Za-z0-9_-])")


@asynccontextmanager
async def working(environ: Mapping[str, str], log: Path) -> AsyncIterator[Process]:
    """A worker; what it says is in the file."""
    with log.open("wb") as out:
        process = await _started("worker", environ, stdout=out, stderr=out)
    async with _ended(process):
        yield process


@asynccontextmanager
async def consoled(environ: Mapping[str, str], folder: Path, show: Callable[[str], None]) -> AsyncIterator[None]:
    """A console, with a history of its own, for as long as the block; without its extra, how to get it is shown."""
    if not all(find_spec(name) for name in NEEDED):
        show(MISSING)
        yield
        return
    more = {
        "RELAY_CONSOLE_ADDRESS": "127.0.0.1:0",
        "RELAY_DATABASE_URL": f"sqlite+aiosqlite:///{folder / 'history.db'}",
    }
    process = await _started("console", {**environ, **more}, stdout=DEVNULL, stderr=PIPE)
    async with _ended(process), asyncio.TaskGroup() as group:
        reading = group.create_task(_announced(process, show))
        yield
        reading.cancel()  # before it is told to stop: whoever still reads then saw it end by itself


async def _announced(process: Process, show: Callable[[str], None]) -> None:
    """Where it listens is shown, and which token one gets in with; and why it has ended, if it does by itself."""
    assert process.stderr is not None
    last = b""
    async for line in process.stderr:
        last = line
        if found := _TOKEN.search(line):
            show(f"Delivery History: sign in with the token {found[0].decode()}")
        elif address := listening(line):
            show(f"Delivery History: http://{address}/")
    status = await process.wait()
    show(plain(f"Delivery History: the console ended with status {status}: {last.decode(errors='replace').strip()}"))


def listening(line: bytes) -> str:
    """
    The address that a line of a console's log tells of; empty: it tells of none.

    >>> listening(b'{"event": "console.listening", "address": "127.0.0.1:8080"}')
    '127.0.0.1:8080'
    >>> listening(b"not of the log")
    ''
    """
    try:
        told = json.loads(line)
    except ValueError:
        return ""
    if not isinstance(told, dict) or told.get("event") != LISTENING:
        return ""
    return str(told.get("address", ""))


async def _started(command: str, environ: Mapping[str, str], **streams: Any) -> Process:  # noqa: ANN401
    module = (sys.executable, "-m", "relay", command)
    return await asyncio.create_subprocess_exec(*module, env=environ, stdin=DEVNULL, limit=LINE_BYTES, **streams)


@asynccontextmanager
async def _ended(process: Process) -> AsyncIterator[None]:
    """It is told to stop at the end, and killed when it does not."""
    try:
        yield
    finally:
        try:
            if process.returncode is None:
                process.terminate()
            async with asyncio.timeout(STOP_S):
                await process.wait()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
