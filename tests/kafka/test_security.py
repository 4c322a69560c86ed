"""
Kafka that asks who we are: the worker through two of its doors, with exactly what deploy/acls.sh grants, and what
people are told where they are not let in.
"""

import os
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import pytest
from aiohttp import ClientSession

from relay.broker import Broker
from relay.config import Config
from relay.errors import NotAllowed, RelayError, Unreachable
from relay.topics import Topics
from tests.absent import without
from tests.kafka.driver import Relay, an_event, until
from tests.kafka.journal import Journal
from tests.kafka.secured import PASSWORD, Secured, unsecured_token
from tests.kafka.server import NoKafka

pytestmark = pytest.mark.kafka

WORKERS = ("over-scram", "over-mutual-tls")


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    """One broker for all of these tests."""
    if os.environ.get("RELAY_TEST_KAFKA"):
        pytest.skip("RELAY_TEST_KAFKA names one whose users are not ours")
    try:
        one = Secured(tmp_path_factory.mktemp("secured"))
    except NoKafka as reason:
        without("real Kafka", reason)
    with one:
        yield one


def by_password(
    secured: Secured, user: str, mechanism: str = "SCRAM-SHA-512", password: str = PASSWORD
) -> dict[str, str]:
    """Settings of a client that comes through the door of SASL_SSL."""
    file = secured.folder / f"password-of-{user}-{len(password)}"
    file.write_text(password + "\n")
    return {
        "RELAY_KAFKA_BOOTSTRAP_SERVERS": secured.sasl,
        "RELAY_KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
        "RELAY_KAFKA_SASL_MECHANISM": mechanism,
        "RELAY_KAFKA_SASL_USERNAME": user,
        "RELAY_KAFKA_SASL_PASSWORD_FILE": str(file),
        "RELAY_KAFKA_CA_FILE": str(secured.authority.file),
    }


def by_certificate(secured: Secured, file: Path) -> dict[str, str]:
    return {
        "RELAY_KAFKA_BOOTSTRAP_SERVERS": secured.mtls,
        "RELAY_KAFKA_SECURITY_PROTOCOL": "SSL",
        "RELAY_KAFKA_CA_FILE": str(secured.authority.file),
        "RELAY_KAFKA_CERT_FILE": str(file),
    }


def by_token(secured: Secured, **source: str) -> dict[str, str]:
    return {
        "RELAY_KAFKA_BOOTSTRAP_SERVERS": secured.sasl,
        "RELAY_KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
        "RELAY_KAFKA_SASL_MECHANISM": "OAUTHBEARER",
        "RELAY_KAFKA_CA_FILE": str(secured.authority.file),
        **{f"RELAY_KAFKA_SASL_TOKEN_{name.upper()}": value for name, value in source.items()},
    }


def a_token(user: str) -> str:
    return unsecured_token(user, expires_s=time.time() + 600)  # noqa: TID251  brokers go by the wall clock


async def test_a_worker_with_exactly_its_acls_delivers_through_either_door(
    secured: Secured, prefix: str, tmp_path: Path
) -> None:
    """
    One comes by SCRAM over TLS, the other by a certificate; between them first attempts, retries through the delivery
    topics, a dead letter. The commands are the operator's. Nobody is denied anything.
    """
    operator = by_password(secured, "operator", "SCRAM-SHA-256")
    doors = by_password(secured, "worker"), by_certificate(secured, secured.authority.certify("worker"))
    async with Journal() as journal:
        with Relay(secured.open, prefix, tmp_path, **operator) as relay:
            for role, user in (("worker", "worker"), ("operator", "operator"), ("trial", "operator")):
                secured.grant(role, user, relay.env)
            await relay.prepare()
            workers = [
                relay.worker(**dict.fromkeys(operator, "") | door, RELAY_INSTANCE_ID=name)
                for name, door in zip(WORKERS, doors, strict=True)
            ]
            await relay.subscribe("well", journal.url("ok/a"))
            await relay.subscribe("flaky", journal.url("flaky/1/a"))
            delivered = dict.fromkeys(WORKERS, 0)

            async def both_delivered() -> bool:
                await relay.emit([an_event() for _ in range(8)])
                for row in await relay.results():  # a retry may go to one worker only: its topic's partitions decide
                    delivered[row["worker"]] += row["subscription_id"] == "well"
                return all(delivered.values())

            await until(both_delivered, 60, every=0.5)
            await relay.produce([(b"lead", b"{")])
            ids = {row["delivery_id"] for row in await relay.results() if row["verdict"] == "retry"}
            await until(lambda: ids <= {call.id for call in journal.calls if call.attempt == 2})
            await until(lambda: relay.lag_is(0))
            assert [await relay.end(worker) for worker in workers] == [0, 0]

            (letter,) = await relay.read(f"{prefix}.dead-letters")
            assert letter.value == b"{"
            assert ids
    assert ([], []) == (secured.denied("worker"), secured.denied("operator"))
    assert PASSWORD not in relay.raw_logs()


