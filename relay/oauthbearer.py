"""
Tokens that say who we are to Kafka (SASL OAUTHBEARER, RFC 7628): each connection asks for one. Edge.

Somebody else makes them and keeps them fresh; here they are read, bounded in size and time, and never told. What goes
wrong is a KafkaError, for to a client it is a connection that could not be made: it tries again.
"""

import asyncio
import os
import re
import shlex
import signal
from contextlib import suppress

from aiokafka.abc import AbstractTokenProvider
from aiokafka.errors import KafkaError

from relay.security import TOKEN_COMMAND, TOKEN_FILE

TOKEN_BYTES = 64 * 1024  # a token that lists a user's groups has some 10 KiB
TOKEN_S = 10.0  # for a command to print one: a round trip to an identity service, tried again once
KEEP_S = (
    10.0  # that a command's token is used again: at a start, and behind an outage, ten connections want one at once
)
_READ_BYTES = TOKEN_BYTES + 2  # with a line's end; what is longer is too long
_TOKEN = re.compile(rb"[A-Za-z0-9._~+/-]+=*")  # RFC 6750, section 2.1: nothing that could end the field it is sent in


class NoToken(KafkaError):  # type: ignore[misc]
    """There is none just now."""


def token_of(raw: bytes, variable: str) -> str:
    """
    The token that was read, without the end of its line.

    Raises:
        NoToken: It is none.
    """
    raw = raw.removesuffix(b"\n").removesuffix(b"\r")
    if len(raw) > TOKEN_BYTES:
        raise NoToken(f"{variable} gives more than {TOKEN_BYTES} bytes: that is no token")
    if not _TOKEN.fullmatch(raw):
        raise NoToken(f"{variable} gives no token: one word of letters, digits and . _ ~ + / - (RFC 6750)")
    return raw.decode()


class TokenFile(AbstractTokenProvider):  # type: ignore[misc]
    """A file that somebody else keeps fresh, as a projected service account token is; read for each connection."""

    def __init__(self, path: str) -> None:
        self._path = path

    async def token(self) -> str:
        """
        What the file holds now.

        Raises:
            NoToken: It cannot be read, or is none.
        """
        try:
            with open(self._path, "rb", opener=_at_once) as file:  # noqa: ASYNC230  a pipe keeps nobody waiting
                raw = file.read(_READ_BYTES)
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or "no file has such a name"
            raise NoToken(f"{TOKEN_FILE} names a file that cannot be read: {why}") from None
        return token_of(raw or b"", TOKEN_FILE)


def _at_once(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)


class TokenCommand(AbstractTokenProvider):  # type: ignore[misc]
    """A program that prints a token, run again when that is KEEP_S old. It sees none of relay's own variables."""

    def __init__(self, command: str, *, timeout_s: float = TOKEN_S) -> None:
        self._words = shlex.split(command)
        self._timeout_s = timeout_s
        self._last = ""
        self._good_until_s = 0.0
        self._loop: asyncio.AbstractEventLoop | None = None  # a command may run several, one after another
        self._one_at_a_time = asyncio.Lock()

    async def token(self) -> str:
        """
        What the program prints.

        Raises:
            NoToken: It cannot be started, fails, takes too long, or prints something else.
        """
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            self._loop, self._one_at_a_time = loop, asyncio.Lock()
        async with self._one_at_a_time:
            if loop.time() >= self._good_until_s:
                self._last = token_of(await self._printed(), TOKEN_COMMAND)
                self._good_until_s = loop.time() + KEEP_S
            return self._last

    async def _printed(self) -> bytes:
        process = await self._begun()
        assert process.stdout is not None
        ended = False
        try:
            async with asyncio.timeout(self._timeout_s):
                printed = await _at_most(process.stdout, _READ_BYTES)
                if len(printed) < _READ_BYTES:
                    await process.wait()
                    ended = True
        except TimeoutError:
            raise NoToken(f"{TOKEN_COMMAND} did not end within {self._timeout_s:g} s") from None
        finally:
            if not ended:
                await _end(process)
        if ended and process.returncode:
            raise NoToken(f"{TOKEN_COMMAND} ended with status {process.returncode}: run it by hand to see why")
        return printed

    async def _begun(self) -> asyncio.subprocess.Process:
        """Started. Who cancels this while it begins would end the program itself alone: what it starts is ended too."""
        environ = {name: value for name, value in os.environ.items() if not name.startswith("RELAY_")}
        nowhere = asyncio.subprocess.DEVNULL  # also for stderr: what it says there may be anything
        beginning = asyncio.gather(
            asyncio.create_subprocess_exec(
                *self._words, stdin=nowhere, stdout=asyncio.subprocess.PIPE, stderr=nowhere, env=environ,
                start_new_session=True,
            )
        )  # fmt: skip
        try:
            (process,) = await asyncio.shield(beginning)
        except asyncio.CancelledError:
            with suppress(OSError, ValueError):
                (process,) = await beginning
                await _end(process)
            raise
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or "no program has such a name"
            raise NoToken(f"{TOKEN_COMMAND} cannot be started: {why}") from None
        return process


async def _end(process: asyncio.subprocess.Process) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)  # and what it has started
    await process.wait()
    process._transport.close()  # type: ignore[attr-defined]  # noqa: SLF001  it keeps a pipe that is not read


async def _at_most(stream: asyncio.StreamReader, count: int) -> bytes:
    read = b""
    while len(read) < count and (more := await stream.read(count - len(read))):
        read += more
    return read
