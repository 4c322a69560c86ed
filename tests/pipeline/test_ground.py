"""What a worker finds out about its broker before it touches anything, on a real Kafka unless the name says another."""

import asyncio
import base64
import itertools
import socket
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

from relay.broker import Broker
from relay.config import Config
from relay.embedded import EmbeddedBroker
from relay.errors import TopicProblem
from relay.pipeline.ground import PAUSES_S, Ground, reached
from relay.topics import Topics, Wanted, plan
from tests.kafka.driver import Relay, until

pytestmark = pytest.mark.kafka


class Door:
    """An address in front of a broker; whoever comes before it is opened is turned away."""

    def __init__(self, bootstrap: str) -> None:
        host, _, port = bootstrap.rpartition(":")
        self._broker = (host, int(port))
        self.open = False
        self.visits: list[float] = []  # on the loop's clock

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._answer, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        await self._server.wait_closed()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.visits.append(asyncio.get_running_loop().time())
        if not self.open:
            writer.close()
            return
        from_broker, to_broker = await asyncio.open_connection(*self._broker)
        async with asyncio.TaskGroup() as group:
            group.create_task(carry(reader, to_broker))
            group.create_task(carry(from_broker, writer))


async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while some := await reader.read(1 << 16):
            writer.write(some)
            await writer.drain()
    finally:
        writer.close()


def a_config(bootstrap: str, prefix: str) -> Config:
    return Config.read(
        {
            "RELAY_KAFKA_BOOTSTRAP_SERVERS": bootstrap,
            "RELAY_TOPIC_PREFIX": prefix,
            "RELAY_EVENTS_TOPICS": f"{prefix}.events",
            "RELAY_GROUP": f"{prefix}.group",
            "RELAY_RETRY_DELAYS": "1s,2s",
            "RELAY_HOLD_DELAYS": "1s,2s",
            "RELAY_SECRET_KEYS": "k1:" + base64.b64encode(bytes(32)).decode(),
        }
    )


async def prepared(config: Config, *, without: str = "", also: Sequence[Wanted] = ()) -> tuple[Wanted, ...]:
    """The topics, made as `relay topics apply --with-events` does: all but one, and others besides."""
    async with Broker(config) as broker:
        there = await broker.cluster(Topics(config.topic_prefix).of(config))
        topics = (*(one for one in plan(config, there, with_events=True) if one.name != without), *also)
        await broker.create(topics)
    return topics


async def found(config: Config) -> Ground:
    ground = await reached(config, asyncio.Event())
    assert ground is not None
    return ground


async def own_topics(config: Config) -> set[str]:
    """What there is of this test's topics, asked for so that none is created."""
    async with Broker(config) as broker:
        return {name for name in await broker.topics() if name.startswith(config.topic_prefix)}


async def behind(config: Config) -> dict[str, int]:
    """How many events the group has ahead; all of them, if it has committed nothing."""
    async with Broker(config) as broker:
        return await broker.backlog(config.group, config.events_topics)


async def test_every_topic_is_found_with_its_partitions(kafka: str, prefix: str) -> None:
    """And that this broker can do transactions."""
    config = a_config(kafka, prefix)
    topics = await prepared(config)

    ground = await found(config)

    assert {one.name: one.partitions for one in topics}.items() <= ground.partitions.items()
    assert ground.transactions


async def test_brokers_are_known_by_name_and_by_address(kafka: str, prefix: str) -> None:
    """By what the configuration calls them and by their own word, for no webhook may be sent to any of these."""
    await prepared(a_config(kafka, prefix))
    host, _, port = kafka.rpartition(":")
    async with Door(kafka) as door:
        door.open = True

        ground = await found(a_config(f"localhost:{door.port}", prefix))

    assert {("localhost", door.port), ("127.0.0.1", door.port), (host, int(port))} <= ground.brokers
    assert {door.port, int(port)} == {each for _, each in ground.brokers}


async def test_the_group_knows_where_it_starts(kafka: str, prefix: str, tmp_path: Path) -> None:
    """Behind what there was, which is committed at once; what comes later is ahead of it, also after another look."""
    config = a_config(kafka, prefix)
    await prepared(config)
    relay = Relay(kafka, prefix, tmp_path)
    await relay.produce([(b"k", b"{}"), (b"k", b"{}")])
    assert {config.events_topics[0]: 2} == await behind(config)

    await found(config)
    assert {config.events_topics[0]: 0} == await behind(config)
    await relay.produce([(b"k", b"{}")])
    await found(config)

    assert {config.events_topics[0]: 1} == await behind(config)


async def test_without_any_topic_every_one_is_named_and_none_is_created(kafka: str, prefix: str) -> None:
    """Each with the command that makes it; the broker would create them at a metadata request by name, and wrongly."""
    config = a_config(kafka, prefix)

    with pytest.raises(TopicProblem) as refused:
        await found(config)

    told = dict(line.split(": ", 1) for line in str(refused.value).splitlines())
    assert {*config.events_topics, *Topics(prefix).of(config)} == told.keys()
    assert all("relay topics apply" in remedy for remedy in told.values())
    assert "relay topics apply --with-events" in told[config.events_topics[0]]
    assert set() == await own_topics(config)