async def test_a_console_with_exactly_its_acls_does_all_that_it_offers(
    secured: Secured, prefix: str, tmp_path: Path
) -> None:
    """
    Subscriptions made, tested and changed; sent again, replayed, erased; tokens, audit and dead letters read. Nobody is
    denied anything. (It answers none of what it may not with 2xx, so that is what is looked at.)
    """
    operator = by_password(secured, "operator", "SCRAM-SHA-256")
    url = f"sqlite+aiosqlite:///{tmp_path / 'history.db'}"
    async with Journal() as journal:
        with Relay(secured.open, prefix, tmp_path, **operator, RELAY_DATABASE_URL=url) as relay:
            for role, user in (("worker", "worker"), ("operator", "operator"), ("trial", "operator"), ("console",) * 2):
                secured.grant(role, user, relay.env)
            await relay.prepare()
            relay.worker(**by_password(secured, "worker", "SCRAM-SHA-256"))
            relay.worker_command = ("relay", "console")
            (tmp_path / "secret").write_text("a-secret-of-this-test")
            at = {"RELAY_CONSOLE_ADDRESS": "127.0.0.1:0", "RELAY_NOTICES_URL": journal.url("ok/notices")}
            at["RELAY_NOTICES_SECRET_FILE"] = str(tmp_path / "secret")
            relay.worker(**by_password(secured, "console", "SCRAM-SHA-256"), **at)
            await until(lambda: relay.logged("console.listening", 1) and FIRST.search(relay.raw_logs()), 60)
            (where,) = [line["address"] for line in relay.logs() if line["event"] == "console.listening"]
            found = FIRST.search(relay.raw_logs())
            assert found is not None
            async with Api(f"http://{where}", found[0]) as api:
                await everything_offered(relay, api, journal)
            await until(lambda: relay.logged("notices.forwarding", 1))
    assert ([], []) == (secured.denied("console"), secured.denied("worker"))


FIRST = re.compile(r"\brly_[A-Za-z0-9_-]{43}")


class Api:
    """A console's, for the holder of a token; whatever is no 2xx fails."""

    def __init__(self, where: str, token: str) -> None:
        self._session = ClientSession(where, headers={"Authorization": f"Bearer {token}"})

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def __call__(self, method: str, path: str, **body: object) -> dict[str, Any]:
        async with self._session.request(method, f"/api/v1/{path}", json=body or None) as answer:
            told: dict[str, Any] = await answer.json(content_type=None) if answer.status != 204 else {}
            assert answer.ok, (method, path, answer.status, told)
            return told


