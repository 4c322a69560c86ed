"""
Tokens and the audit as consoles and commands find them: one suite for the embedded broker and a real Kafka.

What needs transactions (rivals, two consoles that start at once) stands at the end, on the real one only.
"""

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiokafka import AIOKafkaProducer

from relay import settings
from relay.access import audit as audit_
from relay.access import store
from relay.access.audit import Audit, Page
from relay.access.store import Access
from relay.access.values import Principal, Scope, Token
from relay.broker import Broker, kafka_settings
from relay.clock import ManualClock
from relay.config import Config
from relay.embedded import EmbeddedBroker
from relay.errors import Invalid, NotAllowed, NotFound, TopicProblem, Unreachable
from relay.store.entry import Action, AuditEntry, outgoing
from relay.topics import Topics, wanted
from tests.kafka.driver import until

NOON = 1_793_534_400_000
KEY = base64.b64encode(bytes(range(32))).decode()
ROOT = Principal(name="cli:root", scope=Scope.ADMIN)
IN_FORCE_S = 5


@pytest.fixture(params=["embedded", pytest.param("kafka", marks=pytest.mark.kafka)])
def config(request: pytest.FixtureRequest, prefix: str) -> Config:
    """Of an installation of its own on either broker, the console's topics made."""
    config = a_config(request.getfixturevalue(request.param), prefix)
    asyncio.run(make_topics(config))
    return config


@pytest.fixture
def on_kafka(kafka: str, prefix: str) -> Config:
    """Of an installation of its own on a real Kafka."""
    config = a_config(kafka, prefix)
    asyncio.run(make_topics(config))
    return config


def a_config(bootstrap: str, prefix: str) -> Config:
    return Config.read(
        {
            "RELAY_KAFKA_BOOTSTRAP_SERVERS": bootstrap,
            "RELAY_TOPIC_PREFIX": prefix,
            "RELAY_SECRET_KEYS": f"k1:{KEY}",
        }
    )


async def make_topics(config: Config) -> None:
    """The console's are there, as `relay topics apply` makes them where it can be told how."""
    names = Topics(config.topic_prefix).console
    async with Broker(config) as broker:
        if (await broker.capabilities()).topic_configs:
            await broker.create([one for one in wanted(config, events_partitions=1, brokers=1) if one.name in names])
        await broker.touch(names)


@asynccontextmanager
async def following(config: Config, *, clock: ManualClock | None = None) -> AsyncIterator[Access]:
    """As a console does for as long as it runs."""
    access = Access(config, clock=clock or ManualClock(NOON))
    try:
        await access.start()
        async with asyncio.TaskGroup() as group:
            task = group.create_task(access.follow())
            yield access
            task.cancel()
    finally:
        await access.close()


async def test_a_token_lets_its_holder_in_at_once_and_until_it_is_revoked(config: Config) -> None:
    """By the console that made it; its holder is told from others by its id and its name."""
    async with following(config) as access:
        token, secret = await access.create(name="CI", scope="write", by=ROOT)

        assert Principal(name=f"token:{token.id} (CI)", scope=Scope.WRITE) == access.authenticate(secret)
        assert [token] == access.tokens()
        assert token == access.find_id(token.id)

        await access.revoke(token.id, by=ROOT)

        assert access.authenticate(secret) is None
        assert access.find_id(token.id) is None
        assert [] == access.tokens()


async def test_another_console_follows(config: Config) -> None:
    """Made by a command, revoked by a command: in force within seconds."""
    command = Access(config)

    async with following(config) as console:
        token, secret = await command.create(name="portal", scope="read", account="acct-1", by=ROOT)
        await until(lambda: console.authenticate(secret), IN_FORCE_S, every=0.01)
        assert Principal(name=f"token:{token.id} (portal)", scope=Scope.READ, account="acct-1") == console.authenticate(
            secret
        )

        await command.revoke(token.id, by=ROOT)
        await until(lambda: console.authenticate(secret) is None, IN_FORCE_S, every=0.01)


async def test_a_console_that_starts_knows_what_there_is(config: Config) -> None:
    """Also what was made and revoked before it was there."""
    command = Access(config)
    kept, secret = await command.create(name="kept", scope="admin", by=ROOT)
    gone, lost = await command.create(name="gone", scope="admin", by=ROOT)
    await command.revoke(gone.id, by=ROOT)

    async with following(config) as console:
        assert [kept] == console.tokens() == await command.read()
        assert console.authenticate(secret) == kept.principal
        assert console.authenticate(lost) is None


