"""The processes of a benchmark, each ended with the block that started it, and what is said when one fails."""

import asyncio
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]
TAIL_BYTES = 2_000  # of a log, in a message


class Broken(Exception):
    """Something was lost or ended that should not have; there is no figure to tell."""

    @staticmethod
    @asynccontextmanager
    async def after(seconds: float, message: str) -> AsyncIterator[None]:
        """As `asyncio.timeout`, with a message that says what did not happen."""
        try:
            async with asyncio.timeout(seconds):
                yield
        except TimeoutError:
            raise Broken(f"{message} within {seconds:.0f} s") from None


@asynccontextmanager
async def child(
    *arguments: str, environ: dict[str, str] | None = None, log: Path | None = None
) -> AsyncIterator[Process]:
    """
    A Python process; whatever still runs at the end is killed.

    Raises:
        Broken: What happened inside, with the end of the log.
    """
    out = log.open("ab") if log else None
    try:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", *arguments, cwd=ROOT, env=environ, stdin=PIPE, stdout=out or PIPE, stderr=out
        )
    finally:
        if out:
            out.close()
    try:
        yield process
    except Broken as broken:
        raise Broken(f"{' '.join(arguments[:2])}: {broken}\n{tail(log) if log else ''}") from None
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def tail(log: Path) -> str:
    return log.read_bytes()[-TAIL_BYTES:].decode(errors="replace")


@contextmanager
def broker(given: str | None) -> Iterator[str]:
    """The bootstrap servers: those given, or a Kafka of our own."""
    if given:
        yield given
        return
    from tests.kafka.server import Server  # noqa: PLC0415  a given broker needs neither Java nor Maven

    with Server.start() as server:
        yield server.bootstrap
