"""
What somebody asks for one by one, and is answered one by one: a test, redeliveries, dead letters requeued. Edge.

Looked up and sent some at a time: each may be RELAY_MAX_EVENT_BYTES long. A run tells of them afterwards; it is written
when they are sent, for nothing is left to be carried on.
"""

import os
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import structlog
from aiokafka.errors import KafkaError

from relay.clock import Clock
from relay.config import Config
from relay.errors import Conflict, Invalid, Problem, RelayError
from relay.model import EVENT_TYPES, Delivery, DeliveryId, Record, Source, State, Subscription
from relay.pipeline.results import rfc3339
from relay.refusals import lost
from relay.replay.board import Board
from relay.replay.choose import delivery_of, redelivered, refused, requeued, source_of
from relay.replay.lookup import Gone, records
from relay.replay.outbox import Outbox
from relay.replay.runs import run_id
from relay.replay.trial import trial_delivery
from relay.replay.values import MOST_AT_ONCE, Kind, Run, RunState
from relay.store.edits import Unreadable
from relay.store.history.values import Delivery as Told
from relay.topics import Topics

T = TypeVar("T")
K = TypeVar("K")

TOGETHER = 20  # looked up and sent at a time; 20 MiB at the most, unless RELAY_MAX_EVENT_BYTES says otherwise
DOUBT = ", and some may have been sent"
UNKNOWN = "the broker stopped answering: it may be on its way all the same"

log = structlog.get_logger()


def new_run(kind: Kind, subscription: Subscription, by: str, clock: Clock) -> Run:
    """Of this subscription, as it begins."""
    now = rfc3339(clock.now_ms())
    return Run(
        id=run_id(os.urandom(16)),
        kind=kind,
        subscription_id=subscription.id,
        account_id=subscription.account_id,
        incarnation=subscription.created_at,
        by=by,
        created_at=now,
        updated_at=now,
    )


