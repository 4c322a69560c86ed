"""
What relay needs of a broker: one suite, for the embedded one and a real Kafka alike.

What only a real one can do (make topics, tell their settings, share a group among several members) stands at the end.
"""

import asyncio
import base64
import contextlib
import socket
import time
from collections.abc import Sequence

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import RecordsToDelete
from aiokafka.structs import OffsetAndMetadata

from relay.broker import Broker, Capabilities, kafka_settings
from relay.config import Config
from relay.embedded import EmbeddedBroker
from relay.errors import RelayError, Unreachable
from relay.model import Record
from relay.topics import Topics, Wanted, plan
from tests.kafka.driver import create_topic

ANSWER_S = 10  # a command says within so long that there is no broker
METADATA = "m" * 3_900  # what the settled map may take of a commit


@pytest.fixture(params=["embedded", pytest.param("kafka", marks=pytest.mark.kafka)])
def bootstrap(request: pytest.FixtureRequest) -> str:
    """The bootstrap servers of either; it is the fixture of that name."""
    address: str = request.getfixturevalue(request.param)
    return address


def a_config(bootstrap: str, prefix: str = "relay") -> Config:
    return Config.read(
        {
            "RELAY_KAFKA_BOOTSTRAP_SERVERS": bootstrap,
            "RELAY_TOPIC_PREFIX": prefix,
            "RELAY_EVENTS_TOPICS": f"{prefix}.events",
            "RELAY_SECRET_KEYS": "k1:" + base64.b64encode(bytes(32)).decode(),
        }
    )


def a_topic(name: str, *, partitions: int = 4, replicas: int = 1, **configs: str) -> Wanted:
    settings = {setting.replace("_", "."): value for setting, value in configs.items()}
    return Wanted(name=name, partitions=partitions, replicas=replicas, configs=settings)


async def exists(config: Config, *names: str) -> None:
    """The topics are there, with four partitions each, however this broker makes them."""
    async with Broker(config) as broker:
        if (await broker.capabilities()).topic_configs:
            await broker.create([a_topic(name) for name in names])
        await broker.touch(names)


async def produce(config: Config, topic: str, *values: bytes, partition: int | None = None) -> list[int]:
    """Their offsets, each acknowledged; as relay's own producer does it."""
    async with AIOKafkaProducer(**kafka_settings(config), enable_idempotence=True, acks="all") as producer:
        sent = [
            await producer.send(topic, key=b"k", value=one, partition=partition, headers=[("h", one)]) for one in values
        ]
        return [(await one).offset for one in sent]


async def taken(consumer: AIOKafkaConsumer, count: int) -> list[bytes]:
    """The values of so many records."""
    values: list[bytes] = []
    while len(values) < count:
        batches = await consumer.getmany(timeout_ms=200)
        values += [record.value for batch in batches.values() for record in batch]
    return values


def a_member(config: Config, group: str) -> AIOKafkaConsumer:
    """Of a group, as the worker is one: nothing commits by itself, and nothing is left to the reset policy."""
    return AIOKafkaConsumer(
        **kafka_settings(config), group_id=group, enable_auto_commit=False, auto_offset_reset="none",
        heartbeat_interval_ms=1_000,
    )  # fmt: skip


async def commit(config: Config, group: str, offsets: dict[TopicPartition, OffsetAndMetadata]) -> None:
    """Committed by nobody who is a member."""
    async with a_member(config, group) as consumer:
        consumer.assign(list(offsets))
        await consumer.commit(offsets)


async def read_back(config: Config, group: str, ats: Sequence[TopicPartition]) -> dict[TopicPartition, tuple[int, str]]:
    """Offset and metadata of each partition that has any, in one fetch, as the worker asks for them."""
    async with a_member(config, group) as consumer:
        consumer.assign(list(ats))
        found = await consumer._coordinator.fetch_committed_offsets(list(ats))
    return {at: (one.offset, one.metadata) for at, one in found.items()}


async def test_listing_topics_creates_none(bootstrap: str, prefix: str) -> None:
    """A metadata request by name would, with the wrong settings, on Kafka's defaults."""
    config = a_config(bootstrap, prefix)

    async with Broker(config) as broker:
        first = await broker.topics()
        second = await broker.topics()

    assert not [name for name in (*first, *second) if name.startswith(prefix)]


