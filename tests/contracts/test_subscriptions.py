"""
Subscriptions as every command, and every worker, finds them: one suite for the embedded broker and a real Kafka.

What needs transactions (rivals, writers that are overtaken or killed) and a topic that can be deleted stands at the
end, on the real one only.
"""

import asyncio
import base64
import dataclasses
import gc
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any

import orjson
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError, UnknownError

from relay.access.audit import Audit
from relay.broker import Broker, kafka_settings
from relay.clock import ManualClock, SystemClock
from relay.config import Config
from relay.embedded import EmbeddedBroker
from relay.errors import ConfigProblem, Conflict, NotFound, TopicProblem, Unreachable
from relay.metrics import Metrics
from relay.model import Event, Outgoing, Record, State, Subscription, SubscriptionId
from relay.pipeline.disable import Disable, Wish
from relay.pipeline.health import Gone
from relay.pipeline.match import Index
from relay.pipeline.produce import by_key
from relay.store import edits
from relay.store.catalogue import Catalogue
from relay.store.codec import encode, stored
from relay.store.edits import Changes, Existing, Stored, Unreadable
from relay.store.follow import TURN, Follower
from relay.store.keyring import KeyRing
from relay.store.sealing import made
from relay.store.subscriptions import Subscriptions
from relay.store.writer import TRANSACTION_MS, Decide, Writer
from relay.topics import Topics, wanted
from tests.kafka.driver import until

NOON = 1_793_534_400_000
IN_FORCE_S = 2  # a change is in force within so long
KEY = base64.b64encode(bytes(range(32))).decode()
OTHER_KEY = base64.b64encode(bytes(32)).decode()


@pytest.fixture(params=["embedded", pytest.param("kafka", marks=pytest.mark.kafka)])
def config(request: pytest.FixtureRequest, prefix: str) -> Config:
    """Of an installation of its own on either broker, its topic of subscriptions made."""
    return installed(request.getfixturevalue(request.param), prefix)


@pytest.fixture
def on_kafka(kafka: str, prefix: str) -> Config:
    """Of an installation of its own on a real Kafka."""
    return installed(kafka, prefix)


def a_config(bootstrap: str, prefix: str, *, key: str = KEY) -> Config:
    return Config.read(
        {
            "RELAY_KAFKA_BOOTSTRAP_SERVERS": bootstrap,
            "RELAY_TOPIC_PREFIX": prefix,
            "RELAY_SECRET_KEYS": f"k1:{key}",
        }
    )


def installed(bootstrap: str, prefix: str) -> Config:
    config = a_config(bootstrap, prefix)
    topics = Topics(prefix)
    asyncio.run(make_topics(config, topics.subscriptions, topics.notices, topics.audit))
    return config


async def make_topics(config: Config, *names: str) -> None:
    """These are there, as `relay topics apply` makes them where it can be told how."""
    async with Broker(config) as broker:
        if (await broker.capabilities()).topic_configs:
            await broker.create([one for one in wanted(config, events_partitions=1, brokers=1) if one.name in names])
        await broker.touch(names)


async def notices(config: Config, count: int) -> list[dict[str, Any]]:
    """So many notices of committed edits, in order, where a worker's of that subscription stand too; and no more."""
    topic, told = Topics(config.topic_prefix).notices, list[dict[str, Any]]()
    settings = kafka_settings(config) | {"auto_offset_reset": "earliest", "isolation_level": "read_committed"}
    async with AIOKafkaConsumer(topic, **settings) as consumer:
        ends = await consumer.end_offsets(consumer.assignment())
        async with asyncio.timeout(IN_FORCE_S * 10):
            while sum([await consumer.position(at) for at in ends]) < sum(ends.values()):
                for at, records in (await consumer.getmany(timeout_ms=200)).items():
                    told += [orjson.loads(record.value) for record in records]
                    partitions = sorted(one.partition for one in ends)
                    assert {at.partition} == {by_key(record.key, partitions, ()) for record in records}
    assert count == len(told)
    return told


def a_subscription(config: Config, ident: str = "crm", *, bot_ids: tuple[str, ...] = ()) -> Subscription:
    fields = {
        "account_id": "acct-1",
        "name": "To the CRM",
        "url": "https://crm.example/hook",
        "events": ("lead.updated",),
        "bot_ids": bot_ids,
        "headers": {"x-team": "sales"},
    }
    keys = KeyRing(config.secret_keys)
    return made(SubscriptionId(ident), fields, b"a-secret-of-this-test", keys, by="a test", now_ms=NOON)


