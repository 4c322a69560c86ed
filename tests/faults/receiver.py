"""
The receiver of the fault suite: remembers every request from its first byte to its end; can refuse, and can hang.

The first part of a path is the subscription, and how it behaves: `flaky` refuses one attempt in four, `slow` takes up
to 2.5 s, `deaf` never answers one first attempt in fifty. The same delivery always fares the same.
"""

import asyncio
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

import orjson

from relay.clock import SystemClock
from tests.faults.history import Request

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
SORRY = b"HTTP/1.1 500 Sorry\r\nContent-Length: 2\r\n\r\nno"
SLOWEST_S = 2.5
END = b"\r\n\r\n"


def now_s() -> float:
    """Of the clock that brokers and workers stamp with."""
    return SystemClock().now_ms() / 1000


@dataclass(slots=True)
class Entry:
    """One request, while it lasts and after."""

    subscription: str
    id: str
    attempt: int
    lead: str
    began: float
    ended: float | None = None
    status: int | None = None


@dataclass
class Receiver:
    """One address for all subscriptions; what it does to whom is told by the path."""

    hanging: bool = False  # accepts, and answers nobody
    silent: set[str] = field(default_factory=set)  # subscriptions that get no answer for now
    entries: list[Entry] = field(default_factory=list)
    port: int = 0
    _server: asyncio.Server | None = None
    _open: set["Connection"] = field(default_factory=set)

    async def __aenter__(self) -> Self:
        await self.up()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.down()
        assert self._server is not None
        await self._server.wait_closed()  # uvloop does not close over a connection that is half gone

    async def up(self) -> None:
        """It listens, at the address that it always had."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: Connection(self), "127.0.0.1", self.port, backlog=1024)
        self.port = self._server.sockets[0].getsockname()[1]

    def down(self) -> None:
        """It refuses, and what was open is closed."""
        assert self._server is not None
        self._server.close()
        for connection in tuple(self._open):
            connection.abort()

    def answer_all(self, status: int) -> int:
        """Everything that is open is answered like this; how many that were."""
        asked = [connection for connection in tuple(self._open) if connection.asked]
        for connection in asked:
            connection.answer(status)
        return len(asked)

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}/{path}"

    def of(self, subscription: str) -> list[Entry]:
        return [entry for entry in self.entries if entry.subscription == subscription]

    def requests(self) -> Iterator[Request]:
        """As the oracle reads them; what is still open ends now."""
        for one in self.entries:
            ended = now_s() if one.ended is None else one.ended
            yield Request(one.subscription, one.id, one.attempt, one.lead, one.began, ended, one.status)

    def fate(self, entry: Entry) -> tuple[float, int] | None:
        """Seconds until the answer, and its status; None: there will be none."""
        luck = zlib.crc32(f"{entry.id}/{entry.attempt}".encode())
        if self.hanging or entry.subscription in self.silent:
            return None
        if entry.subscription.startswith("deaf") and entry.attempt == 1 and luck % 50 == 0:
            return None
        if entry.subscription.startswith("flaky") and luck % 4 == 0:
            return 0, 500
        if entry.subscription.startswith("slow"):
            return luck / 2**32 * SLOWEST_S, 200
        return 0, 200


class Connection(asyncio.Protocol):
    """HTTP/1.1 as far as relay speaks it: one request after the other, each with its length."""

    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver
        self._buffer = bytearray()
        self._entry: Entry | None = None
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport) or hasattr(transport, "write")
        self._transport = transport  # type: ignore[assignment]  # uvloop's is none of asyncio's classes
        self._receiver._open.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._receiver._open.discard(self)
        self._transport = None
        if self._entry is not None:
            self._entry.ended = now_s()

    @property
    def asked(self) -> bool:
        """Whether somebody waits for an answer here."""
        return self._entry is not None

    def answer(self, status: int) -> None:
        """To who waits."""
        assert self._entry is not None
        self._answer(self._entry, status)

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head = self._buffer.find(END)
        if head < 0:
            return
        first, *lines = self._buffer[:head].decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        end = head + len(END) + int(headers["content-length"])
        if len(self._buffer) < end:
            return
        lead = orjson.loads(self._buffer[head + len(END) : end])["resource_id"]
        del self._buffer[:end]
        subscription = first.split(" ")[1].lstrip("/")
        entry = Entry(subscription, headers["webhook-id"], int(headers["relay-attempt"]), lead, now_s())
        self._receiver.entries.append(entry)
        self._entry = entry
        fate = self._receiver.fate(entry)
        if fate is not None:
            after_s, status = fate
            if after_s:
                asyncio.get_running_loop().call_later(after_s, self._answer, entry, status)
            else:
                self._answer(entry, status)

    def _answer(self, entry: Entry, status: int) -> None:
        if self._transport is not None and not self._receiver.hanging:
            self._transport.write(OK if status == 200 else SORRY)
            entry.ended, entry.status = now_s(), status
            self._entry = None
