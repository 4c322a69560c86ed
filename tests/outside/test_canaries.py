"""
What is secret is planted, and looked for in everything that anybody but its owner may see: every topic, the log, the
pages, the output of every command.

The stage is the real worker and the real commands. Where the URL may stand whole is said by name: with the subscription
itself (its topic, and the commands that show it).
"""

import asyncio
import json
import socket
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import aiohttp
import pytest

from relay.embedded import EmbeddedBroker
from relay.store.sealing import generated_secret
from tests.kafka.driver import KEY, Relay, an_event, until
from tests.kafka.journal import Journal
from tests.outside.stage import Done, command

SUPPLIED, NEXT, WRITTEN = b"canary-of-a-secret", b"canary-of-the-next-one", generated_secret()
HEADER = "Bearer canary-of-a-header"
PATH, QUERY, PASSWORD = "canary-of-a-path", "canary-of-a-query", "canary-of-a-password"
OTHER_RING = "k0:" + b64encode(b"canary-of-a-key-of-32-bytes-long").decode()
ALWAYS = [SUPPLIED.decode(), NEXT.decode(), WRITTEN.decode(), HEADER, PASSWORD, KEY, OTHER_RING.partition(":")[2]]
ADDRESSES = [PATH, QUERY]  # what of a URL is masked
TOPICS = ("results", "notices", "dead-letters", "progress", "subscriptions", "deliveries.1s")
ATTEMPTS = 2
STARTED_S = 90  # a worker joins its groups in 3 s on a quiet machine


def spellings(canary: str) -> list[str]:
    """As text, as base64 and in hexadecimal, in either case."""
    raw = canary.encode()
    return [canary, b64encode(raw).decode().rstrip("="), raw.hex(), raw.hex().upper()]


def found(text: str, canaries: list[str]) -> list[str]:
    return [canary for canary in canaries if any(one in text for one in spellings(canary))]


@dataclass
class Seen:
    """Everything that was said, by whom."""

    topics: dict[str, list[Any]] = field(default_factory=dict)  # without what any record of them is
    log: str = ""
    pages: dict[str, str] = field(default_factory=dict)
    commands: dict[str, Done] = field(default_factory=dict)
    signatures: set[str] = field(default_factory=set)  # whole, as receivers got them
    requests: str = ""


_taken = socket.socket()
_taken.bind(("127.0.0.1", 0))
NOBODY = f"http://127.0.0.1:{_taken.getsockname()[1]}"  # where nobody listens, nor will


class Echo:
    """A receiver that sends back what it was sent, which is no HTTP; behind `/moved` it redirects to the same path."""

    async def __aenter__(self) -> Self:
        self.server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.server.close()

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.server.sockets[0].getsockname()[1]}/{path}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        sent = await reader.read(64 * 1024)  # a request of ours is one write
        path = sent.split(b" ")[1] if sent.startswith(b"POST") else b""
        moved = b"HTTP/1.1 301 X\r\nLocation: http://127.0.0.1%b/\r\nContent-Length: 0\r\n\r\n" % path
        writer.write(moved if path.startswith(b"/moved") else sent or b"?")
        await writer.drain()
        writer.close()


def a_url(base: str) -> str:
    return f"{base}/{PATH}?key={QUERY}"


def create(name: str, url: str, *, headers: str = "headers.yaml", stdin: str = "-") -> tuple[str, ...]:
    where = ("--account", "acct-1", "--name", name, "--url", url, "--events", "*", "--header-file", headers)
    every = (
        "sha256,standard-webhooks,standard-webhooks-ed25519,artibot-url" if name == "next" else "artibot-sha1,sha256"
    )
    return ("subscriptions", "create", "--id", name, *where, "--signatures", every, "--secret-file", stdin)