def an_event(bot_id: str = "bot-1") -> Event:
    return Event(
        body=b"{}", body_sha256="", type="lead.updated", account_id="acct-1", lead_id="lead-1",
        bot_id=bot_id, resource_version=1, time=None, time_raw=None, source=None,
    )  # fmt: skip


def with_bot(bot_id: str, ident: str = "crm", *, version: int | None = None) -> edits.Edit:
    """Adds a bot to those that a subscription is for."""

    def alter(old: Subscription) -> Subscription:
        return dataclasses.replace(old, bot_ids=(*old.bot_ids, bot_id))

    return edits.change(SubscriptionId(ident), alter, by="a test", now_ms=NOON + 1, version=version)


async def write(config: Config, ident: str, value: bytes | None) -> None:
    """A record in the topic of subscriptions that relay did not write."""
    async with AIOKafkaProducer(**kafka_settings(config)) as producer:
        topic = Topics(config.topic_prefix).subscriptions
        await producer.send_and_wait(topic, key=ident.encode(), value=value, partition=0)


async def create(config: Config, *new: Subscription) -> None:
    store = Subscriptions(config)
    for one in new:
        await store.edit(edits.create(one, quota=100))


async def the_one(config: Config, ident: str = "crm") -> Stored:
    return (await Subscriptions(config).read())[SubscriptionId(ident)]


@dataclasses.dataclass(frozen=True, slots=True)
class Followed:
    """The index of a worker, and its figures."""

    index: Index
    metrics: Metrics

    def matched(self, bot_id: str = "bot-1") -> list[str]:
        """The ids of the subscriptions that an event goes to."""
        return [one.subscription.id for one in self.index.match(an_event(bot_id))]

    def version(self, ident: str = "crm") -> int | None:
        found = self.index.get(SubscriptionId(ident))
        return found.subscription.version if found else None

    def opened(self, ident: str = "crm") -> bool:
        """Whether its deliveries can be signed; else they are put off."""
        found = self.index.get(SubscriptionId(ident))
        return found is not None and found.signer is not None

    def figures(self) -> tuple[float | None, float | None]:
        """Subscriptions in the index, and how many of them cannot be read."""
        value = self.metrics.registry.get_sample_value
        return value("relay_subscriptions"), value("relay_unreadable_subscriptions")


@asynccontextmanager
async def following(config: Config) -> AsyncIterator[Followed]:
    """Loaded, and following for as long as the block."""
    async with Broker(config) as broker:
        transactions = (await broker.capabilities()).transactions
    followed = Followed(Index(), Metrics())
    catalogue = Catalogue(config, followed.index, followed.metrics, transactions=transactions)
    try:
        await catalogue.load()
        async with asyncio.TaskGroup() as group:
            task = group.create_task(catalogue.follow())
            yield followed
            task.cancel()
    finally:
        await catalogue.close()


async def in_force(holds: Callable[[], object]) -> None:
    """It holds within the time that a change may take."""
    await until(holds, IN_FORCE_S, every=0.01)


async def test_what_was_created_is_read_as_it_was(config: Config) -> None:
    """By another connection, byte for byte: sealed fields are neither opened nor sealed anew."""
    new = a_subscription(config)

    changes = await Subscriptions(config).edit(edits.create(new, quota=100))

    assert {new.id: new} == changes
    assert {new.id: new} == await Subscriptions(config).read()


async def test_nothing_is_read_where_nothing_was_written(config: Config) -> None:
    """An empty topic has an end, too."""
    assert {} == await Subscriptions(config).read()


async def test_an_edit_is_one_version_on(config: Config) -> None:
    """Who did it and when is written with it; what was not edited is as it was."""
    old = a_subscription(config)
    await create(config, old, a_subscription(config, "other"))

    await Subscriptions(config).edit(with_bot("bot-7"))

    expected = dataclasses.replace(
        old, bot_ids=("bot-7",), version=2, updated_by="a test", updated_at="2026-11-01T12:00:00.001Z"
    )
    there = await Subscriptions(config).read()
    assert expected == there[old.id]
    assert 1 == edits.found(there, SubscriptionId("other")).version


