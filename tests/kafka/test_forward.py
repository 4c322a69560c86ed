"""Notices arrive at an operator's own webhook, from a real Kafka."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import pytest
import structlog
from aiohttp import web

from relay.config import Config
from relay.errors import ConfigProblem
from relay.notices.forward import Forward
from relay.pipeline.notice import Kind
from relay.verification import check
from tests.builders import a_word
from tests.contracts.test_notices import made, write
from tests.kafka.driver import until

pytestmark = pytest.mark.kafka

SECRET = "a-secret-of-this-test"


def told(kind: Kind, ident: str) -> dict[str, Any]:
    """Just now: what is older than a day is not waited for."""
    now_ms = int(time.time() * 1000)  # noqa: TID251  as a worker tells it
    return dict(a_word(kind, subscription_id=ident, at_ms=now_ms).told)


@dataclass
class Operator:
    """A webhook of an operator's own: it answers what is left of `statuses`, and then 204."""

    statuses: list[int] = field(default_factory=list)
    taken: list[dict[str, Any]] = field(default_factory=list)
    ids: list[tuple[str, str]] = field(default_factory=list)  # of every request: id and attempt
    untrusted: list[str | None] = field(default_factory=list)
    port: int = 0

    async def answer(self, request: web.BaseRequest) -> web.Response:
        body = await request.read()
        seen = check(request.headers, body, SECRET.encode(), time.time())  # noqa: TID251  what a receiver goes by
        if seen.schemes != ("standard-webhooks", "sha256"):
            self.untrusted.append(seen.why)
        self.ids.append((request.headers["webhook-id"], request.headers["relay-attempt"]))
        status = self.statuses.pop(0) if self.statuses else 204
        if status == 204:
            self.taken.append(orjson.loads(body))
        return web.Response(status=status)

    @property
    def subscriptions(self) -> list[str]:
        return [one["subscription_id"] for one in self.taken]


@asynccontextmanager
async def an_operator(*statuses: int) -> AsyncIterator[Operator]:
    operator = Operator(list(statuses))
    server = await asyncio.get_running_loop().create_server(web.Server(operator.answer), "127.0.0.1", 0)
    operator.port = server.sockets[0].getsockname()[1]
    try:
        yield operator
    finally:
        server.close()


def a_config(bootstrap: str, prefix: str, folder: Path, port: int, **settings: str) -> Config:
    (folder / "secret").write_text(SECRET + "\n")
    environ = {
        "RELAY_KAFKA_BOOTSTRAP_SERVERS": bootstrap,
        "RELAY_TOPIC_PREFIX": prefix,
        "RELAY_NOTICES_URL": f"http://127.0.0.1:{port}/t0ken",
        "RELAY_NOTICES_SECRET_FILE": str(folder / "secret"),
        "RELAY_ALLOW_HTTP": "true",
        "RELAY_ALLOW_NETWORKS": "127.0.0.0/8",
    }
    return Config.read(environ | settings)


@asynccontextmanager
async def forwarding(config: Config) -> AsyncIterator[None]:
    """As a console does it, from when it has joined its group."""
    stop = asyncio.Event()
    with structlog.testing.capture_logs() as lines:
        async with asyncio.TaskGroup() as group:
            group.create_task(Forward(config).run(stop))
            await until(lambda: any(line["event"] == "notices.forwarding" for line in lines))
            yield
            stop.set()
    assert "t0ken" not in repr(lines)


async def test_each_is_sent_from_when_it_was_set_up_and_after_a_restart_goes_on_where_it_was(
    kafka: str, prefix: str, tmp_path: Path
) -> None:
    """Signed; what was told before is not sent, what was told while nobody ran is; and nothing twice."""
    async with an_operator(500) as operator:
        config = a_config(kafka, prefix, tmp_path, operator.port)
        await made(config)
        await write(config, told(Kind.FAILING, "before"))
        async with forwarding(config):
            await write(config, told(Kind.DISABLED, "first"), b"no notice", told(Kind.RE_ENABLED, "second"))
            await until(lambda: len(operator.taken) == 2)
        third = told(Kind.RECOVERED, "third")
        await write(config, third)
        async with forwarding(config):
            await until(lambda: len(operator.taken) == 3)

        types = {one["subscription_id"]: one["type"] for one in operator.taken}
        assert {"first": "notice.disabled", "second": "notice.re-enabled", "third": "notice.recovered"} == types
        assert third == {k: v for k, v in operator.taken[2].items() if k != "type"}
        assert [] == operator.untrusted
        refused, again = operator.ids[:2]
        assert (refused[0], "1", "2") == (again[0], refused[1], again[1])
        assert 3 == len({ident for ident, _ in operator.ids})


async def test_what_was_under_way_when_it_ended_is_sent_again(kafka: str, prefix: str, tmp_path: Path) -> None:
    """At least once: only what was taken is committed. It has its id."""
    async with an_operator(*[503] * 99) as operator:
        config = a_config(kafka, prefix, tmp_path, operator.port)
        await made(config)
        async with forwarding(config):
            await write(config, told(Kind.DISABLED, "first"))
            await until(lambda: operator.ids)
        operator.statuses.clear()
        async with forwarding(config):
            await until(lambda: operator.taken)

        assert ["first"] == operator.subscriptions
        assert 1 == len({ident for ident, _ in operator.ids})


@pytest.mark.parametrize(("allowed", "is_console"), [("10.0.0.0/8", False), ("127.0.0.0/8", True)])
async def test_where_it_may_not_go_it_does_not(
    kafka: str, prefix: str, tmp_path: Path, *, allowed: str, is_console: bool
) -> None:
    """
    The guard of deliveries is its guard too: the address is not allowed, or is the console's own at a port that the
    system chose; and the log says so.
    """
    async with an_operator() as operator:
        config = a_config(kafka, prefix, tmp_path, operator.port, RELAY_ALLOW_NETWORKS=allowed)
        await made(config)
        with structlog.testing.capture_logs() as lines:
            stop = asyncio.Event()
            async with asyncio.TaskGroup() as group:
                group.create_task(Forward(config).run(stop, port=operator.port if is_console else None))
                await until(lambda: any(line["event"] == "notices.forwarding" for line in lines))
                await write(config, told(Kind.DISABLED, "first"))
                await until(lambda: any(line["event"] == "notice.delayed" for line in lines))
                stop.set()

        (delayed,) = [line for line in lines if line["event"] == "notice.delayed"]
        assert ("blocked_address", None) == (delayed["reason"], delayed["status"])
        assert [] == operator.ids


async def test_where_there_is_nowhere_to_send_to_it_is_over_at_once() -> None:
    await Forward(Config()).run(asyncio.Event())


@pytest.mark.parametrize(
    ("secret", "why"),
    [
        (None, "cannot be read"),
        (b"", "1 to 256 bytes"),
        (b"\xff", "UTF-8"),
        (b"whsec_!", "base64"),
        (b"x" * 300, "1 to"),
    ],
)
def test_a_secret_that_cannot_sign_is_refused_before_anything_is_done(
    tmp_path: Path, secret: bytes | None, why: str
) -> None:
    """With the setting's name, and no word of it."""
    config = a_config("127.0.0.1:9", "relay", tmp_path, 8080)
    if secret is None:
        (tmp_path / "secret").unlink()
    else:
        (tmp_path / "secret").write_bytes(secret)

    with pytest.raises(ConfigProblem, match=why) as refused:
        Forward(config)
    assert "RELAY_NOTICES_SECRET_FILE" in str(refused.value)
    assert str(tmp_path) not in str(refused.value)