async def test_one_missing_topic_is_named_alone(kafka: str, prefix: str, tmp_path: Path) -> None:
    """It is not created, and the group starts nowhere yet."""
    config = a_config(kafka, prefix)
    missing = Topics(prefix).results
    topics = await prepared(config, without=missing)
    await Relay(kafka, prefix, tmp_path).produce([(b"k", b"{}")])

    with pytest.raises(TopicProblem) as refused:
        await found(config)

    assert f"{missing}: the topic does not exist; `relay topics apply` makes it" == str(refused.value)
    assert {one.name for one in topics} == await own_topics(config)
    assert {config.events_topics[0]: 1} == await behind(config)


async def test_a_topic_that_would_break_a_promise_is_told_with_what_mends_it(kafka: str, prefix: str) -> None:
    """A log of retries that compacts them away, say."""
    config = a_config(kafka, prefix)
    wrong = Topics(prefix).deliveries(1)
    configs = {"cleanup.policy": "compact"}
    await prepared(config, without=wrong, also=[Wanted(name=wrong, partitions=4, replicas=1, configs=configs)])

    with pytest.raises(TopicProblem, match=rf"{wrong}: cleanup.policy is compact.*; kafka-configs.sh --alter"):
        await found(config)


async def test_what_is_only_worth_a_note_is_no_reason_not_to_start(kafka: str, prefix: str) -> None:
    """A delivery topic that no delay names any more is found too: what waits in it is still delivered."""
    config = a_config(kafka, prefix)
    left_over = Topics(prefix).deliveries(77)
    await prepared(config, also=[Wanted(name=left_over, partitions=3, replicas=1, configs={})])

    assert 3 == (await found(config)).partitions[left_over]


async def test_what_the_console_alone_needs_stops_no_worker(kafka: str, prefix: str) -> None:
    """Missing, as in an installation from before there was one; or made as nobody should."""
    config, topics = a_config(kafka, prefix), Topics(prefix)
    async with Broker(config) as broker:
        there = await broker.cluster(topics.of(config))
        needed = [one for one in plan(config, there, with_events=True) if one.name not in topics.console]
        await broker.create([*needed, Wanted(name=topics.tokens, partitions=3, replicas=1, configs={})])

    ground = await found(config)

    assert {one.name for one in needed} <= ground.partitions.keys()
    assert not {topics.audit, topics.runs} & await own_topics(config)


async def test_the_embedded_broker_makes_the_topics_when_asked() -> None:
    """It can tell no settings and do no transactions; nobody need prepare a demo."""
    with EmbeddedBroker() as embedded:
        config = a_config(embedded.bootstrap, "demo")

        ground = await found(config)

    assert {*config.events_topics, *Topics("demo").of(config)} == {*ground.partitions}
    assert not ground.transactions


async def test_a_broker_that_comes_late_is_found(kafka: str, prefix: str) -> None:
    """However often it was not there before."""
    await prepared(a_config(kafka, prefix))
    async with Door(kafka) as door, asyncio.TaskGroup() as group:
        looking = group.create_task(found(a_config(f"127.0.0.1:{door.port}", prefix)))
        await until(lambda: len(door.visits) >= 2)
        assert not looking.done()

        door.open = True

        assert f"{prefix}.events" in (await looking).partitions


async def test_tries_are_further_and_further_apart_until_it_is_told_to_stop(prefix: str) -> None:
    """A broker that comes back is not overrun; and a stop is heard during a pause, not after it."""
    stop = asyncio.Event()
    async with Door("127.0.0.1:1") as door, asyncio.TaskGroup() as group:
        looking = group.create_task(reached(a_config(f"127.0.0.1:{door.port}", prefix), stop))
        await until(lambda: len(door.visits) >= 3)
        assert not looking.done()

        stop.set()
        async with asyncio.timeout(PAUSES_S[2] - 1):
            ground = await looking

    assert ground is None
    gaps_s = [after - before for before, after in itertools.pairwise(door.visits)]
    assert 2 == len(gaps_s)
    assert all(gap_s > 0.9 * pause_s for gap_s, pause_s in zip(gaps_s, PAUSES_S, strict=False))


async def test_a_stop_is_heard_while_the_broker_does_not_answer(prefix: str) -> None:
    """A port that takes connections and says nothing holds a question for seconds, and nobody that wants to stop."""
    stop = asyncio.Event()
    asked = asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.set()
        await reader.read()
        writer.close()

    async with await asyncio.start_server(silent, "127.0.0.1", 0) as server, asyncio.TaskGroup() as group:
        port = server.sockets[0].getsockname()[1]
        looking = group.create_task(reached(a_config(f"127.0.0.1:{port}", prefix), stop))
        await asked.wait()

        stop.set()
        async with asyncio.timeout(3):
            assert await looking is None


async def test_who_was_told_to_stop_before_does_not_look(prefix: str) -> None:
    """No broker, and no fault: nothing was found."""
    stop = asyncio.Event()
    stop.set()
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))  # bound and not listening: refused, and nobody else's

        assert await reached(a_config(f"127.0.0.1:{one.getsockname()[1]}", prefix), stop) is None
