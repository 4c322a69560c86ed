"""
A receiver that is never the bottleneck: a fixed 200 for every POST, in a process of its own. Prints its port.

What is posted below /hang is taken and never answered, below /late answered after 2 s; neither counts as received.

    python -m tests.bench.sink

Only what relay and aiohttp send is understood: a head in lower or title case, a Content-Length, a body. Control, each
answered with JSON once it holds:

    GET /wait/<n>    n different events have been received
    GET /times       event -> when it was first received, in ns of CLOCK_MONOTONIC (one clock for all processes here)
    GET /reset       forgotten
"""

import asyncio
import sys
import time
from typing import cast

import orjson
import uvloop

OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok"
LEAD = b'"resource_id":"'  # what tells one event of the backlog from another; searched for, since parsing costs more
LEAD_BYTES = 36  # a UUID
LATE_S = 2.0  # slow, and well within RELAY_TIMEOUT_S
BACKLOG = 1024  # connections that wait to be accepted: a worker opens RELAY_IN_FLIGHT of them at once


class Journal:
    """What was received, and who waits for how much of it."""

    def __init__(self) -> None:
        self.requests = 0
        self.times: dict[bytes, int] = {}
        self.waiting: list[tuple[int, asyncio.Transport]] = []

    def received(self, body: bytes) -> None:
        now = time.monotonic_ns()
        start = body.rfind(LEAD) + len(LEAD)
        self.requests += 1
        self.times.setdefault(body[start : start + LEAD_BYTES], now)
        if self.waiting:
            self.tell()

    def tell(self) -> None:
        for one in [one for one in self.waiting if len(self.times) >= one[0]]:
            self.waiting.remove(one)
            one[1].write(answer({"events": len(self.times), "requests": self.requests}))

    def control(self, target: str, transport: asyncio.Transport) -> None:
        match target.split("/")[1:]:
            case ["wait", count]:
                self.waiting.append((int(count), transport))
                self.tell()
            case ["times"]:
                transport.write(answer({lead.decode(): at for lead, at in self.times.items()}))
            case ["reset"]:
                self.requests = 0
                self.times.clear()
                transport.write(answer({}))


def answer(value: object) -> bytes:
    body = orjson.dumps(value)
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


class Connection(asyncio.Protocol):
    """One after another, keep-alive; a request that comes in pieces is put together."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._data = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one without being called so

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  asyncio's signature
        self._journal.waiting = [one for one in self._journal.waiting if one[1] is not self._transport]

    def data_received(self, data: bytes) -> None:
        self._data += data
        while self._one():
            pass

    def _one(self) -> bool:
        """Whether a whole request was there."""
        end = self._data.find(b"\r\n\r\n")
        if end < 0:
            return False
        assert self._transport is not None
        if self._data.startswith(b"GET "):
            target, self._data = self._data[4:end].split(b" ")[0], self._data[end + 4 :]
            self._journal.control(target.decode(), self._transport)
            return True
        length = self._data[:end].lower().partition(b"\r\ncontent-length:")[2].partition(b"\r\n")[0]
        until = end + 4 + int(length)
        if len(self._data) < until:
            return False
        head, body, self._data = self._data[:end], self._data[end + 4 : until], self._data[until:]
        self._posted(head, body)
        return True

    def _posted(self, head: bytes, body: bytes) -> None:
        if head.startswith(b"POST /hang"):
            return
        if head.startswith(b"POST /late"):
            asyncio.get_running_loop().call_later(LATE_S, self._answer)
            return
        self._journal.received(body)
        self._answer()

    def _answer(self) -> None:
        """Answered, unless whoever asked has gone."""
        assert self._transport is not None
        if not self._transport.is_closing():
            self._transport.write(OK)


async def serve() -> None:
    journal = Journal()
    server = await asyncio.get_running_loop().create_server(
        lambda: Connection(journal), "127.0.0.1", 0, backlog=BACKLOG
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    # Its parent holds the other end of stdin: when that closes, the parent is gone or done.
    await asyncio.to_thread(sys.stdin.buffer.read)


if __name__ == "__main__":
    uvloop.run(serve())