async def test_an_edit_that_changes_nothing_writes_nothing(config: Config) -> None:
    """Pausing what is paused is no new version."""
    await create(config, a_subscription(config))
    pause = edits.change(SubscriptionId("crm"), edits.in_state(State.PAUSED, "holidays"), by="a test", now_ms=NOON)
    store = Subscriptions(config)
    await store.edit(pause)

    changes = await store.edit(pause)

    assert {} == changes
    assert 2 == edits.found(await store.read(), SubscriptionId("crm")).version


async def test_several_subscriptions_are_edited_at_once(config: Config) -> None:
    """As `relay subscriptions apply` does; deletions among them."""
    old, new, gone = (a_subscription(config, ident) for ident in ("old", "new", "gone"))
    await create(config, old, gone)
    touched = edits.touched(old, by="a test", now_ms=NOON)

    def together(existing: Existing) -> Changes:
        assert {"old", "gone"} == set(existing)
        return {old.id: touched, new.id: new, gone.id: None}

    await Subscriptions(config).edit(together, by="a test")

    assert {old.id: touched, new.id: new} == await Subscriptions(config).read()


async def test_what_was_deleted_is_gone_and_may_be_created_again(config: Config) -> None:
    """The next one of that id begins at version 1."""
    store = Subscriptions(config)
    await create(config, a_subscription(config))
    await store.edit(with_bot("bot-7"))

    await store.edit(edits.delete(SubscriptionId("crm")), by="a test")
    without = await store.read()
    await create(config, a_subscription(config))

    assert {} == without
    assert 1 == edits.found(await store.read(), SubscriptionId("crm")).version


async def test_what_an_edit_refuses_is_not_written(config: Config) -> None:
    """The id exists; there is none; the version that it was made of is no longer the newest."""
    old = a_subscription(config)
    await create(config, old)
    store = Subscriptions(config)
    await store.edit(with_bot("bot-7"))
    before = await store.read()

    with pytest.raises(Conflict, match="there is a subscription crm already"):
        await store.edit(edits.create(old, quota=100))
    with pytest.raises(NotFound, match="there is no subscription other"):
        await store.edit(edits.delete(SubscriptionId("other")), by="a test")
    with pytest.raises(Conflict, match="at version 2 by now, not 1"):
        await store.edit(with_bot("bot-8", version=1))

    assert before == await store.read()


async def test_a_record_that_cannot_be_read_is_told_with_what_was_last_readable(config: Config) -> None:
    """Commands show it and can delete it; they never take it for the subscription."""
    old = a_subscription(config)
    await create(config, old)

    await write(config, "crm", b"{")
    await write(config, "strange", b"[]")
    there = await Subscriptions(config).read()

    broken, never = there[SubscriptionId("crm")], there[SubscriptionId("strange")]
    assert isinstance(broken, Unreadable)
    assert old == broken.last
    assert Unreadable("not a JSON object", None) == never
    with pytest.raises(Conflict, match="delete it and create it anew"):
        await Subscriptions(config).edit(with_bot("bot-7"))
    await Subscriptions(config).edit(edits.delete(SubscriptionId("crm")), by="a test")
    assert {"strange"} == set(await Subscriptions(config).read())


async def test_a_broker_that_is_gone_is_told() -> None:
    """By reading and by editing alike."""
    with EmbeddedBroker() as broker:
        config = a_config(broker.bootstrap, "relay")

    with pytest.raises(Unreachable):
        await Subscriptions(config).read()
    with pytest.raises(Unreachable):
        await Subscriptions(config).edit(edits.delete(SubscriptionId("crm")), by="a test")


async def test_a_worker_begins_with_what_there_is(config: Config) -> None:
    """Edited and deleted before it was there: it sees the outcome."""
    await create(config, *(a_subscription(config, ident) for ident in ("crm", "gone", "other")))
    await Subscriptions(config).edit(with_bot("bot-7"))
    await Subscriptions(config).edit(edits.delete(SubscriptionId("gone")), by="a test")

    async with following(config) as worker:
        assert ["crm", "other"] == worker.matched("bot-7")
        assert ["other"] == worker.matched("bot-1")
        assert worker.index.get(SubscriptionId("gone")) is None
        assert (2, 0) == worker.figures()
        found = worker.index.get(SubscriptionId("crm"))
        assert found is not None
        assert {"x-team": "sales"} == found.headers
        assert worker.opened("crm")


