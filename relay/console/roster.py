"""
The subscriptions in memory, as their topic is: read to its end, and followed from then on. Edge (aiokafka).

A page that read the whole topic would take longer with each customer. What somebody has just written is there when
their next request comes: whoever edits waits for it.
"""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress

import structlog
from aiokafka.errors import KafkaError

from relay.config import Config
from relay.console.cursors import Key, Newest
from relay.ending import within
from relay.errors import Unreachable
from relay.model import Record, Subscription, SubscriptionId
from relay.store.edits import Changes, Edit, Stored
from relay.store.following import Followed
from relay.store.subscriptions import Subscriptions, fold, id_of
from relay.store.writer import Writer
from relay.topics import Topics

log = structlog.get_logger()

EDIT_S = 15.0  # of a transaction, taken up again after rivals: aiokafka itself tries for ever
SEEN_S = 3.0  # for one's own edit to come back: a fetch takes 0.2 s


class Roster:
    """All subscriptions. Followed between `start` and `close`; what was read stays, also while the broker is away."""

    def __init__(self, config: Config) -> None:
        self._servers = config.kafka_bootstrap_servers
        topic = Topics(config.topic_prefix).subscriptions
        self._writer = Subscriptions(config)
        self._stored: dict[SubscriptionId, Stored] | None = None
        self._newest = Newest()
        self._followed = Followed(
            config,
            topic,
            look=lambda: Writer(config, topic).look(),  # a writer remembers; this looks each time
            all_of_it=self._take,
            more=self._apply,
            troubled=_troubled,
        )
        self._changed = asyncio.Event()  # set with each change, and another from then on
        self._writing = asyncio.Lock()  # of one's own there is one at a time: rivals would only fence each other

    async def start(self) -> None:
        """
        All that there are now have been read.

        Raises:
            Unreachable: The broker does not answer.
            NotAllowed: It refuses us.
            TopicProblem: There is no such topic.
        """
        await self._followed.start()

    async def follow(self) -> None:
        """They are as the topic is, until cancelled. Never raises for trouble of the broker's."""
        await self._followed.follow()

    async def close(self) -> None:
        """Disconnected; what was read stays."""
        await self._followed.close()

    def all(self) -> Mapping[SubscriptionId, Stored]:
        """
        As they are now; while the broker is away, as they were.

        Raises:
            Unreachable: They could not be read yet.
        """
        if self._stored is None:
            raise Unreachable("the subscriptions could not be read yet: try again in a moment")
        return self._stored

    def newest(self, after: Key | None) -> Iterator[Stored]:
        """
        As `all`, those that could ever be read, newest first, from behind this place on; None: from the first.

        Raises:
            Unreachable: They could not be read yet.
        """
        stored = self.all()
        return (stored[one] for one in self._newest.behind(after) if one in stored)

    async def edit(self, edit: Edit, *, by: str) -> Changes:
        """
        As `Subscriptions.edit`, but within some seconds; and whoever asks here next finds it.

        Raises:
            Unreachable: Also when it took too long; it may have been made.
        """
        before = dict(self._stored or {})
        late = f"has not done this for {EDIT_S:.0f} s, and the edit may have been made"
        unreachable = Unreachable(f"the broker at {self._servers} {late}")
        changes = await within(self._edited(edit, by), EDIT_S, unreachable)
        with suppress(TimeoutError):  # it is made in any case
            async with asyncio.timeout(SEEN_S):
                while not all(self._has(key, one, before.get(key)) for key, one in changes.items()):
                    await self._changed.wait()
        return changes

    async def _edited(self, edit: Edit, by: str) -> Changes:
        async with self._writing:
            return await self._writer.edit(edit, by=by)

    def _take(self, records: Sequence[Record]) -> None:
        self._stored = fold(records, {})
        self._newest = Newest(self._stored)
        self._tell()
        log.info("subscriptions.loaded", subscriptions=len(self._stored))

    def _apply(self, records: Sequence[Record]) -> None:
        if records and self._stored is not None:
            for record in records:
                before = self._stored.get(id_of(record))
                fold([record], self._stored)
                self._newest.change(before, self._stored.get(id_of(record)))
            self._tell()

    def _tell(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    def _has(self, key: SubscriptionId, new: Subscription | None, before: Stored | None) -> bool:
        """Whether what is here is this edit's, or came after it."""
        there = (self._stored or {}).get(key)
        if new is None:
            return there is None or there is not before
        if isinstance(there, Subscription):
            return (there.created_at, there.version) >= (new.created_at, new.version)
        return there is not None and there is not before


def _troubled(error: KafkaError) -> None:
    log.warning("subscriptions.troubled", error=repr(error))