def steps(journal: Journal, echo: Echo) -> list[tuple[str, tuple[str, ...], bytes]]:
    """What people do before the worker starts: a name each, the command, and its stdin."""
    return [
        ("create", create("one", a_url(journal.url("ok/one"))), SUPPLIED),
        ("create next", create("next", a_url(journal.url("ok/next"))), WRITTEN),
        ("create gone", create("gone", a_url(journal.url("status/410"))), SUPPLIED),
        ("create refused", create("refused", a_url(NOBODY)), SUPPLIED),
        ("create blocked", create("blocked", a_url("http://10.255.255.1")), SUPPLIED),
        ("create tls", create("tls", a_url(echo.url("tls").replace("http", "https"))), SUPPLIED),
        ("create echo", create("echo", a_url(echo.url("echo"))), SUPPLIED),
        ("create moved", create("moved", a_url(echo.url("moved"))), SUPPLIED),
        ("create with a password", create("bad", f"https://ann:{PASSWORD}@crm.example/"), SUPPLIED),
        ("create with a secret for a file", create("bad", a_url("https://crm.example"), stdin=SUPPLIED.decode()), b""),
        ("create with no YAML", create("bad", a_url("https://crm.example"), headers="broken.yaml"), SUPPLIED),
        ("create with no headers", create("bad", a_url("https://crm.example"), headers="list.yaml"), SUPPLIED),
        ("rotate", ("subscriptions", "rotate", "one", "--secret-file", "-"), NEXT),
        ("rotate to the public half", ("subscriptions", "rotate", "one", "--secret-file", "-"), b"whpk_" + SUPPLIED),
        ("update", ("subscriptions", "update", "one", "--name", "One"), b""),
        ("pause", ("subscriptions", "pause", "one", "-o", "json"), b""),
        ("resume", ("subscriptions", "resume", "one"), b""),
        ("apply dry", ("subscriptions", "apply", "-f", "apply.yaml", "--dry-run"), b""),
        ("apply", ("subscriptions", "apply", "-f", "apply.yaml", "-o", "json"), b""),
        ("apply broken", ("subscriptions", "apply", "-f", "broken-apply.yaml"), b""),
        ("get", ("subscriptions", "get", "next"), b""),
        ("get json", ("subscriptions", "get", "next", "-o", "json"), b""),
        ("list", ("subscriptions", "list"), b""),
        ("list json", ("subscriptions", "list", "-o", "json"), b""),
        ("check", ("check",), b""),
        ("check json", ("check", "-o", "json"), b""),
        ("rewrap", ("secrets", "rewrap", "-o", "json"), b""),
        ("sign", ("sign", "body", "--secret-file", "-", "--signatures", "sha256,standard-webhooks"), SUPPLIED),
        ("verify", ("verify", "body", "--secret-file", "-", "--header", "x-relay-signature-256: x"), SUPPLIED),
    ]  # fmt: skip


def files(folder: Path) -> None:
    (folder / "body").write_bytes(b"{}")
    (folder / "secret").write_bytes(NEXT)
    (folder / "headers.yaml").write_text(f"authorization: '{HEADER}'\n")
    (folder / "broken.yaml").write_text(f"authorization: '{HEADER}\nx: *{PASSWORD}\n")
    (folder / "list.yaml").write_text(f"- {HEADER}\n")
    applied = f"- {{id: one, name: Uno, secret_file: secret, header_file: headers.yaml, url: '{a_url(NOBODY)}'}}\n"
    (folder / "apply.yaml").write_text(applied.replace("one", "refused"))
    (folder / "broken-apply.yaml").write_text(
        "- {id: one, secret_file: " + SUPPLIED.decode() + ", header_file: broken.yaml}\n"
    )