async def test_a_change_is_in_force_within_two_seconds(config: Config) -> None:
    """Made, edited and deleted while a worker follows."""
    async with following(config) as worker:
        await create(config, a_subscription(config))
        await in_force(lambda: ["crm"] == worker.matched())

        await Subscriptions(config).edit(with_bot("bot-7"))
        await in_force(lambda: [] == worker.matched("bot-1"))
        assert ["crm"] == worker.matched("bot-7")
        assert 2 == worker.version()

        await Subscriptions(config).edit(edits.delete(SubscriptionId("crm")), by="a test")
        await in_force(lambda: worker.index.get(SubscriptionId("crm")) is None)
        assert (0, 0) == worker.figures()


async def test_one_that_was_disabled_and_is_resumed_is_told_with_the_edit_and_once(config: Config) -> None:
    """Whoever edits it writes the notice; a worker that follows counts it. Any other change is no news."""
    crm, noon = SubscriptionId("crm"), SystemClock().now_ms()

    async def turned(state: State) -> None:
        await Subscriptions(config).edit(edits.change(crm, edits.in_state(state, None), by="cli:ops", now_ms=noon))

    await create(config, a_subscription(config))
    async with following(config) as worker:
        for state in (State.DISABLED, State.ACTIVE, State.PAUSED, State.ACTIVE, State.DISABLED, State.PAUSED):
            await turned(state)
        await in_force(lambda: 7 == worker.version())

        assert 2 == worker.metrics.registry.get_sample_value("relay_notices_total", {"kind": "re-enabled"})

    told = await notices(config, 2)
    assert [(3, "active"), (7, "paused")] == [(one["subscription_version"], one["reason"]) for one in told]
    assert {("re-enabled", "crm", "https://crm.example/…", "cli:ops")} == {
        (one["kind"], one["subscription_id"], one["url"], one["worker"]) for one in told
    }


async def test_every_edit_is_audited_with_the_edit_by_whoever_makes_it(config: Config) -> None:
    """In the same transaction, and not where nothing was different; a worker that disables is audited too."""
    crm, store = SubscriptionId("crm"), Subscriptions(config, clock=ManualClock(NOON))
    pause = edits.change(crm, edits.in_state(State.PAUSED, "holidays"), by="relay worker", now_ms=NOON)
    await store.edit(edits.create(a_subscription(config), quota=100), by="cli:ops")
    await store.edit(with_bot("bot-7"))
    await store.edit(pause)
    await store.edit(pause)
    with pytest.raises(NotFound):
        await store.edit(edits.delete(SubscriptionId("other")), by="cli:ops")
    await store.edit(edits.delete(crm), by="cli:ops")

    entries = (await Audit(config).page()).entries[::-1]

    known = {"name": "To the CRM", "url": "https://crm.example/…"}
    assert [
        ("cli:ops", "subscription.created", known | {"version": 1}),
        ("a test", "subscription.updated", {"version": 2, "fields": ["bot_ids"]}),
        ("relay worker", "subscription.paused", {"version": 3, "reason": "holidays"}),
        ("cli:ops", "subscription.deleted", known | {"version": 3}),
    ] == [(one.actor, one.action, one.details) for one in entries]
    assert {("2026-11-01T12:00:00.000Z", "acct-1", "crm")} == {(one.at, one.account_id, one.subject) for one in entries}


async def test_an_unreadable_record_leaves_the_last_readable_fields_with_nothing_to_sign_with(config: Config) -> None:
    """So deliveries are made and put off, until a record comes that can be read."""
    new = a_subscription(config)
    await create(config, new)
    later = stored(dataclasses.replace(new, version=2)) | {"order": "lead"}  # what this version does not do

    async with following(config) as worker:
        assert worker.opened()
        await write(config, "crm", orjson.dumps(later))
        await in_force(lambda: not worker.opened())

        assert ["crm"] == worker.matched()
        assert (1, 1) == worker.figures()

        await write(config, "crm", encode(dataclasses.replace(new, version=3)))
        await in_force(worker.opened)
        assert 3 == worker.version()
        assert (1, 0) == worker.figures()


