"""
All subscriptions, read to the end of their topic, and edits of them (DESIGN.md section 8).

Every writer does the same: it initialises one transactional id, which fences whoever held it, then reads to the end,
decides, and writes in one transaction. A writer that was overtaken in between is fenced when it commits, and starts
over from the read. So two edits at once are one after the other, and none is lost.

A subscription that was disabled and is so no more is told by whoever edits it, in the same transaction: once, and not
where the edit was not made.

Whether an overtaken try was committed after all is not in the error: the connection may have broken between the commit
and its answer. The next try has fenced it, so by then the log tells; an edit is made once.
"""

import asyncio
import random
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from typing import Any

import orjson
from aiokafka import AIOKafkaProducer
from aiokafka.errors import (
    ConcurrentTransactions,
    InvalidProducerEpoch,
    InvalidProducerIdMapping,
    InvalidTxnState,
    KafkaError,
    ProducerFenced,
    UnknownError,
)

from relay.broker import Broker, kafka_settings
from relay.config import Config
from relay.errors import Conflict, Malformed, TopicProblem
from relay.model import Record, Subscription, SubscriptionId
from relay.pipeline.notice import Kind, notice
from relay.refusals import lost
from relay.store.codec import decode, encode
from relay.store.edits import Changes, Edit, Existing, Stored, Unreadable, re_enabled
from relay.store.follow import PARTITION, Follower
from relay.topics import Topics

TRANSACTION_MS = 10_000  # a killed writer hides changes behind it for so long, and 10 s more until the broker looks
ATTEMPTS = 30  # of an edit that is overtaken again and again: ten writers at once need no more
TURN = 1_000  # records folded in one turn of the loop: a worker that edits has deliveries to look after meanwhile
SEEN_S = 2.0  # until an edit is seen by whoever reads next; mostly it is at once
LOOK_S = 0.01
PAUSE_S = 0.3  # at most, between them, drawn at random so that two do not meet again
OVERTAKEN = (
    *(ProducerFenced, InvalidProducerEpoch, InvalidTxnState, InvalidProducerIdMapping, ConcurrentTransactions),
    UnknownError,  # Kafka 4.1's word for a commit that meets a rival's fence half-way
)


def fold(records: Iterable[Record], onto: dict[SubscriptionId, Stored]) -> dict[SubscriptionId, Stored]:
    """What there is after these records, the newest of each subscription. Never raises: what cannot be read is told."""
    for record in records:
        subscription_id = SubscriptionId((record.key or b"").decode(errors="backslashreplace"))
        if record.value is None:
            onto.pop(subscription_id, None)
            continue
        try:
            onto[subscription_id] = decode(record.key, record.value)
        except Malformed as why:
            before = onto.get(subscription_id)
            onto[subscription_id] = Unreadable(str(why), before.last if isinstance(before, Unreadable) else before)
    return onto


def told(existing: Existing, changes: Changes) -> dict[SubscriptionId, bytes]:
    """The notices of what is re-enabled by these changes; never raises."""
    notices: dict[SubscriptionId, bytes] = {}
    for key, new in changes.items():
        old = existing.get(key)
        if isinstance(old, Subscription) and new is not None and re_enabled(old, new):
            one = notice(
                Kind.RE_ENABLED,
                new,
                since=old.updated_at,
                at=new.updated_at,
                reason=new.state,
                status=None,
                worker=new.updated_by,
            )
            notices[key] = orjson.dumps(one)
    return notices


@dataclass(slots=True)
class _LastTry:
    """What may have been written already."""

    since: int = 0  # its records stand at this offset or later
    changes: Changes = field(default_factory=dict)

    def was_made(self, records: Iterable[Record]) -> bool:
        later = {(record.key, record.value) for record in records if record.offset >= self.since}
        return bool(self.changes) and all((key.encode(), _value(one)) in later for key, one in self.changes.items())