async def test_a_topic_that_exists_is_listed_with_its_partitions(bootstrap: str, prefix: str) -> None:
    """Those of other installations beside it."""
    config = a_config(bootstrap, prefix)
    await exists(config, f"{prefix}.events", f"{prefix}-other.events")

    async with Broker(config) as broker:
        partitions = await broker.topics()

    assert {f"{prefix}.events": 4, f"{prefix}-other.events": 4}.items() <= partitions.items()


async def test_a_broker_says_what_it_can(bootstrap: str, embedded: str) -> None:
    """A real one can do all of it, the embedded one none: what relay does without, it decides from this."""
    real = bootstrap != embedded

    async with Broker(a_config(bootstrap)) as broker:
        told = await broker.capabilities()

    assert Capabilities(transactions=real, topic_configs=real) == told


async def test_a_broker_says_where_it_is(bootstrap: str) -> None:
    """So that no webhook is sent to it."""
    async with Broker(a_config(bootstrap)) as broker:
        told = broker.brokers()

    assert [bootstrap] == [f"{host}:{port}" for host, port in told]


async def test_touching_a_topic_that_exists_changes_nothing(bootstrap: str, prefix: str) -> None:
    """Twice is as good as once."""
    config = a_config(bootstrap, prefix)
    await exists(config, f"{prefix}.events")

    async with Broker(config) as broker:
        before = await broker.topics()
        await broker.touch([f"{prefix}.events"])
        after = await broker.topics()

    assert before[f"{prefix}.events"] == after[f"{prefix}.events"]


