"""What a person may have sent: tests, redeliveries, replays, requeued dead letters. Edge."""

import asyncio
import os
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Self

from aiokafka.errors import KafkaError

from relay.broker import Broker
from relay.clock import Clock, SystemClock
from relay.config import Config
from relay.errors import Conflict, Invalid, NotFound, Problem
from relay.model import DeliveryId, State, Subscription
from relay.pipeline.results import rfc3339
from relay.refusals import lost
from relay.replay.board import Board
from relay.replay.carry import Hindsight
from relay.replay.outbox import Outbox, transactional_id
from relay.replay.runner import Runner
from relay.replay.singly import Singly, new_run
from relay.replay.survey import planned, surveyed
from relay.replay.values import Kind, Preview, Run, RunState, Wish, forecast
from relay.store.history.values import Delivery as Told
from relay.store.writer import no_topic
from relay.topics import Topics

PREVIEW_S = 5.0  # somebody waits for the figures


@dataclass(frozen=True, slots=True)
class _Opened:
    """What there is within the `async with`."""

    board: Board
    runner: Runner
    singly: Singly
    transactions: bool


class Replays:
    """
    Open for as long as its `async with`.

    Every method that asks the broker raises Unreachable when it does not answer, and NotAllowed when it refuses us.
    """

    def __init__(
        self, config: Config, *, history: Hindsight | None = None, clock: Clock | None = None, worker: str = ""
    ) -> None:
        """
        Args:
            config: Where the topics are.
            history: None: there is none, and what was not delivered cannot be told.
            clock: What time it is.
            worker: What the one that carries runs on is called; a name that no other process has.
        """
        self._config = config
        self._history = history
        self._clock = clock or SystemClock()
        self._worker = worker or f"console-{os.urandom(8).hex()}"
        self._stack = AsyncExitStack()
        self._opened: _Opened | None = None

    async def __aenter__(self) -> Self:
        """
        Raises:
            TopicProblem: A topic is missing.
            Unreachable, NotAllowed: The broker does not answer, or refuses us.
        """
        topics = Topics(self._config.topic_prefix)
        names = (topics.runs, topics.subscriptions, topics.deliveries(0))
        async with Broker(self._config) as broker:
            transactions = (await broker.capabilities()).transactions
            if not transactions:
                await broker.touch(names)
            elif missing := await broker.missing(*names):
                raise no_topic(missing[0])
        board = await self._stack.enter_async_context(Board(self._config, transactions=transactions))
        runner = Runner(
            config=self._config,
            board=board,
            transactions=transactions,
            history=self._history,
            clock=self._clock,
            worker=self._worker,
        )
        self._opened = _Opened(board, runner, Singly(self._config, board, self._clock), transactions)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    @property
    def _open(self) -> _Opened:
        assert self._opened is not None, "it is opened by `async with`"
        return self._opened

    async def test(self, subscription: Subscription, *, event_type: str) -> DeliveryId:
        """
        A test send is on its way: one attempt, of an event that relay makes.

        Raises:
            Invalid: No such type of event.
            Conflict: The subscription is not active, and nothing would be sent.
        """
        return await self._open.singly.test(subscription, event_type)

    async def redeliver(
        self, subscription: Subscription, deliveries: Sequence[Told], *, by: str
    ) -> tuple[str, Mapping[str, str | None]]:
        """
        These deliveries are on their way once more, each from its first attempt.

        Args:
            subscription: Whose they are.
            deliveries: As the history has them; at most MOST_AT_ONCE.
            by: Who wants it.

        Returns:
            The id of this redelivery, and of each delivery None, or why it is not sent.

        Raises:
            Invalid: Too many.
        """
        return await self._open.singly.redeliver(subscription, deliveries, by)

    async def requeue(
        self, places: Sequence[tuple[int, int]], *, account: str | None, by: str
    ) -> Mapping[tuple[int, int], str | None]:
        """
        These dead letters are on their way once more, each from its first attempt, with the bytes that they hold.

        Args:
            places: Partition and offset of each on the dead letters' topic; at most MOST_AT_ONCE.
            account: Only what is this account's; None: everything.
            by: Who wants it.

        Returns:
            Of each None, or why it is not sent.

        Raises:
            Invalid: Too many.
        """
        return await self._open.singly.requeue(places, account, by)

    async def preview(self, subscription: Subscription, wish: Wish, *, seconds: float = PREVIEW_S) -> Preview:
        """
        What a replay would send.

        Args:
            subscription: Its subscription, which events are matched against as it is now.
            wish: What would be replayed.
            seconds: How long it may count; then it estimates.

        Raises:
            Invalid: The wish cannot be granted.
            TopicProblem: There is no events topic.
        """
        return await surveyed(
            self._config,
            await self._planned(subscription, wish, ""),
            subscription,
            history=self._history,
            committed_only=self._open.transactions,
            seconds=seconds,
        )

    async def start(self, subscription: Subscription, wish: Wish, *, by: str, mine: bool = False) -> Run:
        """
        A replay is there for whoever works; it ends where the log ends now.

        Args:
            subscription: What events are matched against, as it is when they are.
            wish: What is replayed.
            by: Who wants it.
            mine: For this process to carry on, for as long as that is heard of.

        Raises:
            Invalid, TopicProblem: As of `preview`.
            Conflict: The subscription is disabled.
        """
        if subscription.state is State.DISABLED:
            raise Conflict(forecast(subscription))
        planned_run = await self._planned(subscription, wish, by)
        run = replace(planned_run, worker=self._worker if mine else None)
        try:
            async with Outbox(self._config) as outbox:
                await outbox.put([], run)
        except KafkaError as error:
            raise lost(error, self._config.kafka_bootstrap_servers, ", and it may have been started") from error
        self._open.board.put(run)
        return run

    async def cancel(self, run_id: str, *, by: str) -> Run:
        """
        Nothing more of it is sent, but what is on its way already; the run as it is then.

        Raises:
            NotFound: There is no such run.
            Conflict: It was over already.
        """
        board = self._open.board
        if run_id not in board.runs:
            raise NotFound(f"there is no run {run_id[:100]}")
        ident = transactional_id(self._config, run_id) if self._open.transactions else None
        try:
            async with Outbox(self._config, transactional_id=ident) as outbox:  # nobody else writes it from here on
                newest = (await board.newest()).get(run_id) or board.runs[run_id]
                board.put(newest)
                if newest.is_over:
                    raise Conflict(f"{run_id} is {newest.state} already")
                why, now = f"cancelled by {by}", rfc3339(self._clock.now_ms())
                run = replace(newest, state=RunState.CANCELLED, why=why, worker=None, updated_at=now)
                await outbox.put([], run)
        except KafkaError as error:
            raise lost(error, self._config.kafka_bootstrap_servers, ", and it may be cancelled") from error
        board.put(run)
        return run

    async def work(self, stop: asyncio.Event, *, only: str | None = None) -> None:
        """Runs are carried on, until told to stop; or one alone, until it is over. Raises nothing for the broker's."""
        await self._open.runner.work(stop, only=only)

    def runs(self, *, account: str | None) -> list[Run]:
        """Newest first. `account`: only what is that account's; None: all of them."""
        there = [one for one in self._open.board.runs.values() if account in {None, one.account_id}]
        return sorted(there, key=lambda one: (one.created_at, one.id), reverse=True)

    def run(self, run_id: str, *, account: str | None) -> Run | None:
        """One; None: there is none that this account may see."""
        one = self._open.board.runs.get(run_id)
        return one if one is not None and account in {None, one.account_id} else None

    async def _planned(self, subscription: Subscription, wish: Wish, by: str) -> Run:
        if wish.undelivered and self._history is None:
            raise Invalid(Problem("undelivered", "needs the history, which tells what was delivered"))
        run = new_run(Kind.REPLAY, subscription, by, self._clock)
        return await planned(self._config, wish, run, committed_only=self._open.transactions)
