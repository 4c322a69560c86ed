"""`relay send`: sample events to the events topic."""

import asyncio
import random
import sys
from collections.abc import Iterator
from typing import Any

import orjson
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from rich.console import Console
from rich.progress import track

from relay.broker import Broker, kafka_settings
from relay.cli.common import Common
from relay.cli.patience import Steps, ask, publish, started
from relay.clock import SystemClock
from relay.config import Config
from relay.errors import Invalid, Problem, TopicProblem
from relay.refusals import lost
from relay.samples import ACCOUNT, sample_event
from relay.settings import shown
from relay.store.forms import account_id, event_type

COMMON = Common()
MOST = 1_000_000  # a slip of the finger should not fill a disk
LONG = 1_000  # from here on a bar shows how far it is
DOUBT = ", and some events may have been published"


def send(
    *,
    count: int = 1,
    type: str = "lead.updated",  # noqa: A002  the option's name
    account: str = ACCOUNT,
    common: Common = COMMON,
) -> int:
    """
    Publish sample events, as the platform would, and wait until the broker has them.

    Args:
        count: How many, each of a lead of its own.
        type: lead.created, lead.updated, lead.completed; LeadUpdated and lead:updated mean the same.
        account: The account of the leads.
    """
    config = common.load("kafka_bootstrap_servers")
    problems = [] if 1 <= count <= MOST else [Problem("count", f"must be from 1 to {MOST}", str(count))]
    try:
        canonical = event_type(type)
    except ValueError as rule:
        problems.append(Problem("type", str(rule)))
    try:
        account_id(account)
    except ValueError as rule:
        problems.append(Problem("account", str(rule), shown(account)))
    if problems:
        raise Invalid(*problems)
    ask(config, _ready(config))
    steps = Steps()
    publish(_published(config, count, canonical, account, steps), steps, doubt=DOUBT)
    common.show_one({"topic": config.events_topics[0], "events": count, "type": canonical, "account_id": account})
    return 0


async def _ready(config: Config) -> None:
    """The events topic is there."""
    topic = config.events_topics[0]
    async with Broker(config) as broker:
        if (await broker.capabilities()).topic_configs and await broker.missing(topic):
            raise TopicProblem(
                f"there is no topic {topic}: the platform makes it, or `relay topics apply --with-events`"
            )


async def _published(config: Config, count: int, canonical: str, account: str, steps: Steps) -> None:
    topic = config.events_topics[0]
    clock, dice = SystemClock(), random.Random()  # noqa: S311  sample data
    producer = AIOKafkaProducer(**kafka_settings(config), enable_idempotence=True, linger_ms=5)
    try:
        async with started(producer):
            waiting: list[asyncio.Future[Any]] = []
            for _ in _shown(count):
                event = sample_event(canonical, now_ms=clock.now_ms(), random=dice, account_id=account)
                key = event["resource_id"].encode()
                waiting.append(await producer.send(topic, key=key, value=orjson.dumps(event)))
                steps.made += 1
                if len(waiting) >= LONG:
                    await _acknowledged(waiting, steps)
            await _acknowledged(waiting, steps)
    except KafkaError as error:
        raise lost(error, config.kafka_bootstrap_servers, DOUBT) from error


async def _acknowledged(waiting: list[asyncio.Future[Any]], steps: Steps) -> None:
    for sent in waiting:
        await sent
        steps.made += 1
    waiting.clear()


def _shown(count: int) -> Iterator[int]:
    if count < LONG or not sys.stderr.isatty():
        yield from range(count)
    else:
        yield from track(range(count), "sending", console=Console(stderr=True))
