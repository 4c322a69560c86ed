"""A webhook receiver in the test's own loop that does as the path says and remembers every request."""

import asyncio
import json
from collections import Counter
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class Call:
    """One request as it arrived."""

    path: str
    headers: dict[str, str]
    body: bytes
    at: float  # the loop's time

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def attempt(self) -> int:
        return int(self.headers["relay-attempt"])

    @property
    def event(self) -> dict[str, Any]:
        event: dict[str, Any] = json.loads(self.body)
        return event


@dataclass
class Journal:
    """
    `/ok/…` 200 · `/status/<code>/…` · `/flaky/<k>/…` 500 for the first k attempts of a delivery · `/slow/<ms>/…` 200
    after so long · `/hang/…` never · `/held/…` 200 once `release` is set.
    """

    calls: list[Call] = field(default_factory=list)
    release: asyncio.Event = field(default_factory=asyncio.Event)
    open: Counter[tuple[str, str]] = field(default_factory=Counter)  # (path, lead) under way
    overlaps: int = 0
    most_open: int = 0  # requests under way at once
    _seen: Counter[tuple[str, str]] = field(default_factory=Counter)
    _server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=1024, limit=4 << 20)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        self.release.set()

    def url(self, path: str) -> str:
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/{path}"

    def of(self, path: str) -> list[Call]:
        return [call for call in self.calls if call.path == f"/{path}"]

    def ids(self, path: str) -> set[str]:
        return {call.id for call in self.of(path)}

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
                headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in head[1:] if line)}
                body = await reader.readexactly(int(headers["content-length"]))
                call = Call(head[0].split(" ")[1], headers, body, asyncio.get_running_loop().time())
                status = await self._answer(call)
                writer.write(b"HTTP/1.1 %d X\r\nContent-Length: 2\r\n\r\nok" % status)
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _answer(self, call: Call) -> int:
        self.calls.append(call)
        key = (call.path, call.event["resource_id"])
        self.open[key] += 1
        self.overlaps += self.open[key] > 1
        self.most_open = max(self.most_open, self.open.total())
        try:
            kind, argument = call.path.split("/")[1:3]
            if kind == "slow":
                await asyncio.sleep(int(argument) / 1000)
            elif kind == "hang":
                await asyncio.sleep(3600)
            elif kind == "held":
                await self.release.wait()
            elif kind == "status":
                return int(argument)
            elif kind == "flaky":
                self._seen[call.path, call.id] += 1
                return 500 if self._seen[call.path, call.id] <= int(argument) else 200
            return 200
        finally:
            self.open[key] -= 1