async def everything_offered(relay: Relay, api: Api, journal: Journal) -> None:
    """Each thing once that touches a topic of its own."""
    said = {"account_id": "acct-1", "name": "Hook", "url": journal.url("ok/a"), "events": ["lead.updated"]}
    made = await api("POST", "subscriptions", **said)
    one = made.get("id") or made["subscription"]["id"]
    event = an_event()

    async def tested() -> bool:  # once the worker has heard of it
        await api("POST", f"subscriptions/{one}/test")
        return bool(journal.calls)

    await until(tested, every=0.5)
    tests = len(journal.calls)
    await relay.emit([event])
    await relay.produce([(b"lead", b"{")])

    async def known() -> list[Any]:
        items: list[Any] = (await api("GET", f"deliveries?lead={event['resource_id']}"))["items"]
        return items

    await until(known)
    (delivery,) = await known()
    again = await api("POST", "redeliveries", deliveries=[delivery["id"]])
    assert [None] == [each["why"] for each in again["deliveries"]]
    run = await api("POST", "replays", subscription_id=one, since="2026-01-01T00:00:00Z")

    async def done() -> bool:
        return bool((await api("GET", f"runs/{run['id']}"))["state"] == "done")

    await until(done)
    await until(lambda: len(journal.calls) >= tests + 3)
    await api("POST", "tokens", name="reader", scope="read")
    for path in ("tokens", "audit", "notices", "dead-letters", "age"):
        await api("GET", path)
    await api("POST", "reconciliation", since="2026-01-01T00:00:00Z")

    async def reconciled() -> bool:
        there = await api("GET", "reconciliation")
        assert there["failed"] is None, there
        return there["last"] is not None

    await until(reconciled)
    attempt = (await api("GET", f"deliveries/{delivery['id']}"))["attempts"][0]["attempt_id"]
    await api("GET", f"deliveries/{delivery['id']}/attempts/{attempt}/sent")
    await api("POST", f"subscriptions/{one}/pause")
    await api("POST", "erasures", lead_id=event["resource_id"])


@pytest.fixture
def topics(secured: Secured) -> str:
    """The prefix of topics that `operator` may see, and `nobody` may not."""
    prefix = "seen"
    environ = {"RELAY_TOPIC_PREFIX": prefix, "RELAY_EVENTS_TOPICS": f"{prefix}.events"}
    for role in ("operator", "trial"):
        secured.grant(role, "operator", environ)
    return prefix


async def asked(prefix: str, settings: dict[str, str]) -> None:
    """What every command and the worker ask before they do anything."""
    config = Config.read({"RELAY_TOPIC_PREFIX": prefix, "RELAY_EVENTS_TOPICS": f"{prefix}.events", **settings})
    async with Broker(config) as broker:
        assert (await broker.capabilities()).topic_configs
        await broker.cluster(Topics(prefix).of(config))


async def test_every_way_in_is_taken(secured: Secured, topics: str, tmp_path: Path) -> None:
    """PLAIN and SCRAM, over TLS or not, and tokens from a file or a program."""
    file = tmp_path / "token"
    file.write_text(a_token("operator") + "\n")
    program = f"{sys.executable} -c \"print(open('{file}').read(), end='')\""
    over_nothing = {"RELAY_KAFKA_BOOTSTRAP_SERVERS": secured.clear, "RELAY_KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT"}
    over_nothing |= {"RELAY_KAFKA_CA_FILE": ""}

    await asked(topics, by_password(secured, "operator", "PLAIN"))
    await asked(topics, by_password(secured, "operator", "SCRAM-SHA-256"))
    await asked(topics, by_password(secured, "operator", "PLAIN") | over_nothing)
    await asked(topics, by_password(secured, "operator", "SCRAM-SHA-512") | over_nothing)
    await asked(topics, by_token(secured, file=str(file)))
    await asked(topics, by_token(secured, command=program))
    await asked(topics, by_certificate(secured, secured.authority.certify("operator")))


