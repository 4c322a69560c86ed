"""What a person may have sent: tests, redeliveries, replays, requeued dead letters. Edge: it asks, `choose` decides."""

import os
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from types import TracebackType
from typing import Any, Self

from aiokafka.errors import KafkaError

from relay.broker import Broker
from relay.clock import Clock, SystemClock
from relay.config import Config
from relay.errors import Conflict, Invalid, Problem, TopicProblem
from relay.model import EVENT_TYPES, Delivery, DeliveryId, State, Subscription
from relay.pipeline.results import rfc3339
from relay.refusals import lost
from relay.replay.board import Board
from relay.replay.choose import redelivered, refused, source_of
from relay.replay.lookup import Gone, records
from relay.replay.outbox import Outbox
from relay.replay.runs import run_id as new_run_id
from relay.replay.trial import trial_delivery
from relay.replay.values import MOST_AT_ONCE, Kind, Run, RunState
from relay.store.history.values import Delivery as Told
from relay.topics import Topics

Delivered = Callable[[Collection[str]], Awaitable[set[str]]]  # of these delivery ids, those that were delivered


class Replays:
    """
    Open for as long as its `async with`.

    Every method that asks the broker raises Unreachable when it does not answer, and NotAllowed when it refuses us.
    """

    def __init__(
        self, config: Config, *, delivered: Delivered | None = None, clock: Clock | None = None, worker: str = ""
    ) -> None:
        """
        Args:
            config: Where the topics are.
            delivered: Asks a history; None: there is none, and what was not delivered cannot be told.
            clock: What time it is.
            worker: What the one that carries runs on is called; a name that no other process has.
        """
        self._config = config
        self._delivered = delivered
        self._clock = clock or SystemClock()
        self._worker = worker or f"console-{os.urandom(8).hex()}"
        self._topics = Topics(config.topic_prefix)
        self._stack = AsyncExitStack()
        self._board: Any = None
        self._transactions = True

    async def __aenter__(self) -> Self:
        """
        Raises:
            TopicProblem: A topic is missing.
            Unreachable, NotAllowed: The broker does not answer, or refuses us.
        """
        names = (self._topics.runs, self._topics.subscriptions, self._topics.deliveries(0))
        async with Broker(self._config) as broker:
            self._transactions = (await broker.capabilities()).transactions
            if not self._transactions:
                await broker.touch(names)
            elif missing := await broker.missing(*names):
                raise TopicProblem(f"there is no topic {missing[0]}: `relay topics apply` makes it")
        self._board = await self._stack.enter_async_context(Board(self._config, transactions=self._transactions))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def test(self, subscription: Subscription, *, event_type: str, by: str) -> DeliveryId:  # noqa: ARG002  for whoever audits
        """
        A test send is on its way: one attempt, of an event that relay makes.

        Raises:
            Invalid: No such type of event.
            Conflict: The subscription is not active, and nothing would be sent.
        """
        if event_type not in EVENT_TYPES:
            raise Invalid(Problem("event_type", f"must be one of {', '.join(EVENT_TYPES)}", event_type[:100]))
        if subscription.state is not State.ACTIVE:
            raise Conflict(f"{subscription.id} is {subscription.state}, and a test would not be sent: resume it first")
        delivery_id = DeliveryId("dlv_" + os.urandom(16).hex())
        one = trial_delivery(subscription, event_type, delivery_id=delivery_id, at_ms=self._clock.now_ms())
        (problem,) = await self._send([one])
        if problem is not None:
            raise Conflict(problem)
        return delivery_id

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
        if len(deliveries) > MOST_AT_ONCE:
            raise Invalid(Problem("ids", f"at most {MOST_AT_ONCE} at once: a replay sends more", str(len(deliveries))))
        run = self._new(Kind.REDELIVERY, subscription, by)
        answers: dict[str, str | None] = {one.delivery_id: refused(one, subscription) for one in deliveries}
        wanted = {one.delivery_id: one for one in deliveries if answers[one.delivery_id] is None}
        sources = {one.delivery_id: source for one in wanted.values() if (source := source_of(one)) is not None}
        found = await records(self._config, list(dict.fromkeys(sources.values())))
        chosen: list[Delivery] = []
        for ident, told in wanted.items():
            record = found[sources[ident]]
            if isinstance(record, Gone):
                answers[ident] = record.why
                continue
            one = redelivered(
                told,
                record,
                subscription,
                run_id=run.id,
                namespace=self._config.namespace,
                max_bytes=self._config.max_event_bytes,
                now_ms=self._clock.now_ms(),
            )
            if isinstance(one, str):
                answers[ident] = one
            else:
                chosen.append(one)
        problems = await self._send(chosen, run, matched=len(deliveries))
        return run.id, answers | {one.id: problem for one, problem in zip(chosen, problems, strict=True)}

    def runs(self, *, account: str | None) -> list[Run]:
        """Newest first. `account`: only what is that account's; None: all of them."""
        there = [one for one in self._board.runs.values() if account in (None, one.account_id)]
        return sorted(there, key=lambda one: (one.created_at, one.id), reverse=True)

    def run(self, run_id: str, *, account: str | None) -> Run | None:
        """One; None: there is none that this account may see."""
        one: Run | None = self._board.runs.get(run_id)
        return one if one is not None and account in (None, one.account_id) else None

    def _new(self, kind: Kind, subscription: Subscription, by: str, **fields: Any) -> Run:  # noqa: ANN401  a run's
        now = rfc3339(self._clock.now_ms())
        return Run(
            id=new_run_id(os.urandom(16)),
            kind=kind,
            subscription_id=subscription.id,
            account_id=subscription.account_id,
            incarnation=subscription.created_at,
            by=by,
            created_at=now,
            updated_at=now,
            **fields,
        )

    async def _send(
        self, deliveries: Sequence[Delivery], run: Run | None = None, *, matched: int = 0
    ) -> list[str | None]:
        """What became of each; a run of them is over by then, and written."""
        if not deliveries:
            return []
        try:
            async with Outbox(self._config) as outbox:
                problems = await outbox.each(deliveries)
                if run is not None:
                    sent = problems.count(None)
                    over = replace(run, state=RunState.DONE, matched=matched, skipped=matched - sent, sent=sent)
                    await outbox.put([], over)
                    self._board.put(over)
        except KafkaError as error:
            doubt = ", and some may have been sent"
            raise lost(error, self._config.kafka_bootstrap_servers, doubt) from error
        return problems