async def test_a_worker_that_starts_over_an_unreadable_record_knows_what_was_readable_before(config: Config) -> None:
    """As long as the log still has it."""
    await create(config, a_subscription(config))
    await write(config, "crm", b"\xff")

    async with following(config) as worker:
        assert ["crm"] == worker.matched()
        assert not worker.opened()
        assert (1, 1) == worker.figures()


async def test_a_secret_under_a_key_that_this_worker_does_not_have_puts_deliveries_off(config: Config) -> None:
    """The record is readable, also its later fields: an edit of them is in force although nothing can be signed."""
    stranger = a_config(config.kafka_bootstrap_servers, config.topic_prefix, key=OTHER_KEY)
    await create(config, a_subscription(stranger))

    async with following(config) as worker:
        assert ["crm"] == worker.matched()
        assert not worker.opened()
        assert (1, 1) == worker.figures()

        await Subscriptions(config).edit(with_bot("bot-7"))
        await in_force(lambda: ["crm"] == worker.matched("bot-7") and [] == worker.matched("bot-1"))
        assert not worker.opened()


@pytest.mark.parametrize("known", [0, 1])
async def test_a_worker_refuses_to_start_where_its_ring_opens_nothing_at_all(config: Config, known: int) -> None:
    """It was given another's; where it opens any, only the others wait. What cannot be read tells nothing of it."""
    stranger = a_config(config.kafka_bootstrap_servers, config.topic_prefix, key=OTHER_KEY)
    await write(config, "broken", b"{}")
    await create(config, a_subscription(stranger), *[a_subscription(config, "known")] * known)
    catalogue = Catalogue(config, Index(), Metrics(), transactions=False)

    await catalogue.load()
    try:
        if known:
            catalogue.refuse_a_strange_ring()
        else:
            with pytest.raises(ConfigProblem, match="RELAY_SECRET_KEYS: opens none of the 1 subscriptions"):
                catalogue.refuse_a_strange_ring()
    finally:
        await catalogue.close()


async def test_a_worker_of_an_empty_topic_starts_with_any_ring(config: Config) -> None:
    """As it is before the first customer."""
    catalogue = Catalogue(config, Index(), Metrics(), transactions=False)
    await catalogue.load()

    catalogue.refuse_a_strange_ring()

    await catalogue.close()


async def test_one_whose_every_secret_expires_is_put_off(config: Config) -> None:
    """No writer of ours leaves one so; nothing is ever sent unsigned."""
    one = a_subscription(config)
    expiring = tuple(dataclasses.replace(secret, expires_ms=NOON) for secret in one.secrets)
    await create(config, dataclasses.replace(one, secrets=expiring))

    async with following(config) as worker:
        assert ["crm"] == worker.matched()
        assert not worker.opened()


async def test_a_subscription_that_never_could_be_read_matches_nothing_and_is_known(config: Config) -> None:
    """What is on its way to it waits, instead of being dropped as if it were deleted."""
    async with following(config) as worker:
        await write(config, "crm", b"{}")
        await in_force(lambda: worker.index.get(SubscriptionId("crm")) is not None)

        assert [] == worker.matched()
        assert not worker.opened()
        assert (1, 1) == worker.figures()

        await write(config, "crm", None)
        await in_force(lambda: worker.index.get(SubscriptionId("crm")) is None)
        assert (0, 0) == worker.figures()


async def test_a_record_whose_key_is_no_text_stops_nobody(config: Config) -> None:
    """Whoever can write to the topic cannot stop the workers that follow it."""
    async with following(config) as worker:
        async with AIOKafkaProducer(**kafka_settings(config)) as producer:
            topic = Topics(config.topic_prefix).subscriptions
            await producer.send_and_wait(topic, key=b"\xff\xfe", value=b"{}", partition=0)
        await create(config, a_subscription(config))

        await in_force(lambda: ["crm"] == worker.matched())
        assert (2, 1) == worker.figures()


async def test_a_long_topic_is_read_in_turns(config: Config) -> None:
    """Whoever else is in this loop has a turn after so many records, also of what was fetched at once."""
    topic, others, at_fetches = Topics(config.topic_prefix).subscriptions, 0, list[int]()
    async with AIOKafkaProducer(**kafka_settings(config)) as producer:
        await asyncio.gather(*[await producer.send(topic, key=b"k", partition=0) for _ in range(3 * TURN)])

    class Watched(Follower):
        async def _fetch(self) -> list[Record]:
            at_fetches.append(others)
            return await super()._fetch()

    async def do_others() -> None:
        nonlocal others
        while True:
            others += 1
            await asyncio.sleep(0)

    async with Watched(kafka_settings(config), topic, committed_only=False) as follower, asyncio.TaskGroup() as group:
        task = group.create_task(do_others())
        assert 3 * TURN == len(await follower.everything())
        task.cancel()

    assert 3 <= len(at_fetches) == len(set(at_fetches))


