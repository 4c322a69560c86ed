"""Runs and subscriptions, as their topics are: read to the end once, followed from then on. Edge (aiokafka)."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Any, Self

import structlog
from aiokafka.errors import KafkaError, OffsetOutOfRangeError

from relay import settings
from relay.broker import kafka_settings
from relay.config import Config
from relay.model import Record, Subscription, SubscriptionId
from relay.refusals import lost
from relay.replay import runs
from relay.replay.values import Run
from relay.store.edits import Stored
from relay.store.follow import Follower
from relay.store.subscriptions import fold
from relay.topics import Topics

log = structlog.get_logger()

AGAIN_S = 1.0  # between tries while the broker is in trouble


class Board:
    """Followed for as long as its `async with`."""

    def __init__(self, config: Config, *, transactions: bool) -> None:
        self._config = config
        self._settings: dict[str, Any] = kafka_settings(config)
        self._topics = Topics(config.topic_prefix)
        self._transactions = transactions
        self._stack = AsyncExitStack()
        self._subscriptions: dict[SubscriptionId, Stored] = {}
        self.runs: dict[str, Run] = {}
        self.changed = asyncio.Event()  # set with each change of a run or a subscription; whoever waits clears it

    async def __aenter__(self) -> Self:
        """
        Raises:
            Unreachable, NotAllowed: The broker does not answer, or refuses us.
        """
        try:
            await self._open()
        except KafkaError as error:
            await self._stack.aclose()
            raise lost(error, self._config.kafka_bootstrap_servers) from error
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    def subscription(self, subscription_id: str) -> Subscription | None:
        """As it is now; None: there is none that could be read."""
        stored = self._subscriptions.get(SubscriptionId(subscription_id))
        return stored if isinstance(stored, Subscription) else None

    def owner(self, run: Run) -> Subscription | None:
        """The subscription that the run is of, as it is now; None: it is deleted, or was made anew."""
        one = self.subscription(run.subscription_id)
        is_its = one is not None and (one.created_at, one.account_id) == (run.incarnation, run.account_id)
        return one if is_its else None

    def put(self, run: Run) -> None:
        """What was just written is known before it is read again."""
        self.runs[run.id] = run
        self.changed.set()

    async def newest(self) -> Mapping[str, Run]:
        """
        All runs, by a read to the end that began just now.

        Raises:
            KafkaError: The broker is in trouble.
        """
        async with self._follower(self._topics.runs) as follower:
            there: dict[str, Run] = {}
            runs.fold(await follower.everything(), there)
        return there

    async def _open(self) -> None:
        runs_, subscriptions = [
            await self._stack.enter_async_context(self._follower(topic))
            for topic in (self._topics.runs, self._topics.subscriptions)
        ]
        self._take_runs(await runs_.everything())
        self._take_subscriptions(await subscriptions.everything())
        group = await self._stack.enter_async_context(asyncio.TaskGroup())
        for following in (
            self._follow(runs_, self._take_runs, self.runs.clear),
            self._follow(subscriptions, self._take_subscriptions, self._subscriptions.clear),
        ):
            self._stack.callback(group.create_task(following).cancel)

    def _follower(self, topic: str) -> Follower:
        return Follower(self._settings, topic, committed_only=self._transactions)

    async def _follow(
        self, follower: Follower, take: Callable[[Iterable[Record]], None], clear: Callable[[], None]
    ) -> None:
        """Until cancelled. Never raises for trouble of the broker's."""
        anew = False
        while True:
            try:
                records = await (follower.everything() if anew else follower.more())
                if anew:
                    clear()
                anew = False
                take(records)
            except OffsetOutOfRangeError:
                anew = True  # the log was cut or made anew under our feet
            except KafkaError as error:
                log.warning("runs.troubled", error=repr(error))
                await asyncio.sleep(AGAIN_S)

    def _take_runs(self, records: Iterable[Record]) -> None:
        for key in runs.fold(records, self.runs):
            log.warning("run.unreadable", run_id=settings.shown(key))
        self.changed.set()

    def _take_subscriptions(self, records: Iterable[Record]) -> None:
        fold(records, self._subscriptions)
        self.changed.set()
