"""All of relay as its users run it: a broker, a worker, a console, each a process of its own; receivers beside them."""

import json
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Self

from aiohttp import ClientSession, web

from relay.verification import verify
from tests.kafka.driver import ROOT, Relay, until

TOKEN = re.compile(r"rly_[A-Za-z0-9_-]{43}")
STARTS_S = 30.0  # a console on a machine with much to do


class Console(Relay):
    """The `relay` command, and a console that it starts."""

    url = ""
    token = ""  # the first, an admin's

    def __init__(self, bootstrap: str, prefix: str, folder: Path, **settings: str) -> None:
        where = {
            "RELAY_CONSOLE_ADDRESS": "127.0.0.1:0",
            "RELAY_DATABASE_URL": f"sqlite+aiosqlite:///{folder / 'history.db'}",
        }
        super().__init__(bootstrap, prefix, folder, **{**where, **settings})

    async def console(self) -> subprocess.Popen[bytes]:
        """It listens; `url` says where."""
        path, process = self._started()

        def address() -> str:
            assert process.poll() is None, path.read_text()
            lines = [json.loads(line) for line in path.read_bytes().splitlines() if line.startswith(b"{")]
            return next((line["address"] for line in lines if line["event"] == "console.listening"), "")

        await until(address, STARTS_S)
        self.url = f"http://{address()}"
        self.token = self.token or await self._first(path)
        return process

    def api(self) -> ClientSession:
        """The API, asked by an admin."""
        return ClientSession(self.url, headers={"Authorization": f"Bearer {self.token}"})

    async def _first(self, path: Path) -> str:
        def first() -> str:
            found = TOKEN.search(path.read_text())
            return found[0] if found else ""

        await until(first, STARTS_S)
        return first()

    def _started(self) -> tuple[Path, subprocess.Popen[bytes]]:
        path = self.folder / f"console-{len(self.processes)}.log"
        command = [sys.executable, "-m", "relay", "console"]
        with path.open("wb") as log:
            process = subprocess.Popen(command, cwd=ROOT, env=self.env, stdout=log, stderr=log)
        self.processes.append(process)
        return path, process


class Answering:
    """A receiver that verifies, and whose answer can be changed while it runs."""

    def __init__(self, secret: bytes) -> None:
        self.status = 200
        self.body = '{"taken": true}'
        self.taken: list[tuple[str, bytes]] = []  # webhook-id and body of what it answered 2xx
        self.refused: list[str] = []  # why a signature does not hold
        self.asked = 0
        self.url = ""
        self.secret = secret
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_post("/api/webhooks", self._take)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{site.port}/api/webhooks"
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._runner is not None
        await self._runner.cleanup()

    async def _take(self, request: web.Request) -> web.Response:
        body = await request.read()
        self.asked += 1
        why = verify(request.headers, body, self.secret, time.time())  # noqa: TID251  a receiver's own clock
        if why:
            self.refused.append(why)
            return web.Response(status=403, text=why)
        if self.status < 300:
            self.taken.append((request.headers["webhook-id"], body))
        return web.Response(status=self.status, text=self.body, content_type="application/json")
