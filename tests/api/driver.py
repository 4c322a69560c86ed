"""Drives `relay console` the way its callers do: a real process, HTTP, tokens."""

import asyncio
import io
import os
import re
import signal
import subprocess
import sys
from base64 import b64encode
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

import orjson
import yaml
from aiohttp import ClientSession, ClientTimeout
from aiokafka import AIOKafkaProducer

from relay.broker import Broker
from relay.config import Config
from tests.kafka.driver import ROOT, until

TOKEN = re.compile(r"rly_[A-Za-z0-9_-]{43}")
LISTENING = re.compile(r"http://(127\.0\.0\.1:\d+)/")
KEYS = "k1:" + b64encode(bytes(range(32))).decode()


Place = tuple[int, int]  # partition and offset


DESCRIBED = yaml.safe_load((ROOT / "schemas/openapi.yaml").read_text())
OPERATIONS = {
    operation["operationId"]: (method.upper(), path, operation)
    for path, methods in DESCRIBED["paths"].items()
    for method, operation in methods.items()
    if method != "parameters"
}


class Answer(NamedTuple):
    """What a call came to."""

    status: int
    headers: dict[str, str]  # names in lower case
    body: bytes

    @property
    def json(self) -> Any:  # noqa: ANN401  whatever it is
        return orjson.loads(self.body)


class Console:
    """One process, and whoever calls it with which token."""

    def __init__(self, folder: Path, bootstrap: str, prefix: str, **settings: str) -> None:
        self.folder = folder
        self.env = {name: value for name, value in os.environ.items() if not name.startswith("RELAY_")} | {
            "RELAY_KAFKA_BOOTSTRAP_SERVERS": bootstrap,
            "RELAY_TOPIC_PREFIX": prefix,
            "RELAY_EVENTS_TOPICS": f"{prefix}.events",
            "RELAY_SECRET_KEYS": KEYS,
            "RELAY_CONSOLE_ADDRESS": "127.0.0.1:0",
            "RELAY_METRICS_ADDRESS": "127.0.0.1:1",
            "RELAY_DATABASE_URL": f"sqlite+aiosqlite:///{folder / 'history.db'}",
            "RELAY_HISTORY_RETENTION": "3650d",  # the results of tests are years old
            "RELAY_ALLOW_HTTP": "true",
            "RELAY_LOG_FORMAT": "json",
            **settings,
        }
        self.process: subprocess.Popen[bytes] | None = None
        self.address = ""
        self.token: str | None = None
        self.starts = 0

    async def make_topics(self) -> None:
        """Those that there is nothing on yet: the embedded broker makes topics when they are asked for."""
        config = Config.read(self.env)
        topics = ("results", "progress", "dead-letters", "deliveries.now", "events")
        async with Broker(config) as broker:
            await broker.touch([f"{config.topic_prefix}.{name}" for name in topics])

    def start(self) -> None:
        """It is on its way."""
        self.starts += 1
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "relay", "console"], cwd=ROOT, env=self.env, stdout=log, stderr=log
            )

    async def ready(self) -> None:
        """It answers whoever has a token."""
        await until(lambda: self._found(LISTENING))
        self.address = self._found(LISTENING) or ""
        if self.token is None:
            await until(lambda: self._found(TOKEN))
            self.token = self._found(TOKEN)

        async def answers() -> bool:
            return (await self.get("/api/v1/subscriptions")).status == 200

        await until(answers)

    def end(self, how: signal.Signals = signal.SIGTERM) -> int:
        """Its exit status."""
        assert self.process is not None
        self.process.send_signal(how)
        status = self.process.wait(60)
        self.process = None
        return status

    def log(self) -> str:
        return self._log.read_text()

    async def call(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        token: str | None = "",
        redirects: bool = True,
        **headers: str,
    ) -> Answer:
        """
        An answer.

        Args:
            method: GET, for one.
            path: With its query.
            body: As JSON, or bytes as they are.
            token: Whose; None: nobody's; "": the first admin's.
            redirects: Whether it goes where it is sent.
            headers: With `_` for `-`.
        """
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if token is not None and (token or self.token):
            named.setdefault("Authorization", f"Bearer {token or self.token}")
        raw = body if isinstance(body, bytes) or body is None else orjson.dumps(body)
        if raw is not None:
            named.setdefault("Content-Type", "application/json")
        async with (
            ClientSession(timeout=ClientTimeout(total=30)) as session,
            session.request(
                method,
                f"http://{self.address}{path}",
                data=None if raw is None else io.BytesIO(raw),
                headers=named,
                allow_redirects=redirects,
            ) as response,
        ):
            answered = {name.lower(): value for name, value in response.headers.items()}
            return Answer(response.status, answered, await response.read())

    async def get(self, path: str, **more: Any) -> Answer:  # noqa: ANN401  of `call`
        return await self.call("GET", path, **more)

    async def post(self, path: str, body: object = None, **more: Any) -> Answer:  # noqa: ANN401
        return await self.call("POST", path, body, **more)

    async def make_token(self, scope: str, account: str | None = None) -> str:
        body = {"name": f"{scope} of {account}", "scope": scope, "account_id": account}
        made = await self.post("/api/v1/tokens", body)
        assert made.status == 201, made.body
        token: str = made.json["secret"]
        return token

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    @property
    def _log(self) -> Path:
        return self.folder / f"console-{self.starts}.log"

    def _found(self, pattern: re.Pattern[str]) -> str | None:
        assert self.process is not None
        assert self.process.poll() is None, self.log()
        match = pattern.search(self.log())
        return match and (match[1] if match.groups() else match[0])


def hook(**fields: Any) -> dict[str, Any]:  # noqa: ANN401  of a form
    """What is written of a webhook, with only the field that matters."""
    return {
        "account_id": "acct-1",
        "name": "Hook",
        "url": "http://receiver.example/hook",
        "events": ["lead.updated"],
    } | fields


def run(work: Any) -> Any:  # noqa: ANN401  a coroutine's
    """For fixtures of a module: they are no coroutines."""
    return asyncio.run(work)


async def produced(console: Console, topic: str, *pairs: tuple[bytes, bytes | None], **headers: str) -> list[Place]:
    """Records of one of the prefix's topics, written; where they stand."""
    producer = AIOKafkaProducer(bootstrap_servers=console.env["RELAY_KAFKA_BOOTSTRAP_SERVERS"])
    name = f"{console.env['RELAY_TOPIC_PREFIX']}.{topic}"
    named = [(one.replace("_", "-"), value.encode()) for one, value in headers.items()]
    async with producer:
        sent = [await producer.send_and_wait(name, key=key, value=value, headers=named) for key, value in pairs]
    return [(one.partition, one.offset) for one in sent]


async def told(console: Console, *results: dict[str, Any]) -> None:
    """These results are in the history."""
    await produced(console, "results", *((one["lead_id"].encode(), orjson.dumps(one)) for one in results))

    async def there() -> bool:
        got = [await console.get(f"/api/v1/deliveries/{one['delivery_id']}") for one in results]
        seen = [one for one in got if one.status == 200]
        known = {attempt["attempt_id"] for one in seen for attempt in one.json["attempts"]}
        return known >= {one["attempt_id"] for one in results}

    await until(there)