async def play(folder: Path) -> Seen:
    """One event, to all of them, and what was seen of it."""
    seen = Seen()
    settings = {"RELAY_RETRY_DELAYS": "1s", "RELAY_HOLD_DELAYS": "1s", "RELAY_LOG_LEVEL": "debug"}
    with EmbeddedBroker() as broker:
        async with Journal() as journal, Echo() as echo:
            with Relay(broker.bootstrap, "canary", folder, **settings) as relay:
                other = relay.env | {"RELAY_SECRET_KEYS": OTHER_RING}
                made = create("lost", a_url(journal.url("ok/lost")))
                seen.commands["create lost"] = await asyncio.to_thread(command, other, *made, stdin=SUPPLIED)
                for name, arguments, stdin in steps(journal, echo):
                    seen.commands[name] = await asyncio.to_thread(command, relay.env, *arguments, stdin=stdin)
                worker = relay.worker()
                await relay.emit([an_event("lead-1")])
                await until(lambda: relay.result_count(subscription_id="refused", attempt=ATTEMPTS), STARTED_S)
                await until(lambda: relay.result_count(subscription_id="lost", reason="unreadable_secret"))
                await until(lambda: relay.result_count(subscription_id="echo", attempt=ATTEMPTS))
                (at,) = [line["address"] for line in relay.logs() if line["event"] == "metrics.listening"]
                async with aiohttp.ClientSession() as client:
                    for page in ("metrics", "lanes", "livez", "readyz"):
                        async with client.get(f"http://{at}/{page}") as reply:
                            seen.pages[page] = await reply.text()
                lanes = ("lanes", "--at", at, "-o", "json")
                seen.commands["lanes"] = await asyncio.to_thread(command, relay.env, *lanes)
                assert await relay.end(worker) == 0
                for topic in TOPICS:
                    seen.topics[topic] = await relay.read(f"canary.{topic}")
                seen.log = relay.raw_logs()
                seen.requests = repr(journal.calls)
                names = ("x-artibot-signature", "x-relay-signature-256", "webhook-signature")
                seen.signatures = {
                    entry for call in journal.calls for name in names for entry in call.headers.get(name, "").split()
                }
    return seen


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seen]:
    """All of it, once."""
    folder = tmp_path_factory.mktemp("canaries")
    files(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        yield asyncio.run(play(folder))


def text_of(records: list[Any]) -> str:
    return "\n".join(f"{record.key!r} {record.headers!r} {(record.value or b'').decode()}" for record in records)


def test_the_canaries_were_there(seen: Seen) -> None:
    """Else nothing of what follows would show anything: the receivers got them, and every way to fail was gone."""
    reasons = {(row["subscription_id"], row["reason"]) for row in map(value, seen.topics["results"])}

    assert found(seen.requests, [HEADER, *ADDRESSES]) == [HEADER, *ADDRESSES]
    assert {
        ("one", "ok"), ("next", "ok"), ("gone", "status"), ("refused", "connect"), ("blocked", "blocked_address"),
        ("tls", "tls"), ("echo", "protocol"), ("moved", "status"), ("lost", "unreadable_secret"),
    } <= reasons  # fmt: skip
    assert seen.topics["dead-letters"]
    assert len(seen.signatures) >= 5
    failed = {name for name, done in seen.commands.items() if done.status}
    assert {name for name in seen.commands if " with " in name or "broken" in name or " to " in name} | {
        "check", "check json", "rewrap", "verify"} == failed  # fmt: skip


def value(record: Any) -> dict[str, Any]:  # noqa: ANN401  a ConsumerRecord
    read: dict[str, Any] = json.loads(record.value)
    return read


@pytest.mark.parametrize("topic", TOPICS)
def test_no_topic_holds_one(seen: Seen, topic: str) -> None:
    """But the subscription's own, which has its URL; secrets and values of headers are sealed there."""
    text = text_of(seen.topics[topic])

    assert [] == found(text, ALWAYS if topic == "subscriptions" else ALWAYS + ADDRESSES)
    assert [] == [one for one in seen.signatures if one in text]


def test_the_log_holds_none(seen: Seen) -> None:
    """At its most talkative, whatever the receivers sent back."""
    assert '"level":"debug"' in seen.log
    assert [] == found(seen.log, ALWAYS + ADDRESSES)
    assert [] == [one for one in seen.signatures if one in seen.log]


def test_no_page_holds_one(seen: Seen) -> None:
    """Neither figures nor lanes; an operator's colleagues look at these."""
    assert "refused" in seen.pages["lanes"]
    assert [] == [(name, one) for name, text in seen.pages.items() for one in found(text, ALWAYS + ADDRESSES)]


SHOW_THE_URL = ("create", "rotate", "update", "pause", "resume", "get", "list", "apply")


def test_no_command_prints_one(seen: Seen) -> None:
    """As a table or as JSON, done or refused; those that show a subscription show its URL, and no other does."""
    for name, done in seen.commands.items():
        shows_url = done.status == 0 and name.startswith(SHOW_THE_URL)

        assert [] == found(done.out + done.err, ALWAYS if shows_url else ALWAYS + ADDRESSES), name
