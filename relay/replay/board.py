"""Runs and subscriptions, as their topics are: read to the end once, followed from then on. Edge (aiokafka)."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Self

import structlog
from aiokafka.errors import KafkaError

from relay import settings
from relay.broker import kafka_settings
from relay.config import Config
from relay.model import Record, Subscription, SubscriptionId
from relay.refusals import lost
from relay.replay import runs
from relay.replay.values import Run
from relay.store.edits import Existing, Stored
from relay.store.follow import Follower
from relay.store.following import Following, Take
from relay.store.subscriptions import fold
from relay.topics import Topics

log = structlog.get_logger()


class Board:
    """Followed for as long as its `async with`."""

    def __init__(self, config: Config, *, transactions: bool) -> None:
        self._config = config
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
            async with AsyncExitStack() as stack:
                await self._open(stack)
                self._stack = stack.pop_all()
        except KafkaError as error:
            raise lost(error, self._config.kafka_bootstrap_servers) from error
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    def subscription(self, subscription_id: str) -> Stored | None:
        """As it is now, as far as that is known here; None: there is none."""
        return self._subscriptions.get(SubscriptionId(subscription_id))

    def owner(self, run: Run) -> Stored | None:
        """The subscription that the run is of, likewise; None: it is deleted, or was made anew."""
        return _owner(run, self._subscriptions)

    async def is_orphan(self, run: Run) -> bool:
        """
        Whether there is no owner of it, by a read to the end that began just now: what is known here may be late.

        Raises:
            KafkaError: The broker is in trouble.
        """
        there: dict[SubscriptionId, Stored] = {}
        fold(await self._everything(self._topics.subscriptions), there)
        return _owner(run, there) is None

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
        there: dict[str, Run] = {}
        runs.fold(await self._everything(self._topics.runs), there)
        return there

    async def _everything(self, topic: str) -> Sequence[Record]:
        settings_ = kafka_settings(self._config)
        async with Follower(settings_, topic, committed_only=self._transactions) as follower:
            return await follower.everything()

    async def _open(self, stack: AsyncExitStack) -> None:
        followed = [self._following(self._topics.runs, self._all_runs, self._more_runs)]
        followed.append(self._following(self._topics.subscriptions, self._all_subscriptions, self._more_subscriptions))
        for one in followed:
            stack.push_async_callback(one.close)
            await one.load()
        group = await stack.enter_async_context(asyncio.TaskGroup())
        for one in followed:
            stack.callback(group.create_task(one.follow()).cancel)

    def _following(self, topic: str, all_of_it: Take, more: Take) -> Following:
        return Following(
            kafka_settings(self._config),
            topic,
            committed_only=self._transactions,
            all_of_it=all_of_it,
            more=more,
            troubled=lambda error: log.warning("runs.troubled", error=repr(error)),
        )

    def _all_runs(self, records: Sequence[Record]) -> None:
        self.runs.clear()
        self._more_runs(records)

    def _more_runs(self, records: Sequence[Record]) -> None:
        for key in runs.fold(records, self.runs):
            log.warning("run.unreadable", run_id=settings.shown(key))
        if records:
            self.changed.set()

    def _all_subscriptions(self, records: Sequence[Record]) -> None:
        self._subscriptions.clear()
        self._more_subscriptions(records)

    def _more_subscriptions(self, records: Sequence[Record]) -> None:
        fold(records, self._subscriptions)
        if records:
            self.changed.set()


def _owner(run: Run, there: Existing) -> Stored | None:
    one = there.get(SubscriptionId(run.subscription_id))
    is_another = isinstance(one, Subscription) and (one.created_at, one.account_id) != (run.incarnation, run.account_id)
    return None if is_another else one