async def test_a_token_expires_by_itself(config: Config) -> None:
    """At its time, and not before; it is still listed."""
    clock = ManualClock(NOON)

    async with following(config, clock=clock) as access:
        token, secret = await access.create(name="short", scope="read", expires_at="2026-11-01T13:00:30+01:00", by=ROOT)
        assert token.expires_at == "2026-11-01T12:00:30.000Z"
        await clock.advance(29)
        assert access.authenticate(secret)
        await clock.advance(1)

        assert access.authenticate(secret) is None
        assert access.find_id(token.id) is None
        assert [token] == access.tokens()


async def test_what_is_no_token_lets_nobody_in(config: Config) -> None:
    """Made up, cut, of any length: a verdict and no error."""
    async with following(config) as access:
        _, secret = await access.create(name="CI", scope="read", by=ROOT)

        for made_up in ("", secret[:-1], secret + "a", secret[:-1] + "!", "rly_" + "a" * 43, "x" * 1_000_000, "\0é"):
            assert access.authenticate(made_up) is None


async def test_what_is_wrong_with_a_token_is_told_at_once_and_nothing_written(config: Config) -> None:
    """By the names of the fields that a person fills in."""
    access = Access(config, clock=ManualClock(NOON))

    with pytest.raises(Invalid) as refused:
        await access.create(name="", scope="root", account="*", expires_at="2026-11-01T11:59:59Z", by=ROOT)

    assert ["name", "scope", "account", "expires_at"] == [one.field for one in refused.value.problems]
    assert [] == await access.read()


async def test_nobody_hands_out_more_than_they_have(config: Config) -> None:
    """Only an admin makes tokens; one who is bound to an account, only such, and revokes none but them."""
    access = Access(config)
    bound = Principal(name="token:tok_1 (portal)", scope=Scope.ADMIN, account="acct-1")
    writer = Principal(name="token:tok_2 (CI)", scope=Scope.WRITE)
    of_all, _ = await access.create(name="of all", scope="read", by=ROOT)

    for account in (None, "acct-2"):
        with pytest.raises(NotAllowed, match="bound to the account acct-1"):
            await access.create(name="more", scope="read", account=account, by=bound)
    with pytest.raises(NotAllowed, match="needs the scope admin"):
        await access.create(name="more", scope="read", by=writer)
    with pytest.raises(NotAllowed, match="needs the scope admin"):
        await access.revoke(of_all.id, by=writer)
    with pytest.raises(NotFound, match=f"no token {of_all.id}"):
        await access.revoke(of_all.id, by=bound)

    own, _ = await access.create(name="own", scope="read", account="acct-1", by=bound)
    await access.revoke(own.id, by=bound)
    assert [of_all] == await access.read()


async def test_a_token_that_is_not_there_cannot_be_revoked(config: Config) -> None:
    """Twice is once too often."""
    access = Access(config)
    token, _ = await access.create(name="CI", scope="read", by=ROOT)
    await access.revoke(token.id, by=ROOT)

    with pytest.raises(NotFound, match="no token"):
        await access.revoke(token.id, by=ROOT)


async def test_the_first_token_is_made_once(config: Config) -> None:
    """An admin of every account; where there is any token there is a way in."""
    async with following(config) as access:
        secret = await access.first_token()

        assert secret is not None
        found = access.authenticate(secret)
        assert found is not None
        assert (Scope.ADMIN, None) == (found.scope, found.account)
        assert await access.first_token() is None
        assert await Access(config).first_token() is None


async def test_a_record_that_cannot_be_read_lets_nobody_in_and_stops_nobody(config: Config) -> None:
    """Whoever can write to the topic cannot keep others out, but those whose record they replace."""
    async with following(config) as access:
        kept, secret = await access.create(name="kept", scope="read", by=ROOT)
        broken, lost = await access.create(name="broken", scope="read", by=ROOT)
        async with AIOKafkaProducer(**kafka_settings(config)) as producer:
            for key, value in ((broken.id.encode(), b"{}"), (b"\xff\xfe", b"{")):
                await producer.send_and_wait(Topics(config.topic_prefix).tokens, key=key, value=value, partition=0)

        await until(lambda: access.authenticate(lost) is None, IN_FORCE_S, every=0.01)
        assert access.authenticate(secret) == kept.principal
        await access.revoke(broken.id, by=ROOT)
        assert [kept] == await access.read()


