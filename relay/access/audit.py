"""
The audit: who did what to what (DESIGN.md section 4). Written here for what is no edit of a topic of its own; read
backwards, for people ask what happened last. Edge (aiokafka).
"""

from collections.abc import Coroutine
from typing import Any, NamedTuple, TypeVar

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from relay.broker import kafka_settings
from relay.config import Config
from relay.ending import begin, let_go, within
from relay.errors import Invalid, Malformed, Problem, Unreachable
from relay.model import Outgoing, Record
from relay.pipeline.results import rfc3339
from relay.refusals import lost
from relay.settings import shown
from relay.store.entry import AuditEntry, decode_entry, outgoing
from relay.store.follow import Follower
from relay.store.writer import Writer
from relay.topics import Topics

T = TypeVar("T")

ANSWER_S = 10.0  # of the broker's, for one entry or one page; a person waits for it
STEP = 500  # offsets that are read at a time: each edit has two, its entry and its transaction's marker
STEPS = 20  # at most, for one page: an account that did nothing lately is not looked for through a whole year
MOST = 200  # entries of one page
_CURSOR_DIGITS = 18  # of an offset


class Page(NamedTuple):
    """Some entries, and where those before them are."""

    entries: list[AuditEntry]  # newest first; fewer than were asked for where others' lay between
    cursor: str | None  # of the next page; None: there is none


class Audit:
    """The topic; one connection a call, for people come and go."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._topic = Topics(config.topic_prefix).audit
        self._log = Writer(config, self._topic)

    async def record(self, entry: AuditEntry) -> None:
        """
        Kept: acknowledged by the broker.

        Raises:
            Unreachable: The broker does not answer; it may have been kept.
            NotAllowed: It refuses us.
            TopicProblem: There is no such topic.
        """
        await self._answered(self._recorded(outgoing(entry, self._topic)), ", and it may have been recorded")

    async def page(self, cursor: str | None = None, limit: int = 50, *, account: str | None = None) -> Page:
        """
        What was done last, or before the page that gave this cursor.

        Args:
            cursor: Of the page before; None: the newest.
            limit: Entries at most, 1 to MOST.
            account: Only what was done to this account's; None: everything.

        Raises:
            Invalid: The cursor is none of ours, or the limit is out of bounds.
            Unreachable, NotAllowed, TopicProblem: As of `record`.
        """
        before = _read(cursor, limit)
        return await self._answered(self._page(before, limit, account), "")

    async def _recorded(self, record: Outgoing) -> None:
        await self._log.look()
        producer = AIOKafkaProducer(**kafka_settings(self._config), acks="all")
        await begin(producer)
        try:
            await producer.send_and_wait(record.topic, key=record.key, value=record.value, partition=record.partition)
        finally:
            await let_go(producer.stop())

    async def _page(self, before: int | None, limit: int, account: str | None) -> Page:
        transactions = await self._log.look()
        async with Follower(kafka_settings(self._config), self._topic, committed_only=transactions) as follower:
            first, end = await follower.begin(), await follower.end()
            at = end if before is None else min(before, end)
            entries: list[AuditEntry] = []
            for _ in range(STEPS):
                if at <= first or len(entries) == limit:
                    break
                step = max(first, at - STEP)
                for record in reversed(await follower.between(step, at)):
                    if (entry := _entry(record, account)) is not None:
                        entries.append(entry)
                    if len(entries) == limit:
                        step = record.offset
                        break
                at = step
        return Page(entries, str(at) if at > first else None)

    async def _answered(self, work: Coroutine[Any, Any, T], doubt: str) -> T:
        late = Unreachable(f"the broker has not answered for {ANSWER_S:.0f} s{doubt}")
        try:
            return await within(work, ANSWER_S, late)
        except KafkaError as error:
            raise lost(error, self._config.kafka_bootstrap_servers, doubt) from error


def _read(cursor: str | None, limit: int) -> int | None:
    if not 1 <= limit <= MOST:
        raise Invalid(Problem("limit", f"must be from 1 to {MOST}", str(limit)))
    if cursor is None:
        return None
    if not (cursor.isascii() and cursor.isdecimal() and len(cursor) <= _CURSOR_DIGITS):
        raise Invalid(Problem("cursor", "is none that a page has given", shown(cursor)))
    return int(cursor)


def _entry(record: Record, account: str | None) -> AuditEntry | None:
    """None: it is another account's. What cannot be read is told to whoever sees every account."""
    try:
        entry = decode_entry(record.value or b"")
    except Malformed as why:
        entry = AuditEntry(
            at=rfc3339(max(record.timestamp, 0)),
            actor=shown((record.key or b"").decode(errors="backslashreplace")),
            action="unreadable",
            account_id=None,
            subject=f"{record.topic}/{record.partition}/{record.offset}",
            details={"reason": str(why)},
        )
    return entry if account in (None, entry.account_id) else None