async def test_records_come_back_in_order_with_key_headers_and_time(bootstrap: str, prefix: str) -> None:
    """One partition's offsets rise by one; the idempotent producer's batches among them."""
    config = a_config(bootstrap, prefix)
    topic = f"{prefix}.events"
    await exists(config, topic)
    before_ms = time.time_ns() // 1_000_000
    values = [str(number).encode() for number in range(500)]

    offsets = await produce(config, topic, *values, partition=2)

    async with AIOKafkaConsumer(**kafka_settings(config), auto_offset_reset="none") as consumer:
        at = TopicPartition(topic, 2)
        consumer.assign([at])
        consumer.seek(at, 0)
        records: list[Record] = []
        while len(records) < len(values):
            records += (await consumer.getmany(at, timeout_ms=200)).get(at, [])
    assert list(range(500)) == offsets
    assert [(number, b"k", value, (("h", value),)) for number, value in enumerate(values)] == [
        (record.offset, record.key, record.value, tuple(record.headers)) for record in records
    ]
    assert all(before_ms <= record.timestamp <= time.time_ns() // 1_000_000 for record in records)


async def test_a_record_as_large_as_an_event_may_be_is_taken_and_given_back(bootstrap: str, prefix: str) -> None:
    """An event of RELAY_MAX_EVENT_BYTES and what a record says about it."""
    config = a_config(bootstrap, prefix)
    topic = f"{prefix}.events"
    limit = str(config.max_message_bytes)
    async with Broker(config) as broker:
        if (await broker.capabilities()).topic_configs:
            await broker.create([a_topic(topic, max_message_bytes=limit)])
        await broker.touch([topic])
    largest = bytes(config.max_event_bytes)

    async with AIOKafkaProducer(
        **kafka_settings(config), enable_idempotence=True, max_request_size=config.max_message_bytes
    ) as producer:
        await producer.send_and_wait(topic, value=largest, partition=0)
    async with AIOKafkaConsumer(**kafka_settings(config), auto_offset_reset="earliest") as consumer:
        consumer.assign([TopicPartition(topic, 0)])
        (value,) = await taken(consumer, 1)

    assert largest == value


async def test_a_commit_comes_back_with_its_metadata(bootstrap: str, prefix: str) -> None:
    """All of it, in the coordinator's one fetch; a partition without a commit is not there."""
    config = a_config(bootstrap, prefix)
    topic = f"{prefix}.events"
    await exists(config, topic)
    await produce(config, topic, *[b"v"] * 5, partition=1)
    ats = [TopicPartition(topic, number) for number in range(4)]

    await commit(config, f"{prefix}.group", {ats[1]: OffsetAndMetadata(3, METADATA), ats[2]: OffsetAndMetadata(0, "")})
    told = await read_back(config, f"{prefix}.group", ats)

    assert {ats[1]: (3, METADATA), ats[2]: (0, "")} == told


async def test_a_group_goes_on_from_what_was_committed(bootstrap: str, prefix: str) -> None:
    """The next member of it, with nothing in between left out."""
    config = a_config(bootstrap, prefix)
    topic = f"{prefix}.events"
    await exists(config, topic)
    await produce(config, topic, b"0", b"1", b"2", b"3", partition=0)
    commits = {TopicPartition(topic, number): OffsetAndMetadata(0, "") for number in range(4)}

    await commit(config, f"{prefix}.group", commits | {TopicPartition(topic, 0): OffsetAndMetadata(2, "")})
    async with a_member(config, f"{prefix}.group") as consumer:
        consumer.subscribe([topic])
        values = await taken(consumer, 2)

    assert [b"2", b"3"] == values


async def test_the_backlog_is_what_lies_between_the_commits_and_the_ends(bootstrap: str, prefix: str) -> None:
    """Of each topic over its partitions; one without a commit counts whole."""
    config = a_config(bootstrap, prefix)
    half, whole, none = (f"{prefix}.deliveries.{name}" for name in ("5s", "30s", "2m"))
    group = Topics(prefix).deliveries_group
    await exists(config, half, whole, none)
    await produce(config, half, *[b"v"] * 5, partition=0)
    await produce(config, half, *[b"v"] * 2, partition=3)
    await produce(config, whole, *[b"v"] * 3, partition=1)
    await commit(config, group, {TopicPartition(half, 0): OffsetAndMetadata(4, METADATA)})

    async with Broker(config) as broker:
        behind = await broker.backlog(group, [half, whole, none])
        nothing = await broker.backlog(group, [])

    assert {half: 1 + 2, whole: 3, none: 0} == behind
    assert {} == nothing


async def test_a_closed_port_is_told_in_time(prefix: str) -> None:
    """With where it was looked for and what to look at."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))  # bound and not listening: refused, and nobody else's
        address = f"127.0.0.1:{one.getsockname()[1]}"

        async with asyncio.timeout(ANSWER_S):
            with pytest.raises(Unreachable, match=rf"no Kafka answers at {address}.*RELAY_KAFKA_BOOTSTRAP_SERVERS"):
                async with Broker(a_config(address, prefix)):
                    pass


async def test_ports_that_accept_and_never_answer_are_told_in_time(prefix: str) -> None:
    """A firewall, or something that is no Kafka; several take no longer than one."""
    with contextlib.ExitStack() as stack:
        silent = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(3)]
        addresses = ",".join(f"127.0.0.1:{one.getsockname()[1]}" for one in silent)

        async with asyncio.timeout(ANSWER_S):
            with pytest.raises(Unreachable, match=rf"no Kafka answers at {addresses}"):
                async with Broker(a_config(addresses, prefix)):
                    pass


async def test_a_broker_that_is_gone_meanwhile_is_told_in_time(prefix: str) -> None:
    """Whatever it is asked."""
    with EmbeddedBroker() as embedded:
        broker = await Broker(a_config(embedded.bootstrap, prefix)).__aenter__()
    try:
        async with asyncio.timeout(ANSWER_S):
            for question in (broker.topics(), broker.capabilities(), broker.cluster([])):
                with pytest.raises(Unreachable, match="no Kafka answers"):
                    await question
    finally:
        await broker.__aexit__(None, None, None)


@pytest.mark.kafka
async def test_what_the_plan_says_is_made_and_nothing_is_left_to_plan(kafka: str, prefix: str) -> None:
    """With every setting as it was wanted, on a broker whose own defaults are others."""
    config = a_config(kafka, prefix)
    names = (*Topics(prefix).of(config), *Topics(prefix).console)

    async with Broker(config) as broker:
        before = await broker.cluster(names)
        await broker.create(plan(config, before, with_events=True))
        after = await broker.cluster(names)

    made = plan(config, before, with_events=False)
    assert set(names) == {one.name for one in made}
    assert {} == before.configs
    assert () == plan(config, after, with_events=True)
    assert {one.name: one.partitions for one in made}.items() <= after.partitions.items()
    assert all(one.configs.items() <= after.configs[one.name].items() for one in made)
    assert (1, 1) == (before.brokers, after.brokers)


@pytest.mark.kafka
async def test_asking_for_the_settings_of_a_topic_that_is_not_there_does_not_make_it(kafka: str, prefix: str) -> None:
    """The settings are those of the topics that exist."""
    config = a_config(kafka, prefix)

    async with Broker(config) as broker:
        cluster = await broker.cluster([f"{prefix}.results"])
        partitions = await broker.topics()

    assert {} == cluster.configs
    assert f"{prefix}.results" not in partitions


@pytest.mark.kafka
async def test_a_topic_that_somebody_else_made_meanwhile_stays_as_it_is(kafka: str, prefix: str) -> None:
    """Two operators at once are no failure, and the others are made all the same."""
    config = a_config(kafka, prefix)
    theirs, ours = f"{prefix}.results", f"{prefix}.progress"
    await create_topic(kafka, theirs, 2, retention_ms="1000")

    async with Broker(config) as broker:
        await broker.create([a_topic(theirs, retention_ms="2000"), a_topic(ours, retention_ms="2000")])
        cluster = await broker.cluster([theirs, ours])

    assert (2, 4) == (cluster.partitions[theirs], cluster.partitions[ours])
    assert ["1000", "2000"] == [cluster.configs[name]["retention.ms"] for name in (theirs, ours)]


@pytest.mark.kafka
async def test_what_the_broker_refuses_is_told_by_topic_and_reason(kafka: str, prefix: str) -> None:
    """More replicas than brokers, and a setting that is none: both, at once."""
    config = a_config(kafka, prefix)
    many, odd = a_topic(f"{prefix}.many", replicas=3), a_topic(f"{prefix}.odd", cleanup_policy="never")

    async with Broker(config) as broker:
        with pytest.raises(RelayError, match="the broker refused to make topics") as refused:
            await broker.create([many, odd])
        partitions = await broker.topics()

    assert not isinstance(refused.value, Unreachable)
    assert f"{prefix}.many: InvalidReplicationFactorError" in str(refused.value)
    assert f"{prefix}.odd: InvalidConfigurationError" in str(refused.value)
    assert not {many.name, odd.name} & partitions.keys()


@pytest.mark.kafka
async def test_a_group_shares_the_partitions_and_a_member_that_leaves_gives_its_own_back(
    kafka: str, prefix: str
) -> None:
    """Each partition is one member's. The embedded broker refuses a second member, and the demo has one."""
    config = a_config(kafka, prefix)
    topic = f"{prefix}.events"
    await exists(config, topic)
    everything = {TopicPartition(topic, number) for number in range(4)}

    async def holds(*members: AIOKafkaConsumer) -> list[set[TopicPartition]]:
        while True:  # nobody's turn comes until it has asked
            for member in members:
                await member.getmany(timeout_ms=50)
            held = [set(member.assignment()) for member in members]
            if all(held) and everything == set().union(*held) and sum(map(len, held)) == 4:
                return held

    first, second = (a_member(config, f"{prefix}.group") for _ in range(2))
    await commit(config, f"{prefix}.group", {at: OffsetAndMetadata(0, "") for at in everything})
    async with first:
        first.subscribe([topic])
        alone = await holds(first)
        async with second:
            second.subscribe([topic])
            shared = await holds(first, second)
        again = await holds(first)

    assert [everything] == alone == again
    assert [2, 2] == [len(held) for held in shared]


@pytest.mark.kafka
async def test_the_backlog_leaves_out_what_is_no_longer_in_the_log(kafka: str, prefix: str) -> None:
    """A group that never read a topic has only what is left of it ahead."""
    config = a_config(kafka, prefix)
    topic = f"{prefix}.deliveries.5s"
    await exists(config, topic)
    await produce(config, topic, *[b"%d" % number for number in range(7)], partition=0)
    async with Broker(config) as broker:
        await broker._admin.delete_records({TopicPartition(topic, 0): RecordsToDelete(before_offset=4)})

        behind = await broker.backlog("nobody", [topic])

    assert {topic: 3} == behind