async def test_who_is_not_let_in_is_told_why_and_what_to_look_at(secured: Secured, topics: str, tmp_path: Path) -> None:
    """NotAllowed where Kafka refuses us, Unreachable where we refuse it; a password or a token is never told."""
    (tmp_path / "token").write_text(unsecured_token("operator", expires_s=1.0))
    mine = by_password(secured, "operator")
    names = {name: value for name, value in mine.items() if "SASL" not in name}
    over_nothing = mine | {"RELAY_KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT", "RELAY_KAFKA_CA_FILE": ""}
    elsewhere = {"RELAY_KAFKA_CA_FILE": str(secured.stranger.file)}
    by_name = {"RELAY_KAFKA_BOOTSTRAP_SERVERS": secured.sasl.replace("127.0.0.1", "localhost")}
    cases: list[tuple[dict[str, str], type[RelayError], str]] = [
        (by_password(secured, "operator", password="wrong-password"), NotAllowed, "RELAY_KAFKA_SASL_PASSWORD_FILE"),
        (by_password(secured, "operator", "PLAIN", "wrong-password"), NotAllowed, "RELAY_KAFKA_SASL_PASSWORD_FILE"),
        (by_password(secured, "stranger"), NotAllowed, "RELAY_KAFKA_SASL_USERNAME"),
        (by_password(secured, "nobody"), NotAllowed, f"Describe of {topics}."),
        (mine | elsewhere, Unreachable, "RELAY_KAFKA_CA_FILE"),
        (mine | {"RELAY_KAFKA_CA_FILE": ""}, Unreachable, "RELAY_KAFKA_CA_FILE"),
        (mine | by_name, Unreachable, "localhost"),
        (by_token(secured, file=str(tmp_path / "token")), NotAllowed, "RELAY_KAFKA_SASL_TOKEN_FILE"),
        (by_token(secured, file=str(tmp_path / "none")), Unreachable, "RELAY_KAFKA_SASL_TOKEN_FILE"),
        (by_certificate(secured, secured.stranger.certify("operator")), NotAllowed, "RELAY_KAFKA_CERT_FILE"),
        (names | {"RELAY_KAFKA_BOOTSTRAP_SERVERS": secured.mtls, "RELAY_KAFKA_SECURITY_PROTOCOL": "SSL"}, NotAllowed,
         "RELAY_KAFKA_CERT_FILE"),
        (over_nothing | {"RELAY_KAFKA_BOOTSTRAP_SERVERS": secured.clear, "RELAY_KAFKA_SASL_MECHANISM": "SCRAM-SHA-256"},
         NotAllowed, "RELAY_KAFKA_SASL_MECHANISM"),
        (mine | {"RELAY_KAFKA_BOOTSTRAP_SERVERS": secured.open}, Unreachable, "RELAY_KAFKA_SECURITY_PROTOCOL"),
        (over_nothing, Unreachable, "RELAY_KAFKA_SECURITY_PROTOCOL"),
        ({"RELAY_KAFKA_BOOTSTRAP_SERVERS": secured.clear}, Unreachable, "RELAY_KAFKA_SECURITY_PROTOCOL"),
    ]  # fmt: skip
    token = (tmp_path / "token").read_text()

    for settings, verdict, words in cases:
        with pytest.raises(verdict) as told:
            await asked(topics, settings)
        assert words in str(told.value), settings
        assert not [one for one in ("wrong-password", PASSWORD, token) if one in str(told.value)]
    assert secured.denied("nobody"), "what is denied is seen, so that who is denied nothing is believed"


@pytest.mark.parametrize(
    ("command", "password", "authority", "told"),
    [
        ("check", "wrong-password", "authority", (4, "RELAY_KAFKA_SASL_PASSWORD_FILE")),
        ("check", PASSWORD, "stranger", (5, "RELAY_KAFKA_CA_FILE")),
        ("worker", "wrong-password", "authority", (4, "RELAY_KAFKA_SASL_PASSWORD_FILE")),
    ],
)
def test_the_exit_status_says_who_refused_whom(
    secured: Secured, tmp_path: Path, *, command: str, password: str, authority: str, told: tuple[int, str]
) -> None:
    """4: Kafka refuses us; 5: we do not trust it. Nothing that is said holds the password."""
    settings = by_password(secured, "worker", password=password)
    settings["RELAY_KAFKA_CA_FILE"] = str(getattr(secured, authority).file)

    with Relay(secured.open, "seen", tmp_path, **settings) as relay:
        done = relay.run(command)

    assert (done.returncode, done.stdout) == (told[0], "")
    assert told[1] in done.stderr
    assert password not in done.stderr