@dataclass(frozen=True, slots=True)
class Singly:
    """
    Sends what is asked for.

    Every method raises Unreachable when the broker does not answer, and NotAllowed when it refuses us: before anything
    was sent, for whoever is told that it failed asks for all of it again.
    """

    config: Config
    board: Board
    clock: Clock

    async def test(self, subscription: Subscription, event_type: str) -> DeliveryId:
        """As of `Replays.test`."""
        if event_type not in EVENT_TYPES:
            raise Invalid(Problem("event_type", f"must be one of {', '.join(EVENT_TYPES)}", event_type[:100]))
        if subscription.state is not State.ACTIVE:
            raise Conflict(f"{subscription.id} is {subscription.state}, and a test would not be sent: resume it first")
        delivery_id = DeliveryId("dlv_" + os.urandom(16).hex())
        one = trial_delivery(subscription, event_type, delivery_id=delivery_id, at_ms=self.clock.now_ms())
        (problem,) = await self._through(lambda outbox: outbox.each([one]))
        if problem is not None:
            raise Conflict(problem)
        return delivery_id

    async def redeliver(
        self, subscription: Subscription, deliveries: Sequence[Told], by: str
    ) -> tuple[str, Mapping[str, str | None]]:
        """As of `Replays.redeliver`."""
        _few(deliveries)
        run = new_run(Kind.REDELIVERY, subscription, by, self.clock)
        answers: dict[str, str | None] = {one.delivery_id: refused(one, subscription) for one in deliveries}
        wanted = {one.delivery_id: one for one in deliveries if answers[one.delivery_id] is None}

        def made(told: Told, record: Record) -> Delivery | str:
            return redelivered(
                told,
                record,
                subscription,
                run_id=run.id,
                namespace=self.config.namespace,
                max_bytes=self.config.max_event_bytes,
                now_ms=self.clock.now_ms(),
            )

        sources = {ident: source for ident, one in wanted.items() if (source := source_of(one)) is not None}
        answers |= await self._sent(sources, lambda ident, record: made(wanted[ident], record))
        await self._told(run, list(answers.values()))
        return run.id, answers

    async def requeue(
        self, places: Sequence[tuple[int, int]], account: str | None, by: str
    ) -> Mapping[tuple[int, int], str | None]:
        """As of `Replays.requeue`."""
        _few(places)
        topic, runs = Topics(self.config.topic_prefix).dead_letters, dict[str, Run]()
        outcomes: dict[str, list[str | None]] = {}
        owners: dict[tuple[int, int], str] = {}

        def made(place: tuple[int, int], letter: Record) -> Delivery | str:
            given_up = delivery_of(letter)
            if isinstance(given_up, str):
                return given_up if account is None else _NO_LETTER
            if account not in {None, given_up.account_id}:
                return _NO_LETTER
            to = self.board.subscription(given_up.subscription_id)
            if to is None:
                return "its subscription was deleted"
            if isinstance(to, Unreadable):
                return "its subscription cannot be read"
            if to.id not in runs:
                runs[to.id] = new_run(Kind.REQUEUE, to, by, self.clock)
            owners[place] = to.id
            return requeued(letter, to, run_id=runs[to.id].id, now_ms=self.clock.now_ms())

        found = await self._sent({place: Source(topic, *place) for place in places}, made)
        for place, ident in owners.items():
            outcomes.setdefault(ident, []).append(found[place])
        for ident, answers in outcomes.items():
            await self._told(runs[ident], answers)
        return found

    async def _sent(
        self, wanted: Mapping[K, Source], made: Callable[[K, Record], Delivery | str]
    ) -> dict[K, str | None]:
        """
        What became of each: None, it is sent; or why it is not.

        Several may be wanted of one place: a topic that was made anew has another event there, under another id.
        """
        answers: dict[K, str | None] = {}
        for some in _some(list(wanted)):
            try:
                answers |= await self._together(some, wanted, made)
            except RelayError as error:
                if None not in answers.values():
                    raise
                log.warning("run.doubtful", error=str(error))
                return dict.fromkeys(wanted, UNKNOWN) | answers
        return answers

    async def _together(
        self, some: Sequence[K], wanted: Mapping[K, Source], made: Callable[[K, Record], Delivery | str]
    ) -> dict[K, str | None]:
        answers: dict[K, str | None] = {}
        chosen: dict[K, Delivery] = {}
        found = await records(self.config, list({wanted[key] for key in some}))
        for key in some:
            record = found[wanted[key]]
            one = record.why if isinstance(record, Gone) else made(key, record)
            if isinstance(one, str):
                answers[key] = one
            else:
                chosen[key] = one
        if chosen:
            problems = await self._through(lambda outbox: outbox.each(list(chosen.values())))
            answers |= dict(zip(chosen, problems, strict=True))
        return answers

    async def _told(self, run: Run, answers: Sequence[str | None]) -> None:
        """Where anything of it was sent, it is a run that is over; and it was sent, whether that can be told or not."""
        if sent := answers.count(None):
            over = replace(run, state=RunState.DONE, matched=len(answers), skipped=len(answers) - sent, sent=sent)
            try:
                await self._through(lambda outbox: outbox.put([], over))
            except RelayError as error:
                log.warning("run.doubtful", run_id=run.id, error=str(error))
            else:
                self.board.put(over)

    async def _through(self, send: Callable[[Outbox], Awaitable[T]]) -> T:
        try:
            async with Outbox(self.config) as outbox:
                return await send(outbox)
        except KafkaError as error:
            raise lost(error, self.config.kafka_bootstrap_servers, DOUBT) from error


_NO_LETTER = "there is no such dead letter"


def _few(asked: Sequence[object]) -> None:
    if len(asked) > MOST_AT_ONCE:
        raise Invalid(Problem("ids", f"at most {MOST_AT_ONCE} at once: a replay sends more", str(len(asked))))


def _some(wanted: Sequence[K]) -> Iterator[Sequence[K]]:
    for begin in range(0, len(wanted), TOGETHER):
        yield wanted[begin : begin + TOGETHER]
