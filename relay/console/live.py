"""
Results as they are written, for whoever looks on: one reader for all of them, and only while somebody does. Edge.

The last few are kept, so that somebody who was cut off goes on where they were. A reader that the log outruns goes to
its end, and whoever looks on is told how many were passed over: nobody reads ten thousand a second.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from relay.broker import Broker, kafka_settings
from relay.config import Config
from relay.ending import begin, let_go
from relay.errors import RelayError, Unreachable
from relay.store.history.rows import read
from relay.store.history.values import Delivery, Unreadable
from relay.topics import Topics

log = structlog.get_logger()

KEPT = 1_000  # results, for those who were cut off: some 2 MB
WAITING = 500  # of one onlooker that reads slowly; one with more is let go
MOST_ONLOOKERS = 200  # of one console: each is a connection, and a queue
MOST_OF_ACCOUNT = 20  # of those who are bound to one: nine others have room, and operators
BEHIND = 5_000  # records; a reader that is further from the end goes there
TURN = 100  # records told in one turn of the loop: onlookers take theirs between two, and their queues hold more
WAIT_MS = 200
LINGER_S = 60.0  # the reader stays so long after the last onlooker, who may be back at once
AGAIN_S = 2.0


@dataclass(frozen=True, slots=True)
class Result:
    """One record of the results topic."""

    id: str  # asks for what comes behind it
    attempt_id: str
    delivery: Delivery  # of which this record were all that is known


@dataclass(frozen=True, slots=True)
class Missed:
    """Some were passed over; None: nobody knows how many."""

    id: str
    count: int | None


News = Result | Missed
Wants = Callable[[Delivery], bool]  # whether an onlooker wants to see it


class TooSlow(RelayError):
    """An onlooker that does not read what it asked for."""


@dataclass(eq=False, slots=True)
class _Onlooker:
    wants: Wants
    account: str | None
    queue: asyncio.Queue[News] = field(default_factory=lambda: asyncio.Queue(WAITING))
    dropped: bool = False


class Live:
    """What is written from now on."""

    def __init__(self, config: Config, *, epoch: str) -> None:
        """
        Args:
            config: Where the broker is.
            epoch: Tells this process's ids from another's.
        """
        self._config = config
        self._topic = Topics(config.topic_prefix).results
        self._epoch = epoch
        self._kept: deque[tuple[int, News]] = deque(maxlen=KEPT)
        self._onlookers: set[_Onlooker] = set()
        self._wanted = asyncio.Event()
        self._last = 0

    @property
    def onlookers(self) -> int:
        """How many there are."""
        return len(self._onlookers)

    async def run(self) -> None:
        """Reads while somebody looks on, until cancelled. Never raises for trouble of the broker's."""
        while True:
            await self._wanted.wait()
            try:
                await self._read()
            except (KafkaError, RelayError, OSError) as error:
                log.warning("live.troubled", error=str(error) or repr(error))
                await asyncio.sleep(AGAIN_S)
            self._tell_missed(None)  # nobody knows what was written meanwhile

    async def news(self, after: str | None, wants: Wants, *, account: str | None = None) -> AsyncGenerator[News, None]:
        """
        What comes, for ever.

        Args:
            after: The id of the last that was seen; None: only what comes from now on.
            wants: Which of it; what is passed over for somebody takes none of their room.
            account: Which they are bound to; None: to none.

        Raises:
            Unreachable: Too many look on.
            TooSlow: This one does not keep up.
        """
        if len(self._onlookers) >= MOST_ONLOOKERS:
            raise Unreachable(f"{MOST_ONLOOKERS} look on already: try again later")
        if account is not None and sum(one.account == account for one in self._onlookers) >= MOST_OF_ACCOUNT:
            raise Unreachable(f"{MOST_OF_ACCOUNT} of your account look on already: try again later")
        one = _Onlooker(wants, account)
        missed = [news for news in self._since(after) if _fits(one, news)]
        self._onlookers.add(one)
        self._wanted.set()
        try:
            for news in missed:
                yield news
            while not one.dropped or not one.queue.empty():
                yield await one.queue.get()
            raise TooSlow(f"more than {WAITING} results waited to be read: connect again, with Last-Event-ID")
        finally:
            self._onlookers.discard(one)

    def _since(self, after: str | None) -> list[News]:
        """What was kept of what came since; or that some were missed."""
        if after is None:
            return []
        epoch, _, number = after.partition("-")
        seen = int(number) if number.isascii() and number.isdigit() and len(number) < 20 else -1  # noqa: PLR2004  of an int
        oldest = self._kept[0][0] if self._kept else self._last + 1
        if epoch != self._epoch or not oldest - 1 <= seen <= self._last:
            return [Missed(self._id(self._last), None)]
        return [news for at, news in self._kept if at > seen]

    async def _read(self) -> None:
        async with Broker(self._config) as broker:
            partitions = (await broker.topics()).get(self._topic)
        if partitions is None:
            raise RelayError(f"there is no topic {self._topic}")
        consumer = AIOKafkaConsumer(
            **kafka_settings(self._config),
            enable_auto_commit=False,
            auto_offset_reset="latest",
            fetch_max_wait_ms=WAIT_MS,
            metadata_max_age_ms=10_000,
        )
        await begin(consumer)
        try:
            ats = [TopicPartition(self._topic, number) for number in range(partitions)]
            consumer.assign(ats)
            await consumer.seek_to_end()
            await self._follow(consumer, ats)
        finally:
            await let_go(consumer.stop())

    async def _follow(self, consumer: Any, ats: list[TopicPartition]) -> None:  # noqa: ANN401  an untyped library's
        clock = asyncio.get_running_loop()
        alone_s: float | None = None
        while True:
            for records in (await consumer.getmany(timeout_ms=WAIT_MS, max_records=TURN)).values():
                for record in records:
                    self._tell(record.value)
            await asyncio.sleep(0)  # what is buffered is given without a wait, turn after turn
            if len(consumer.partitions_for_topic(self._topic) or ()) > len(ats):
                return  # it has more by now: read anew
            await self._skip(consumer, ats)
            if self._onlookers:
                alone_s = None
            elif alone_s is None:
                alone_s = clock.time()
            elif clock.time() - alone_s > LINGER_S:
                self._wanted.clear()
                return

    async def _skip(self, consumer: Any, ats: list[TopicPartition]) -> None:  # noqa: ANN401
        ends = {at: consumer.highwater(at) for at in ats}
        behind = sum([end - await consumer.position(at) for at, end in ends.items() if end is not None])
        if behind > BEHIND:
            for at, end in ends.items():
                if end is not None:
                    consumer.seek(at, end)
            self._tell_missed(behind)

    def _tell(self, value: bytes | None) -> None:
        told = read(0, value)
        if not isinstance(told, Unreadable):
            attempt, delivery = told
            number = self._last + 1
            self._pass_on(number, Result(self._id(number), attempt.attempt_id, delivery))

    def _tell_missed(self, count: int | None) -> None:
        number = self._last + 1
        self._pass_on(number, Missed(self._id(number), count))

    def _pass_on(self, number: int, news: News) -> None:
        self._last = number
        self._kept.append((number, news))
        for one in [each for each in self._onlookers if _fits(each, news)]:
            try:
                one.queue.put_nowait(news)
            except asyncio.QueueFull:
                one.dropped = True
                self._onlookers.discard(one)

    def _id(self, number: int) -> str:
        return f"{self._epoch}-{number}"


def _fits(one: _Onlooker, news: News) -> bool:
    return isinstance(news, Missed) or one.wants(news.delivery)