async def test_a_worker_disables_what_it_called_and_nothing_that_has_changed_since(config: Config) -> None:
    """On the embedded broker too, where it writes as plainly as everybody does; it is in force like any edit."""
    called, changed = a_subscription(config), a_subscription(config, "changed")
    await create(config, called, changed)
    await Subscriptions(config).edit(with_bot("bot-7", "changed"))
    disable = Disable(Subscriptions(config).edit, clock=SystemClock())
    done: list[Wish] = []

    async with following(config) as worker, asyncio.TaskGroup() as group:
        running = group.create_task(disable.run(done.append))
        for one in (called, changed):
            disable.ask(Wish(one, Gone(NOON), 410))
        await until(lambda: done, every=0.01)
        await in_force(lambda: 2 == worker.version())
        running.cancel()

    assert ["crm"] == [wish.called.id for wish in done]
    there = await Subscriptions(config).read()
    assert [State.DISABLED, State.ACTIVE] == [
        edits.found(there, SubscriptionId(ident)).state for ident in ("crm", "changed")
    ]


@pytest.mark.kafka
async def test_two_editors_at_once_lose_nothing(on_kafka: Config) -> None:
    """Eight of the same subscription, each by a connection of its own: one after the other, each over the last."""
    await create(on_kafka, a_subscription(on_kafka))
    bots = [f"bot-{number}" for number in range(8)]

    async with asyncio.TaskGroup() as group:
        for bot in bots:
            group.create_task(Subscriptions(on_kafka).edit(with_bot(bot)))

    one = await the_one(on_kafka)
    assert isinstance(one, Subscription)
    assert Counter(bots) == Counter(one.bot_ids)
    assert 1 + len(bots) == one.version


@pytest.mark.kafka
async def test_of_several_that_create_one_id_at_once_one_does(on_kafka: Config) -> None:
    """The others are told that it exists."""
    rivals = [a_subscription(on_kafka, bot_ids=(f"bot-{number}",)) for number in range(4)]

    outcomes = await asyncio.gather(
        *(Subscriptions(on_kafka).edit(edits.create(one, quota=100)) for one in rivals), return_exceptions=True
    )

    made_it = [rival for rival, outcome in zip(rivals, outcomes, strict=True) if not isinstance(outcome, BaseException)]
    assert [Conflict] * 3 == [type(one) for one in outcomes if isinstance(one, BaseException)]
    assert made_it == [await the_one(on_kafka)]


@pytest.mark.kafka
async def test_a_writer_that_was_overtaken_is_fenced_and_decides_again(on_kafka: Config) -> None:
    """Another edit between its read and its write: it reads that one too, loses nothing and prints no traceback."""
    await create(on_kafka, a_subscription(on_kafka))
    seen: list[int] = []
    printed: list[str] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: printed.append(context["message"]))
    ours = with_bot("ours")

    def overtaken(existing: Existing) -> Changes:
        seen.append(edits.found(existing, SubscriptionId("crm")).version)
        if len(seen) == 1:
            with ThreadPoolExecutor(1) as elsewhere:
                elsewhere.submit(asyncio.run, Subscriptions(on_kafka).edit(with_bot("theirs"))).result(30)
        return ours(existing)

    await Subscriptions(on_kafka).edit(overtaken)

    one = await the_one(on_kafka)
    gc.collect()
    assert isinstance(one, Subscription)
    assert [1, 2] == seen
    assert [] == printed
    assert (3, ("theirs", "ours")) == (one.version, one.bot_ids)


