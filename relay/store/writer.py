"""
A compacted topic of one partition that several write, one after another (DESIGN.md section 8). Edge (aiokafka).

Every writer does the same: it initialises one transactional id, the topic's name, which fences whoever held it, then
reads to the end, decides, and writes in one transaction. A writer that was overtaken in between is fenced when it
commits, and starts over from the read. So two changes at once are one after the other, and none is lost.

Whether an overtaken try was committed after all is not in the error: the connection may have broken between the commit
and its answer. The next try has fenced it, so by then the log tells; a change is made once.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import (
    ConcurrentTransactions,
    IllegalOperation,
    InvalidProducerEpoch,
    InvalidProducerIdMapping,
    InvalidTxnState,
    KafkaError,
    ProducerFenced,
    UnknownError,
)

from relay.broker import Broker, kafka_settings
from relay.config import Config
from relay.errors import Conflict, TopicProblem
from relay.model import Outgoing, Record
from relay.pipeline.produce import by_key
from relay.refusals import lost
from relay.store.follow import Follower

TRANSACTION_MS = 10_000  # a killed writer hides changes behind it for so long, and 10 s more until the broker looks
ATTEMPTS = 30  # of a change that is overtaken again and again: ten writers at once need no more
SEEN_S = 2.0  # until a change is seen by whoever reads next; mostly it is at once
LOOK_S = 0.01
PAUSE_S = 0.3  # at most, between them, drawn at random so that two do not meet again
OVERTAKEN = (
    *(ProducerFenced, InvalidProducerEpoch, InvalidTxnState, InvalidProducerIdMapping, ConcurrentTransactions),
    UnknownError,  # Kafka 4.1's word for a commit that meets a rival's fence half-way
)

Decide = Callable[[Sequence[Record]], Awaitable[Sequence[Outgoing]]]
"""What to write, from all that the topic holds; asked again when a rival was faster. Nothing: nothing is written."""


@dataclass(slots=True)
class _LastTry:
    """What may have been written already."""

    since: int = 0  # its records stand at this offset or later
    written: Sequence[Outgoing] = ()  # to the topic itself

    def was_made(self, records: Iterable[Record]) -> bool:
        later = {(record.key, record.value) for record in records if record.offset >= self.since}
        return bool(self.written) and all((one.key, one.value) in later for one in self.written)


class Writer:
    """The topic, read and written; one connection a call, for commands come and go."""

    def __init__(self, config: Config, topic: str, *, beside: Sequence[str] = ()) -> None:
        """
        Args:
            config: Where the broker is.
            topic: Which; also the transactional id.
            beside: Topics that a change may write too; one of them may be missing.
        """
        self._config = config
        self._settings = kafka_settings(config)
        self._topic = topic
        self._beside = tuple(beside)
        self._missing: frozenset[str] = frozenset()
        self._transactions: bool | None = None  # None: the broker was not asked yet

    async def look(self) -> bool:
        """
        Whether the broker has transactions; the topic exists, and was not created by our asking.

        Raises:
            Unreachable, NotAllowed: As of `Broker`.
            TopicProblem: There is no such topic.
        """
        if self._transactions is None or self._missing:  # which may have been made meanwhile
            async with Broker(self._config) as broker:
                transactions = (await broker.capabilities()).transactions
                if transactions:
                    missing = await broker.missing(self._topic, *self._beside)
                    if self._topic in missing:
                        raise no_topic(self._topic)
                    self._missing = frozenset(missing)
                else:
                    await broker.touch([self._topic, *self._beside])
            self._transactions = transactions
        return self._transactions

    def has(self, topic: str) -> bool:
        """Whether one of those beside is there; once looked."""
        return topic not in self._missing

    async def records(self) -> Sequence[Record]:
        """
        All that the topic holds now, oldest first.

        Raises:
            Unreachable, NotAllowed, TopicProblem: As of `look`.
        """
        transactions = await self.look()
        try:
            return await self._read(transactions)
        except KafkaError as error:
            raise lost(error, self._config.kafka_bootstrap_servers) from error

    async def write(self, decide: Decide) -> None:
        """
        Written what was decided last, in one transaction.

        Raises:
            Conflict: Others kept on writing, and it was never our turn; or as the decision has it.
            Unreachable: The broker does not answer; the change may have been made.
            NotAllowed, TopicProblem: As of `look`.
        """
        transactions = await self.look()
        last = _LastTry()
        for _ in range(ATTEMPTS):
            try:
                return await (self._in_transaction(decide, last) if transactions else self._plainly(decide))
            except KafkaError as error:
                if not isinstance(error, OVERTAKEN) and not isinstance(error.__cause__, OVERTAKEN):  # aiokafka wraps
                    doubt = ", and the edit may have been made"
                    raise lost(error, self._config.kafka_bootstrap_servers, doubt) from error
            await asyncio.sleep(random.uniform(0, PAUSE_S))  # noqa: S311  spreads rivals, hides nothing
        raise Conflict(f"{ATTEMPTS} times somebody else was faster: try again")

    async def _read(self, transactions: bool) -> Sequence[Record]:  # noqa: FBT001  passed on
        async with Follower(self._settings, self._topic, committed_only=transactions) as follower:
            return await follower.everything()

    async def _in_transaction(self, decide: Decide, last: _LastTry) -> None:
        producer = AIOKafkaProducer(
            **self._settings,
            transactional_id=self._topic,
            transaction_timeout_ms=TRANSACTION_MS,
            max_request_size=self._config.max_message_bytes,
            partitioner=by_key,
        )
        async with AsyncExitStack() as stack:
            stack.callback(forget, producer)
            stack.push_async_callback(producer.stop)
            await producer.start()
            records = await self._read(transactions=True)
            if last.was_made(records):
                return
            if changes := await decide(records):
                last.since = records[-1].offset + 1 if records else 0
                last.written = [one for one in changes if one.topic == self._topic]
                async with producer.transaction():
                    at = await self._send(producer, changes)
                await self._seen(at)

    async def _seen(self, offset: int) -> None:
        """
        Whoever reads now reads this too: a coordinator says that a transaction is committed, and tells the partitions a
        moment later (KIP-98). It is made in any case, so that what goes wrong here is no trouble of the change's.
        """
        with suppress(KafkaError, TimeoutError):
            async with asyncio.timeout(SEEN_S), Follower(self._settings, self._topic, committed_only=True) as follower:
                while await follower.end() <= offset:  # noqa: ASYNC110  it is the broker that is waited for
                    await asyncio.sleep(LOOK_S)

    async def _plainly(self, decide: Decide) -> None:
        """On the embedded broker there is one writer, and nobody to fence."""
        changes = await decide(await self._read(transactions=False))
        async with AIOKafkaProducer(**self._settings, partitioner=by_key) as producer:
            await self._send(producer, changes)

    async def _send(self, producer: Any, changes: Sequence[Outgoing]) -> int:  # noqa: ANN401  an untyped library's
        """Acknowledged; the offset of the last in the topic itself, -1 of none."""
        sent: list[tuple[str, asyncio.Future[Any]]] = []
        for one in changes:
            try:
                future = await producer.send(one.topic, key=one.key, value=one.value, partition=one.partition)
            except IllegalOperation:  # the transaction is over: what was sent before it was refused, and says why
                break
            sent.append((one.topic, future))
        await asyncio.gather(*(future for _, future in sent))
        if len(sent) < len(changes):
            raise ProducerFenced
        return max((future.result().offset for topic, future in sent if topic == self._topic), default=-1)


def no_topic(name: str) -> TopicProblem:
    """That it is missing, and what makes it."""
    return TopicProblem(f"there is no topic {name}: `relay topics apply` makes it")


def forget(producer: Any) -> None:  # noqa: ANN401  an untyped library's
    """A fenced producer's own futures are asked for their errors: asyncio would print each with its traceback."""
    batches = [one for queue in producer._message_accumulator._batches.values() for one in queue]  # noqa: SLF001
    waiter = producer._txn_manager._transaction_waiter if producer._txn_manager is not None else None  # noqa: SLF001
    for future in (waiter, *(one._drain_waiter for one in batches)):  # noqa: SLF001
        if future is not None and future.done() and not future.cancelled():
            future.exception()
