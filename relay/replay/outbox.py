"""
Delivery records, and the state of the run that they are of. Edge (aiokafka).

Of a run that is carried on a batch of records and its new state are one transaction, under an id of the run's own:
whoever takes the run on fences whoever had it, and then reads how far it came. What somebody asked for one by one is
sent plainly: it is answered one by one.

Idempotent producers never give a batch up (aiokafka 0.14), nor do transactional ones stop to ask for their coordinator:
so every call here has an end of its own, a broker that is gone or has too few replicas in sync among its reasons.
"""

import asyncio
from collections.abc import Coroutine, Sequence
from types import TracebackType
from typing import Any, Self, TypeVar

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaConnectionError, KafkaError, KafkaTimeoutError

from relay.broker import kafka_settings
from relay.config import Config
from relay.ending import begin, let_go, within
from relay.errors import RelayError
from relay.model import Delivery
from relay.pipeline.produce import by_key
from relay.pipeline.results import later
from relay.replay.runs import encode
from relay.replay.values import Run
from relay.store.follow import PARTITION
from relay.store.writer import OVERTAKEN, forget
from relay.topics import Topics

T = TypeVar("T")

Place = tuple[int, int]  # partition and offset, of `.now`

ANSWER_S = 10.0  # of the broker's, for one call; a person waits for it
TRANSACTION_MS = 5_000  # one takes milliseconds; a killed writer's holds up what stands behind it for so long, and 10 s


class Overtaken(RelayError):
    """Somebody else has taken the run on, or ended it: what we were about to write is not written."""


class Outbox:
    """A producer, for as long as its `async with`."""

    def __init__(self, config: Config, *, transactional_id: str | None = None, answer_s: float = ANSWER_S) -> None:
        """
        Args:
            config: Where to.
            transactional_id: What is put together is written together; None: plainly.
            answer_s: How long a call may take.
        """
        self._answer_s = answer_s
        self._config = config
        self._topics = Topics(config.topic_prefix)
        self._transactional = transactional_id is not None
        own: dict[str, Any] = (
            {"enable_idempotence": True}
            if transactional_id is None
            else {"transactional_id": transactional_id, "transaction_timeout_ms": TRANSACTION_MS}
        )
        self._producer = AIOKafkaProducer(
            **kafka_settings(config),
            **own,
            acks="all",
            max_request_size=config.max_message_bytes,
            partitioner=by_key,
        )

    async def __aenter__(self) -> Self:
        """
        Whoever had this transactional id writes nothing more.

        Raises:
            KafkaError: The broker is in trouble.
        """
        await self._answered(begin(self._producer))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await let_go(self._producer.stop())
        forget(self._producer)

    async def put(self, deliveries: Sequence[Delivery], run: Run | None) -> list[Place]:
        """
        All of it is written, or nothing where there are transactions; where the deliveries stand.

        Raises:
            Overtaken: Not ours any more.
            KafkaError: The broker is in trouble; it may have been written.
        """
        try:
            return await self._answered(self._put(deliveries, run))
        except KafkaError as error:
            if isinstance(error, OVERTAKEN) or isinstance(error.__cause__, OVERTAKEN):  # aiokafka wraps
                raise Overtaken("another console carries it on, or has ended it") from error
            raise

    async def each(self, deliveries: Sequence[Delivery]) -> list[str | None]:
        """
        What became of each: None, or why it may not have been sent.

        Raises:
            KafkaError: The broker is in trouble, and none is known to be.
        """
        outcomes = await self._answered(self._each(deliveries))
        if outcomes and all(isinstance(one, BaseException) for one in outcomes):
            raise next(one for one in outcomes if isinstance(one, BaseException))
        return [
            f"the broker did not take it ({type(one).__name__})" if isinstance(one, BaseException) else None
            for one in outcomes
        ]

    async def _put(self, deliveries: Sequence[Delivery], run: Run | None) -> list[Place]:
        if not self._transactional:
            return await self._send(deliveries, run)
        async with self._producer.transaction():
            return await self._send(deliveries, run)

    async def _each(self, deliveries: Sequence[Delivery]) -> list[Any]:
        return await asyncio.gather(*[await self._queued(one) for one in deliveries], return_exceptions=True)

    async def _send(self, deliveries: Sequence[Delivery], run: Run | None) -> list[Place]:
        queued = [await self._queued(one) for one in deliveries]
        if run is not None:
            partition = PARTITION
            queued.append(
                await self._producer.send(
                    self._topics.runs, key=run.id.encode(), value=encode(run), partition=partition
                )
            )
        written = await asyncio.gather(*queued)
        return [(one.partition, one.offset) for one in written[: len(deliveries)]]

    async def forgotten(self, run_id: str) -> None:
        """
        A tombstone: compaction drops the run.

        Raises:
            KafkaError: The broker is in trouble.
        """
        topic, key = self._topics.runs, run_id.encode()
        await self._answered(self._producer.send_and_wait(topic, key=key, value=None, partition=PARTITION))

    async def _answered(self, work: Coroutine[Any, Any, T]) -> T:
        late = KafkaTimeoutError(f"the broker has not answered for {self._answer_s:.0f} s")
        try:
            return await within(work, self._answer_s, late)
        except AssertionError as error:  # aiokafka's: a broker that has just come back names no broker, itself neither
            raise KafkaConnectionError(str(error)) from error

    async def _queued(self, delivery: Delivery) -> "asyncio.Future[Any]":
        record = later(delivery, 0, self._topics)
        future: asyncio.Future[Any] = await self._producer.send(
            record.topic, key=record.key, value=record.value, headers=list(record.headers)
        )
        return future


def transactional_id(config: Config, run_id: str) -> str:
    """Of whoever carries this run on."""
    return f"{Topics(config.topic_prefix).runs}.{run_id}"
