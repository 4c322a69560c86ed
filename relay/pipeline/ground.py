"""
The ground under a worker's feet, looked at before anything is touched: the broker is there, its topics are as they must
be, the group knows where it starts. Edge.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

import structlog
from aiokafka.errors import KafkaError

from relay.broker import Broker, bootstrap, kafka_settings
from relay.config import Config
from relay.ending import unless
from relay.errors import TopicProblem, Unreachable
from relay.findings import Grade, examine
from relay.pipeline.own import with_addresses
from relay.pipeline.start import establish_start
from relay.refusals import lost
from relay.topics import Topics

log = structlog.get_logger()

PAUSES_S = (1, 2, 5, 10)  # between tries to reach a broker: soon at first, and never a burden on one that comes back


@dataclass(frozen=True, slots=True)
class Ground:
    """What the broker was found to be before anything was touched."""

    partitions: Mapping[str, int]  # topic -> how many
    transactions: bool
    brokers: frozenset[tuple[str, int]]  # host and port, by name and by address


async def reached(config: Config, stop: asyncio.Event) -> Ground | None:
    """
    What the broker was found to be, however long it takes to come; None: told to stop meanwhile.

    Raises:
        TopicProblem: A topic is missing or could not keep a promise; nothing was read.
        NotAllowed: The broker refuses us, or what we ask for.
    """
    tries = 0
    while not stop.is_set():
        try:
            return await unless(stop, _look(config))
        except Unreachable as error:
            pause_s = PAUSES_S[min(tries, len(PAUSES_S) - 1)]
            tries += 1
            log.warning("broker.unreachable", error=str(error), retry_in_s=pause_s)
            await unless(stop, asyncio.sleep(pause_s))
    return None


async def _look(config: Config) -> Ground:
    """The topics are as they must be, and the group knows where it starts."""
    own = Topics(config.topic_prefix).of(config)
    async with Broker(config) as broker:
        able = await broker.capabilities()
        if able.topic_configs:
            needed = {*config.events_topics, *own}  # what is wrong with the console's topics stops no delivery
            findings = [one for one in examine(config, await broker.cluster(own)) if one.topic in needed]
            if problems := [str(one) for one in findings if one.grade is not Grade.NOTE]:
                raise TopicProblem("\n".join(problems))
        else:
            await broker.touch((*config.events_topics, *own))
        partitions = await broker.topics()
        brokers = await with_addresses([*broker.brokers(), *bootstrap(config)])
    try:
        await establish_start(kafka_settings(config), config.group, config.events_topics, config.start, partitions)
    except KafkaError as error:
        raise lost(error, config.kafka_bootstrap_servers) from error
    return Ground(partitions, able.transactions, brokers)
