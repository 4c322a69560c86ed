"""
What workers have told is known before the first attempt, and from then on as they tell it. Edge (Kafka).

A worker that may not read the notices, or cannot now, works on what it sees itself. When it can, what had been failing
is counted from then: had it recovered here meanwhile, nobody would have told.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import structlog
from aiokafka.errors import KafkaError

from relay.broker import kafka_settings
from relay.clock import Clock
from relay.config import Config
from relay.pipeline.attempt import Bench
from relay.pipeline.ground import Ground
from relay.pipeline.news import News
from relay.pipeline.notices import Notices

log = structlog.get_logger()

LOAD_S = 30.0  # a worker's start waits for it: a hundred thousand notices take two
AGAIN_S = 60.0  # between tries: it is missed by nobody within a minute


class Hearsay:
    """Of one worker."""

    def __init__(self, news: News, notices: Notices, *, clock: Clock) -> None:
        self._news = news
        self._notices = notices
        self._clock = clock
        self._loaded = False

    async def load(self) -> None:
        """What was told is known, if it can be read in time. Never raises for trouble of the broker's."""
        try:
            async with asyncio.timeout(LOAD_S):
                await self._news.everything(self._notices.learn)
            self._loaded = True
        except (KafkaError, TimeoutError) as error:
            log.warning("notices.troubled", error=repr(error), retry_in_s=AGAIN_S)

    async def follow(self) -> None:
        """What is told is known, until cancelled. Never raises for trouble of the broker's."""
        while not self._loaded:
            await self._clock.sleep(AGAIN_S)
            late = partial(self._notices.learn, not_before_s=self._clock.monotonic())
            try:
                await self._news.everything(late)
                self._loaded = True
            except KafkaError as error:
                log.warning("notices.troubled", error=repr(error), retry_in_s=AGAIN_S)
        await self._news.follow(self._notices.learn)


@asynccontextmanager
async def listening(config: Config, ground: Ground, tools: Bench) -> AsyncIterator[Hearsay]:
    """
    What was told is known, and followed as long as `follow` runs.

    Raises:
        KafkaError: The broker cannot be reached.
    """
    topic = tools.topics.notices
    news = News(kafka_settings(config), topic, ground.partitions[topic], committed_only=ground.transactions)
    async with news:
        hearsay = Hearsay(news, tools.notices, clock=tools.clock)
        await hearsay.load()
        yield hearsay
