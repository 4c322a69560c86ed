"""
The subscriptions in memory, as their topic is: read to its end, and followed from then on. Edge (aiokafka).

A page that read the whole topic would take longer with each customer. What somebody has just written is there when
their next request comes: whoever edits waits for it.
"""

import asyncio
from collections.abc import Mapping
from contextlib import suppress

import structlog
from aiokafka.errors import KafkaError, OffsetOutOfRangeError

from relay.broker import Broker, kafka_settings
from relay.config import Config
from relay.ending import watched
from relay.errors import RelayError, Unreachable
from relay.model import Subscription, SubscriptionId
from relay.store.edits import Changes, Edit, Stored
from relay.store.follow import Follower
from relay.store.subscriptions import Subscriptions, fold
from relay.topics import Topics

log = structlog.get_logger()

AGAIN_S = (0.5, 1, 2, 5)  # between tries while the broker is in trouble; the last from then on
EDIT_S = 15.0  # of a transaction, taken up again after rivals: aiokafka itself tries for ever
SEEN_S = 3.0  # for one's own edit to come back: a fetch takes 0.2 s


class Roster:
    """All subscriptions; `follow` keeps them as they are."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._topic = Topics(config.topic_prefix).subscriptions
        self._writer = Subscriptions(config)
        self._stored: dict[SubscriptionId, Stored] = {}
        self._trouble: str | None = "the subscriptions are being read: try again in a moment"
        self._loaded = False
        self._changed = asyncio.Condition()
        self._writing = asyncio.Lock()  # of one's own there is one at a time: rivals would only fence each other

    @property
    def trouble(self) -> str | None:
        """Why what is here may be behind; None: it is as the topic is."""
        return self._trouble

    def all(self) -> Mapping[SubscriptionId, Stored]:
        """
        As they are now; while the broker is away, as they were.

        Raises:
            Unreachable: They could not be read yet.
        """
        if not self._loaded:
            raise Unreachable(self._trouble or "the subscriptions are being read: try again in a moment")
        return self._stored

    async def edit(self, edit: Edit, *, by: str) -> Changes:
        """
        As `Subscriptions.edit`, but within some seconds; and whoever asks here next finds it.

        Raises:
            Unreachable: Also when it took too long; it may have been made.
        """
        before = dict(self._stored)
        changes = await watched(self._edited(edit, by), self._late())
        with suppress(TimeoutError):  # it is made in any case
            async with asyncio.timeout(SEEN_S), self._changed:
                await self._changed.wait_for(
                    lambda: all(_follows(self._stored.get(key), one, before.get(key)) for key, one in changes.items())
                )
        return changes

    async def _edited(self, edit: Edit, by: str) -> Changes:
        async with self._writing:
            return await self._writer.edit(edit, by=by)

    async def _late(self) -> Unreachable:
        await asyncio.sleep(EDIT_S)
        doubt = f"has not done this for {EDIT_S:.0f} s, and the edit may have been made"
        return Unreachable(f"the broker at {self._config.kafka_bootstrap_servers} {doubt}")

    async def follow(self) -> None:
        """Until cancelled. Never raises for trouble of the broker's: what was read stays, and is said to be old."""
        tries = 0
        while True:
            try:
                async with await self._follower() as follower:
                    while True:
                        await self._reload(follower)
                        tries = 0
                        with suppress(OffsetOutOfRangeError):  # cut, or made anew: what it holds now is what there is
                            while True:
                                await self._more(follower)
            except (KafkaError, RelayError, OSError) as error:
                self._trouble = f"the subscriptions cannot be followed: {error or type(error).__name__}"
                log.warning("subscriptions.troubled", error=str(error) or repr(error))
            await asyncio.sleep(AGAIN_S[min(tries, len(AGAIN_S) - 1)])
            tries += 1

    async def _follower(self) -> Follower:
        async with Broker(self._config) as broker:
            transactions = (await broker.capabilities()).transactions
            if not transactions:
                await broker.touch([self._topic])
            elif await broker.missing(self._topic):
                raise RelayError(f"there is no topic {self._topic}: `relay topics apply` makes it")
        return Follower(kafka_settings(self._config), self._topic, committed_only=transactions)

    async def _reload(self, follower: Follower) -> None:
        stored = fold(await follower.everything(), {})
        async with self._changed:
            self._stored, self._loaded, self._trouble = stored, True, None
            self._changed.notify_all()
        log.info("subscriptions.loaded", subscriptions=len(stored))

    async def _more(self, follower: Follower) -> None:
        records = await follower.more()
        self._trouble = None
        if records:
            async with self._changed:
                fold(records, self._stored)
                self._changed.notify_all()


def _follows(there: Stored | None, new: Subscription | None, before: Stored | None) -> bool:
    """Whether what is here is this edit's, or came after it."""
    if new is None:
        return there is None or there is not before
    if isinstance(there, Subscription):
        return (there.created_at, there.version) >= (new.created_at, new.version)
    return there is not None and there is not before