def an_entry(number: int = 1, *, account: str | None = None) -> AuditEntry:
    return AuditEntry(
        at="2026-11-01T12:00:00.000Z",
        actor="token:tok_1 (CI)",
        action=Action.REPLAY_STARTED,
        account_id=account,
        subject=f"run_{number}",
        details={"undelivered": True},
    )


async def several(config: Config, entries: list[AuditEntry]) -> None:
    """Of so many, by one connection."""
    async with AIOKafkaProducer(**kafka_settings(config)) as producer:
        for one in entries:
            record = outgoing(one, Topics(config.topic_prefix).audit)
            await producer.send(record.topic, key=record.key, value=record.value, partition=record.partition)
        await producer.flush()


async def test_what_was_recorded_is_read_newest_first(config: Config) -> None:
    """As it was; nothing where nothing was done."""
    audit = Audit(config)
    assert Page([], None) == await audit.page()

    await audit.record(an_entry(1))
    await audit.record(an_entry(2, account="acct-1"))

    assert Page([an_entry(2, account="acct-1"), an_entry(1)], None) == await audit.page()


async def test_pages_follow_one_another_to_the_beginning(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each entry once, also where a page ends in the middle of what is read at a time; what came since is in none."""
    monkeypatch.setattr(audit_, "STEP", 7)
    audit, entries = Audit(config), [an_entry(number) for number in range(20)]
    await several(config, entries)

    read, cursor = [*(first := await audit.page(limit=3)).entries], first.cursor
    await several(config, [an_entry(99)])
    while cursor is not None:
        page = await audit.page(cursor, 3)
        assert len(page.entries) <= 3
        read, cursor = [*read, *page.entries], page.cursor

    assert entries[::-1] == read


async def test_whoever_is_bound_to_an_account_reads_of_that_one_alone(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Within bounds: a page of an account that did nothing lately may be empty, and lead on."""
    monkeypatch.setattr(audit_, "STEP", 5)
    monkeypatch.setattr(audit_, "STEPS", 2)
    mine = an_entry(0, account="acct-1")
    await several(config, [mine, *(an_entry(number, account=f"acct-{number}") for number in range(2, 24)), an_entry(9)])

    pages = [page := await Audit(config).page(account="acct-1")]
    while page.cursor is not None:
        pages.append(page := await Audit(config).page(page.cursor, account="acct-1"))

    assert [[], [], [mine]] == [page.entries for page in pages]


@pytest.mark.parametrize("cursor", ["", "-1", "1.5", "x", "٤", "9" * 19, "1\n"])
async def test_a_cursor_that_was_made_up_is_refused(cursor: str) -> None:
    """Without asking anybody; so is a page of too many."""
    audit = Audit(a_config("127.0.0.1:1", "relay"))

    with pytest.raises(Invalid, match="cursor: is none that a page has given"):
        await audit.page(cursor)
    for limit in (0, 201, -1):
        with pytest.raises(Invalid, match="limit: must be from 1 to 200"):
            await audit.page(limit=limit)


async def test_a_cursor_beyond_the_end_is_the_end(config: Config) -> None:
    """The log may have been made anew since."""
    await Audit(config).record(an_entry())

    assert Page([an_entry()], None) == await Audit(config).page("9" * 18)


async def test_an_entry_that_cannot_be_read_is_told_to_whoever_sees_everything(config: Config) -> None:
    """Where it stands and why: an audit passes over nothing. Whose it is nobody knows."""
    topic = Topics(config.topic_prefix).audit
    async with AIOKafkaProducer(**kafka_settings(config)) as producer:
        await producer.send_and_wait(topic, key=b"ann\xff", value=b"{", partition=0)

    (entry,) = (await Audit(config).page()).entries

    assert ("unreadable", "ann\\xff", f"{topic}/0/0") == (entry.action, entry.actor, entry.subject)
    assert {"reason": "not a JSON object"} == entry.details
    assert [] == (await Audit(config).page(account="acct-1")).entries


async def test_tokens_are_audited_as_they_are_made_and_revoked(config: Config) -> None:
    """By whom, and for whom; the first one too."""
    access = Access(config, clock=ManualClock(NOON))
    await access.first_token()
    token, secret = await access.create(name="portal", scope="read", account="acct-1", by=ROOT)
    await access.revoke(token.id, by=ROOT)

    entries = (await Audit(config).page()).entries

    assert [
        ("cli:root", "token.revoked", "acct-1", token.id),
        ("cli:root", "token.created", "acct-1", token.id),
        ("console", "token.created", None),
    ] == [(one.actor, one.action, one.account_id, one.subject)[: 4 if one.account_id else 3] for one in entries]
    assert {"2026-11-01T12:00:00.000Z"} == {one.at for one in entries}
    assert secret[10:] not in str(entries)


async def test_a_broker_that_is_gone_is_told() -> None:
    """By whatever asks it."""
    with EmbeddedBroker() as broker:
        config = a_config(broker.bootstrap, "relay")
    access, audit = Access(config), Audit(config)

    for ask in (
        *(access.start(), access.read(), access.create(name="CI", scope="read", by=ROOT), access.first_token()),
        *(audit.page(), audit.record(an_entry())),
    ):
        with pytest.raises(Unreachable):
            await ask


async def test_a_broker_that_does_not_answer_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes the connection, and that is all: a person waits for this, in a request of theirs."""
    monkeypatch.setattr(audit_, "ANSWER_S", 0.1)
    monkeypatch.setattr(store, "EDIT_S", 0.1)
    done = asyncio.Event()

    async def silent(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await done.wait()
        writer.close()

    async with await asyncio.start_server(silent, "127.0.0.1", 0) as server:
        config = a_config(settings.spelled(*server.sockets[0].getsockname()), "relay")
        access, audit = Access(config), Audit(config)
        for ask in (
            *(access.create(name="CI", scope="read", by=ROOT), access.revoke("tok_1", by=ROOT)),
            *(audit.page(), audit.record(an_entry())),
        ):
            with pytest.raises(Unreachable, match="the broker has not"):
                await ask
        done.set()


@pytest.mark.kafka
async def test_of_consoles_that_start_at_once_one_makes_the_first_token(on_kafka: Config) -> None:
    """The others find it there."""
    made = await asyncio.gather(*(Access(on_kafka).first_token() for _ in range(3)))

    (token,) = await Access(on_kafka).read()
    assert 1 == sum(secret is not None for secret in made)
    assert ("first", Scope.ADMIN) == (token.name, token.scope)


@pytest.mark.kafka
async def test_a_console_that_starts_where_there_are_tokens_takes_nobodys_turn(on_kafka: Config) -> None:
    """Whoever makes one meanwhile is not fenced; also where the only record cannot be read."""
    topic = Topics(on_kafka.topic_prefix).tokens
    async with AIOKafkaProducer(**kafka_settings(on_kafka), transactional_id=topic) as rival:
        async with rival.transaction():
            await rival.send_and_wait(topic, key=b"tok_1", value=b"{}", partition=0)
        async with rival.transaction(), following(on_kafka) as console:
            assert await console.first_token() is None
            await rival.send_and_wait(topic, key=b"tok_2", value=b"{}", partition=0)

    assert await Access(on_kafka).first_token() is None


@pytest.mark.kafka
async def test_tokens_made_at_once_are_all_there(on_kafka: Config) -> None:
    """Each by a connection of its own."""
    made = await asyncio.gather(*(Access(on_kafka).create(name=f"n{n}", scope="read", by=ROOT) for n in range(3)))

    def ids(tokens: list[Token]) -> set[str]:
        return {one.id for one in tokens}

    assert ids([token for token, _ in made]) == ids(await Access(on_kafka).read())


@pytest.mark.kafka
async def test_a_missing_topic_is_told_with_the_command_and_not_made_by_asking(kafka: str, prefix: str) -> None:
    """The broker would make it with the wrong cleanup policy."""
    config = a_config(kafka, prefix)

    for ask in (
        Access(config).start(),
        Access(config).first_token(),
        Audit(config).page(),
        Audit(config).record(an_entry()),
    ):
        with pytest.raises(TopicProblem, match=rf"no topic {prefix}\.(tokens|audit): `relay topics apply` makes it"):
            await ask

    async with Broker(config) as broker:
        assert not [name for name in await broker.topics() if name.startswith(prefix)]


@pytest.mark.kafka
async def test_where_there_is_no_audit_yet_tokens_are_made_without(kafka: str, prefix: str) -> None:
    """An installation whose topics were made one by one; from when it is there, with one."""
    config = a_config(kafka, prefix)
    async with Broker(config) as broker:
        made = wanted(config, events_partitions=1, brokers=1)
        await broker.create([one for one in made if one.name == Topics(prefix).tokens])

    access = Access(config)
    token, _ = await access.create(name="CI", scope="read", by=ROOT)

    assert [token] == await access.read()

    await make_topics(config)
    await access.revoke(token.id, by=ROOT)

    assert [Action.TOKEN_REVOKED] == [one.action for one in (await Audit(config).page()).entries]