@pytest.mark.kafka
async def test_an_overtaken_edit_of_a_certain_version_is_a_conflict(on_kafka: Config) -> None:
    """Whoever looked at version 1 has not seen what was written meanwhile."""
    await create(on_kafka, a_subscription(on_kafka))
    ours = with_bot("ours", version=1)

    def overtaken(existing: Existing) -> Changes:
        with ThreadPoolExecutor(1) as elsewhere:
            if edits.found(existing, SubscriptionId("crm")).version == 1:
                elsewhere.submit(asyncio.run, Subscriptions(on_kafka).edit(with_bot("theirs"))).result(30)
        return ours(existing)

    with pytest.raises(Conflict, match="at version 2 by now, not 1"):
        await Subscriptions(on_kafka).edit(overtaken)

    assert ("theirs",) == getattr(await the_one(on_kafka), "bot_ids", None)


class InDoubt(Writer):
    """The first time, its commit is answered by an error although it was made, and a rival edits behind it."""

    async def _in_transaction(self, decide: Decide, last: Any) -> None:  # noqa: ANN401  its own affair
        first = not last.written
        await super()._in_transaction(decide, last)
        if first:
            await Subscriptions(self._config).edit(with_bot("theirs"))
            raise KafkaError("Unexpected error during batch delivery") from UnknownError()


class Refused(Writer):
    """The first time, its commit is refused in the middle of a rival's fence."""

    refused = False

    async def _send(self, producer: Any, changes: Sequence[Outgoing]) -> int:  # noqa: ANN401  an untyped library's
        last = await super()._send(producer, changes)
        if not self.refused:
            self.refused = True
            raise KafkaError("Unexpected error during batch delivery") from UnknownError()
        return last


@pytest.mark.kafka
@pytest.mark.parametrize(("kind", "bots"), [(InDoubt, ("ours", "theirs")), (Refused, ("ours",))])
async def test_an_edit_whose_commit_was_not_confirmed_is_made_once(
    on_kafka: Config, kind: type[Writer], bots: tuple[str, ...]
) -> None:
    """Whether it had been made is read from the log, also when a rival has edited it since."""
    await create(on_kafka, a_subscription(on_kafka))

    ours = Subscriptions(on_kafka)
    ours._writer = kind(on_kafka, Topics(on_kafka.topic_prefix).subscriptions)
    changes = await ours.edit(with_bot("ours"))

    one = await the_one(on_kafka)
    assert isinstance(one, Subscription)
    assert (1 + len(bots), bots) == (one.version, one.bot_ids)
    assert [("ours",)] == [changed.bot_ids for changed in changes.values() if changed]


@pytest.mark.kafka
async def test_a_missing_topic_is_told_with_the_command_and_not_made_by_asking(kafka: str, prefix: str) -> None:
    """The broker would make it with the wrong cleanup policy."""
    config = a_config(kafka, prefix)

    for ask in (
        Subscriptions(config).read(),
        Subscriptions(config).edit(edits.delete(SubscriptionId("crm")), by="a test"),
    ):
        with pytest.raises(TopicProblem, match=rf"no topic {prefix}\.subscriptions: `relay topics apply`"):
            await ask

    async with Broker(config) as broker:
        assert f"{prefix}.subscriptions" not in await broker.topics()


# An edit that has sent its records and then stands still in the middle of its transaction.
STANDS_STILL = """
import asyncio, sys
from relay.config import Config
from relay.model import SubscriptionId
from relay.store import edits
from relay.store.subscriptions import Subscriptions
from relay.store.writer import Writer

class StandsStill(Writer):
    async def _send(self, *what):
        await super()._send(*what)
        print("sent", flush=True)
        await asyncio.Event().wait()

bootstrap, prefix, ident = sys.argv[1:]
config = Config.read({"RELAY_KAFKA_BOOTSTRAP_SERVERS": bootstrap, "RELAY_TOPIC_PREFIX": prefix})
subscriptions = Subscriptions(config)
subscriptions._writer = StandsStill(config, prefix + ".subscriptions")
asyncio.run(subscriptions.edit(edits.delete(SubscriptionId(ident)), by="a test"))
"""


