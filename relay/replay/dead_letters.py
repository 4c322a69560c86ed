"""The dead letters, newest first, read from their topic's ends backwards. Edge (aiokafka)."""

import time
from collections.abc import Mapping
from typing import NamedTuple

from aiokafka import AIOKafkaConsumer, TopicPartition

from relay.broker import Broker
from relay.config import Config
from relay.errors import Invalid, Problem, Unreachable
from relay.model import Record, Source
from relay.replay.letters import DeadLetter, Looked, cursor_of, letter, newest, opened
from relay.replay.lookup import FIND_S, Gone, bounds, reader, records
from relay.store.writer import no_topic
from relay.topics import Topics

MOST = 200  # of a page, as of a listing of the history
KEPT_BYTES = 4 * 1024  # of a letter's value in a page: one may be a megabyte
CHUNK = 100  # records of a partition that are looked at together
LOOKED = 5_000  # records of a page: of another account's there may be any number before the next
PAGE_S = 3.0  # or for so long, for somebody waits
WAIT_MS = 200
FETCH_BYTES = 256 * 1024
ANSWER_BYTES = 4 * 1024 * 1024


class _Asked(NamedTuple):
    account: str | None
    limit: int
    keep: int | None


class DeadLetters:
    """A connection a question, for pages come and go."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._topic = Topics(config.topic_prefix).dead_letters

    async def page(
        self, *, account: str | None, cursor: str | None, limit: int, keep: int | None = KEPT_BYTES
    ) -> tuple[list[DeadLetter], str | None]:
        """
        Some, newest first, each with the beginning of its value; and what asks for those before them.

        A page may hold fewer than `limit`, none even, and go on: then what was looked at was mostly not this account's.

        Args:
            account: Only what is this account's; None: everything, and what could not be read, which is nobody's.
            cursor: Of the page before; anything a caller may have made up.
            limit: At most so many; MOST at most.
            keep: Bytes of each value; None: all of it.

        Raises:
            Invalid: The cursor is none, or the limit too large.
            TopicProblem: There is no such topic.
            Unreachable, NotAllowed: The broker does not answer, or refuses us.
        """
        before = None if cursor is None else opened(cursor)
        if cursor is not None and before is None:
            raise Invalid(Problem("cursor", "is none of this listing: begin again without", cursor[:100]))
        if not 1 <= limit <= MOST:
            raise Invalid(Problem("limit", f"must be from 1 to {MOST}", str(limit)[:30]))
        partitions, committed_only = await self._there()
        settings = {"max_partition_fetch_bytes": FETCH_BYTES, "fetch_max_bytes": ANSWER_BYTES}
        async with reader(self._config, committed_only=committed_only, **settings) as consumer:
            try:
                return await self._page(consumer, partitions, before, _Asked(account, limit, keep))
            except TimeoutError:
                raise Unreachable("the broker answers, but gives no records: look at its partitions' leaders") from None

    async def one(self, partition: int, offset: int, *, account: str | None) -> DeadLetter | None:
        """
        With all of its value; None: there is none there that this account may see.

        Raises:
            Unreachable, NotAllowed: The broker does not answer, or refuses us.
        """
        source = Source(self._topic, partition, offset)
        record = (await records(self._config, [source]))[source]
        if isinstance(record, Gone):
            return None
        found = letter(record)
        return found if account in {None, found.account_id} else None

    async def _there(self) -> tuple[int, bool]:
        async with Broker(self._config) as broker:
            partitions = (await broker.topics()).get(self._topic)
            transactions = (await broker.capabilities()).transactions
        if partitions is None and transactions:
            raise no_topic(self._topic)
        return partitions or 0, transactions

    async def _page(
        self,
        consumer: AIOKafkaConsumer,
        partitions: int,
        before: Mapping[int, int] | None,
        asked: _Asked,
    ) -> tuple[list[DeadLetter], str | None]:
        tps = {number: TopicPartition(self._topic, number) for number in range(partitions)}
        if not tps:
            return [], None
        firsts, lasts = await bounds(consumer, tps.values())
        ends = {
            number: min(lasts[tp], lasts[tp] if before is None else before.get(number, 0)) for number, tp in tps.items()
        }
        letters: list[DeadLetter] = []
        chunk = min(CHUNK, 2 * asked.limit // partitions + 5)  # where they are evenly spread two of these are enough
        began_s, left = time.monotonic(), LOOKED
        while len(letters) < asked.limit and any(ends[number] > firsts[tp] for number, tp in tps.items()):
            if left <= 0 or time.monotonic() - began_s > PAGE_S:
                break
            spans = {tp: (max(firsts[tp], ends[number] - chunk), ends[number]) for number, tp in tps.items()}
            looked = await _looked(consumer, spans, firsts, asked)
            left -= sum(len(one.seen) for one in looked.values())
            some, moved = newest(looked, asked.limit - len(letters))
            letters += some
            ends |= moved
        more = any(ends[number] > firsts[tp] for number, tp in tps.items())
        return letters, cursor_of(ends) if more else None


async def _looked(
    consumer: AIOKafkaConsumer,
    spans: Mapping[TopicPartition, tuple[int, int]],
    firsts: Mapping[TopicPartition, int],
    asked: _Asked,
) -> dict[int, Looked]:
    """What stands in these spans of offsets, the end of each exclusive."""
    seen: dict[TopicPartition, list[tuple[int, int, DeadLetter | None]]] = {tp: [] for tp in spans}
    unread = {tp for tp, (low, end) in spans.items() if low < end}
    if unread:
        consumer.assign(sorted(unread))
    for tp in unread:
        consumer.seek(tp, spans[tp][0])
    heard_s = time.monotonic()
    while unread:
        some = await consumer.getmany(*unread, timeout_ms=WAIT_MS, max_records=CHUNK)
        if some:
            heard_s = time.monotonic()
        elif time.monotonic() - heard_s > FIND_S:
            raise TimeoutError
        for tp, batch in some.items():
            seen[tp] += [_row(record, asked) for record in batch if record.offset < spans[tp][1]]
        for tp in [one for one in unread if await consumer.position(one) >= spans[one][1]]:
            consumer.pause(tp)
            unread.remove(tp)
    return {tp.partition: Looked(rows[::-1], spans[tp][0], firsts[tp]) for tp, rows in seen.items()}


def _row(record: Record, asked: _Asked) -> tuple[int, int, DeadLetter | None]:
    one = letter(record, keep=asked.keep)
    return record.offset, record.timestamp, one if asked.account in {None, one.account_id} else None
