"""Notices are read back, from an embedded broker and a real Kafka alike."""

import asyncio
from typing import Any

import orjson
import pytest
from aiokafka import AIOKafkaProducer

from relay.broker import Broker
from relay.config import Config
from relay.errors import TopicProblem
from relay.notices.posted import Notices
from relay.pipeline.notice import Kind
from relay.topics import Wanted
from tests.builders import a_word
from tests.kafka.driver import until


@pytest.fixture(params=["embedded", pytest.param("kafka", marks=pytest.mark.kafka)])
def config(request: pytest.FixtureRequest, prefix: str) -> Config:
    """Of either, with topics of a test's own."""
    bootstrap: str = request.getfixturevalue(request.param)
    return Config.read({"RELAY_KAFKA_BOOTSTRAP_SERVERS": bootstrap, "RELAY_TOPIC_PREFIX": prefix})


async def made(config: Config) -> None:
    """There is a topic of notices, of several partitions."""
    async with Broker(config) as broker:
        if (await broker.capabilities()).topic_configs:
            await broker.create([Wanted(name=topic(config), partitions=4, replicas=1, configs={})])
        else:
            await broker.touch([topic(config)])


def topic(config: Config) -> str:
    return f"{config.topic_prefix}.notices"


async def write(config: Config, *values: dict[str, Any] | bytes, transaction: bool = False) -> None:
    """As workers do; or as an edit does, in a transaction."""
    ident = topic(config) if transaction else None
    async with AIOKafkaProducer(bootstrap_servers=config.kafka_bootstrap_servers, transactional_id=ident) as producer:
        if transaction:
            await producer.begin_transaction()
        for value in values:
            raw = value if isinstance(value, bytes) else orjson.dumps(value)
            key = b"key" if isinstance(value, bytes) else value["subscription_id"].encode()
            await producer.send_and_wait(topic(config), raw, key=key)
        if transaction:
            await producer.commit_transaction()


def told(kind: Kind, ident: str) -> dict[str, Any]:
    return dict(a_word(kind, subscription_id=ident).told)


async def test_what_was_told_is_on_the_board_and_so_is_what_comes(config: Config) -> None:
    """From every partition; what is no notice is passed over."""
    await made(config)
    before = [told(Kind.FAILING, f"sub_{number}") for number in range(20)]
    await write(config, *before, b"{", b"[]", {**before[0], "kind": "of tomorrow"})
    notices = Notices(config)
    await notices.start()
    try:
        assert 20 == len(notices.page(account=None)) == len(notices.standing(account=None))
        assert all(one in before for one in notices.page(account=None))

        following = asyncio.gather(notices.follow())
        await write(config, *(told(Kind.RECOVERED, f"sub_{number}") for number in range(19)))
        await until(lambda: len(notices.page(account=None)) == 39)

        assert ["sub_19"] == [one["subscription_id"] for one in notices.standing(account=None)]
        following.cancel()
    finally:
        await notices.close()


@pytest.mark.kafka
async def test_what_an_edit_tells_is_on_the_board_once_the_edit_is_made(kafka: str, prefix: str) -> None:
    """Real transactions, whose markers are offsets too; the topic is missing before it is made."""
    config = Config.read({"RELAY_KAFKA_BOOTSTRAP_SERVERS": kafka, "RELAY_TOPIC_PREFIX": prefix})
    with pytest.raises(TopicProblem, match="topics apply"):
        await Notices(config).start()
    await made(config)
    await write(config, told(Kind.DISABLED, "sub_1"), transaction=True)

    notices = Notices(config)
    await notices.start()
    await notices.close()

    assert ["disabled"] == [one["kind"] for one in notices.standing(account=None)]