class Subscriptions:
    """The topic, for as long as the `async with`; one connection a call, for commands come and go."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._settings = kafka_settings(config)
        topics = Topics(config.topic_prefix)
        self._topic, self._notices = topics.subscriptions, topics.notices
        self._can_tell = True
        self._transactions: bool | None = None  # None: the broker was not asked yet

    async def read(self) -> dict[SubscriptionId, Stored]:
        """
        All of them, as they are now.

        Raises:
            Unreachable: The broker does not answer.
            NotAllowed: It refuses us.
            TopicProblem: There is no such topic.
        """
        transactions = await self._look()
        try:
            return await _folded(await self._records(transactions))
        except KafkaError as error:
            raise lost(error, self._config.kafka_bootstrap_servers) from error

    async def edit(self, edit: Edit) -> Changes:
        """
        Edited, in one transaction; what was written.

        Raises:
            Conflict, NotFound, NotAllowed: As the edit decides; or others kept on writing, and it was never our turn;
                or the broker refuses us.
            Unreachable: The broker does not answer; the edit may have been made.
            TopicProblem: There is no such topic, or none for a notice that the edit needs.
        """
        transactions = await self._look()
        last = _LastTry()
        for _ in range(ATTEMPTS):
            try:
                return await (self._in_transaction(edit, last) if transactions else self._plainly(edit))
            except KafkaError as error:
                if not isinstance(error, OVERTAKEN) and not isinstance(error.__cause__, OVERTAKEN):  # aiokafka wraps
                    doubt = ", and the edit may have been made"
                    raise lost(error, self._config.kafka_bootstrap_servers, doubt) from error
            await asyncio.sleep(random.uniform(0, PAUSE_S))  # noqa: S311  spreads rivals, hides nothing
        raise Conflict(f"{ATTEMPTS} times somebody else was faster: try again")

    async def _look(self) -> bool:
        """Whether the broker has transactions; the topic exists, and was not created by our asking."""
        if self._transactions is None:
            async with Broker(self._config) as broker:
                self._transactions = (await broker.capabilities()).transactions
                if not self._transactions:
                    await broker.touch([self._topic, self._notices])
                    return False
                missing = await broker.missing(self._topic, self._notices)
                if self._topic in missing:
                    raise _no_topic(self._topic)
                self._can_tell = self._notices not in missing  # an installation that is older than notices has none yet
        return self._transactions

    async def _records(self, transactions: bool) -> Sequence[Record]:  # noqa: FBT001  passed on
        async with Follower(self._settings, self._topic, committed_only=transactions) as follower:
            return await follower.everything()

    async def _in_transaction(self, edit: Edit, last: _LastTry) -> Changes:
        producer = AIOKafkaProducer(
            **self._settings,
            transactional_id=self._topic,
            transaction_timeout_ms=TRANSACTION_MS,
            max_request_size=self._config.max_message_bytes,
        )
        async with AsyncExitStack() as stack:
            stack.callback(_forget, producer)
            stack.push_async_callback(producer.stop)
            await producer.start()
            records = await self._records(transactions=True)
            if last.was_made(records):
                return last.changes
            existing = await _folded(records)
            changes = edit(existing)
            if changes:
                last.since, last.changes = (records[-1].offset + 1 if records else 0), changes
                notices = told(existing, changes)
                if notices and not self._can_tell:
                    raise _no_topic(self._notices)
                async with producer.transaction():
                    at = await self._send(producer, changes, notices)
                await self._seen(at)
            return changes

    async def _seen(self, offset: int) -> None:
        """
        Whoever reads now reads this too: a coordinator says that a transaction is committed, and tells the partitions a
        moment later (KIP-98). It is made in any case, so that what goes wrong here is no trouble of the edit's.
        """
        with suppress(KafkaError, TimeoutError):
            async with asyncio.timeout(SEEN_S), Follower(self._settings, self._topic, committed_only=True) as follower:
                while await follower.end() <= offset:  # noqa: ASYNC110  it is the broker that is waited for
                    await asyncio.sleep(LOOK_S)

    async def _plainly(self, edit: Edit) -> Changes:
        """On the embedded broker there is one writer, and nobody to fence."""
        existing = await _folded(await self._records(transactions=False))
        changes = edit(existing)
        async with AIOKafkaProducer(**self._settings) as producer:
            await self._send(producer, changes, told(existing, changes))
        return changes

    async def _send(
        self,
        producer: Any,  # noqa: ANN401  an untyped library's
        changes: Changes,
        notices: Mapping[SubscriptionId, bytes],
    ) -> int:
        """Acknowledged; the offset of the last, -1 of none."""
        sent = [
            await producer.send(self._topic, key=key.encode(), value=_value(one), partition=PARTITION)
            for key, one in changes.items()
        ]
        notes = [await producer.send(self._notices, key=key.encode(), value=one) for key, one in notices.items()]
        await asyncio.gather(*sent, *notes)
        last: int = max((one.result().offset for one in sent), default=-1)
        return last


def _no_topic(name: str) -> TopicProblem:
    return TopicProblem(f"there is no topic {name}: `relay topics apply` makes it")


async def _folded(records: Sequence[Record]) -> dict[SubscriptionId, Stored]:
    """All that there is, in turns with whatever else the loop has to do."""
    there: dict[SubscriptionId, Stored] = {}
    for begin in range(0, len(records), TURN):
        fold(records[begin : begin + TURN], there)
        await asyncio.sleep(0)
    return there


def _forget(producer: Any) -> None:  # noqa: ANN401  an untyped library's
    """A fenced producer's own futures are asked for their errors: asyncio would print each with its traceback."""
    batches = [one for queue in producer._message_accumulator._batches.values() for one in queue]  # noqa: SLF001
    for future in (producer._txn_manager._transaction_waiter, *(one._drain_waiter for one in batches)):  # noqa: SLF001
        if future is not None and future.done() and not future.cancelled():
            future.exception()


def _value(one: Subscription | None) -> bytes | None:
    return None if one is None else encode(one)
