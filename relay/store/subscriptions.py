"""
All subscriptions, read to the end of their topic, and edits of them (DESIGN.md section 8). Edge (aiokafka).

A subscription that was disabled and is so no more is told by whoever edits it, and every edit is audited, in the same
transaction: once, and not where the edit was not made. An installation from before there was an audit has no topic for
it; its edits are made without.
"""

import asyncio
from collections.abc import Iterable, Iterator, Sequence

import orjson

from relay.clock import Clock, SystemClock
from relay.config import Config
from relay.errors import Malformed
from relay.model import Outgoing, Record, Subscription, SubscriptionId
from relay.pipeline.notice import Kind, notice
from relay.pipeline.results import rfc3339
from relay.store.audited import audited
from relay.store.codec import decode, encode
from relay.store.edits import Changes, Edit, Existing, Stored, Unreadable, re_enabled
from relay.store.entry import outgoing
from relay.store.follow import PARTITION
from relay.store.writer import Writer, no_topic
from relay.topics import Topics

TURN = 1_000  # records folded in one turn of the loop: a worker that edits has deliveries to look after meanwhile


def id_of(record: Record) -> SubscriptionId:
    """Whose record it is, whatever its key."""
    return SubscriptionId((record.key or b"").decode(errors="backslashreplace"))


def fold(records: Iterable[Record], onto: dict[SubscriptionId, Stored]) -> dict[SubscriptionId, Stored]:
    """What there is after these records, the newest of each subscription. Never raises: what cannot be read is told."""
    for record in records:
        subscription_id = id_of(record)
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
                since=old.state_at,
                at=new.updated_at,
                reason=new.state,
                status=None,
                worker=new.updated_by,
            )
            notices[key] = orjson.dumps(one)
    return notices


class Subscriptions:
    """The topic; one connection a call, for commands come and go."""

    def __init__(self, config: Config, *, clock: Clock | None = None) -> None:
        topics = Topics(config.topic_prefix)
        self._topic, self._notices, self._audit = topics.subscriptions, topics.notices, topics.audit
        self._writer = Writer(config, self._topic, beside=(self._notices, self._audit))
        self._clock = clock or SystemClock()

    async def read(self) -> dict[SubscriptionId, Stored]:
        """
        All of them, as they are now.

        Raises:
            Unreachable: The broker does not answer.
            NotAllowed: It refuses us.
            TopicProblem: There is no such topic.
        """
        return await _folded(await self._writer.records())

    async def edit(self, edit: Edit, *, by: str | None = None) -> Changes:
        """
        Edited, in one transaction; what was written.

        Args:
            edit: Decides.
            by: Who does it, for the audit; None: what is written says it, which of a deletion nothing does.

        Raises:
            Conflict, NotFound, NotAllowed: As the edit decides; or others kept on writing, and it was never our turn;
                or the broker refuses us.
            Unreachable: The broker does not answer; the edit may have been made.
            TopicProblem: There is no such topic, or none for a notice that the edit needs.
        """
        changes: Changes = {}

        async def decide(records: Sequence[Record]) -> list[Outgoing]:
            nonlocal changes
            existing = await _folded(records)
            changes = edit(existing)
            return [*self._written(changes), *self._told(existing, changes), *self._audited(existing, changes, by)]

        await self._writer.write(decide)
        return changes

    def _written(self, changes: Changes) -> Iterator[Outgoing]:
        for key, one in changes.items():
            value = None if one is None else encode(one)
            yield Outgoing(topic=self._topic, key=key.encode(), value=value, partition=PARTITION)

    def _told(self, existing: Existing, changes: Changes) -> Iterator[Outgoing]:
        for key, value in told(existing, changes).items():
            if not self._writer.has(self._notices):
                raise no_topic(self._notices)
            yield Outgoing(topic=self._notices, key=key.encode(), value=value)

    def _audited(self, existing: Existing, changes: Changes, by: str | None) -> Iterator[Outgoing]:
        if not self._writer.has(self._audit):
            return
        for one in audited(existing, changes, by=by, at=rfc3339(self._clock.now_ms())):
            yield outgoing(one, self._audit)


async def _folded(records: Sequence[Record]) -> dict[SubscriptionId, Stored]:
    """All that there is, in turns with whatever else the loop has to do."""
    there: dict[SubscriptionId, Stored] = {}
    for begin in range(0, len(records), TURN):
        fold(records[begin : begin + TURN], there)
        await asyncio.sleep(0)
    return there