def kill_a_writer(config: Config, ident: str) -> None:
    """One was deleting this subscription, and was killed before it committed."""
    arguments = [config.kafka_bootstrap_servers, config.topic_prefix, ident]
    process = subprocess.Popen([sys.executable, "-c", STANDS_STILL, *arguments], stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        assert b"sent\n" == process.stdout.readline()
    finally:
        process.kill()
        process.communicate()


@pytest.mark.kafka
async def test_a_writer_that_was_killed_before_it_committed_has_written_nothing(on_kafka: Config) -> None:
    """The next one does not wait for its transaction to time out, and a worker sees that one's change in time."""
    await create(on_kafka, a_subscription(on_kafka))

    async with following(on_kafka) as worker:
        await asyncio.to_thread(kill_a_writer, on_kafka, "crm")
        await Subscriptions(on_kafka).edit(with_bot("bot-7"))
        await in_force(lambda: 2 == worker.version())

        assert ["crm"] == worker.matched("bot-7")
    one = await the_one(on_kafka)
    assert isinstance(one, Subscription)
    assert 2 == one.version
    told = [entry.action for entry in (await Audit(on_kafka).page()).entries]
    assert ["subscription.updated", "subscription.created"] == told  # nor has it told of what it did not do


@pytest.mark.kafka
async def test_a_killed_writer_hides_what_comes_behind_it_for_no_longer_than_its_transaction(on_kafka: Config) -> None:
    """
    Where nobody else edits.

    Readers of committed records stand still before it. The broker ends it 10 s after it began, and looks every 10 s
    for those that it has to end (transaction.abort.timed.out.transaction.cleanup.interval.ms).
    """
    await create(on_kafka, a_subscription(on_kafka))
    hidden_s = TRANSACTION_MS / 1000 + 10 + IN_FORCE_S

    async with following(on_kafka) as worker:
        await asyncio.to_thread(kill_a_writer, on_kafka, "crm")
        await write(on_kafka, "other", encode(a_subscription(on_kafka, "other")))
        took = await until(lambda: worker.version("other"), hidden_s)

        assert ["crm", "other"] == worker.matched()
    print(f"hidden for {took:.1f} s")


async def remake(config: Config, *idents: str) -> None:
    """The topic is deleted and made anew, with these subscriptions, written at once."""
    admin = AIOKafkaAdminClient(**kafka_settings(config))
    await admin.start()
    await admin.delete_topics([Topics(config.topic_prefix).subscriptions])
    await admin.close()
    await make_topics(config, Topics(config.topic_prefix).subscriptions)
    await Subscriptions(config).edit(lambda _: {SubscriptionId(one): a_subscription(config, one) for one in idents})


@pytest.mark.kafka
async def test_where_nobody_can_be_told_nothing_is_re_enabled(kafka: str, prefix: str) -> None:
    """An installation from before there were notices; whatever else is edited there."""
    config, crm = a_config(kafka, prefix), SubscriptionId("crm")
    await make_topics(config, Topics(prefix).subscriptions)
    await create(config, dataclasses.replace(a_subscription(config), state=State.DISABLED))

    await Subscriptions(config).edit(with_bot("bot-7"))  # not audited either
    with pytest.raises(TopicProblem, match=f"no topic {prefix}.notices: `relay topics apply` makes it"):
        await Subscriptions(config).edit(edits.change(crm, edits.in_state(State.ACTIVE, None), by="me", now_ms=NOON))

    one = await the_one(config)
    assert isinstance(one, Subscription)
    assert (State.DISABLED, 2) == (one.state, one.version)


@pytest.mark.kafka
@pytest.mark.parametrize("count", [1, 6], ids=["shorter", "longer"])
async def test_a_topic_that_was_deleted_and_made_anew_is_followed_as_it_is_now(on_kafka: Config, count: int) -> None:
    """What it no longer holds is gone from the index; also for a worker that stood still until all was written anew."""
    await create(on_kafka, a_subscription(on_kafka, "old"), a_subscription(on_kafka, "older"))
    idents = [f"new-{number}" for number in range(count)]

    async with following(on_kafka) as worker:
        assert ["old", "older"] == worker.matched()
        with ThreadPoolExecutor(1) as elsewhere:  # the worker's loop is held up meanwhile
            elsewhere.submit(asyncio.run, remake(on_kafka, *idents)).result(30)

        await until(lambda: idents == worker.matched())
        assert (count, 0) == worker.figures()


@pytest.mark.kafka
async def test_a_topic_that_is_made_anew_under_a_worker_that_watches_is_followed_as_it_is_now(on_kafka: Config) -> None:
    """It may see the topic gone, empty, or full again."""
    await create(on_kafka, a_subscription(on_kafka, "old"))

    async with following(on_kafka) as worker:
        await remake(on_kafka, "new-1", "new-2")

        await until(lambda: ["new-1", "new-2"] == worker.matched())
        assert (2, 0) == worker.figures()
