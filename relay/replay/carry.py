"""
One run, carried on a batch at a time: read, chosen, sent; how far that is stands in the same transaction. Edge.

Whoever takes a run on reads it anew after it has fenced whoever had it, so it goes on behind the last batch that was
committed, and sends nothing of that again.
"""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from types import TracebackType
from typing import Any, NamedTuple, Protocol, Self

from relay.broker import Broker
from relay.clock import Clock
from relay.config import Config
from relay.errors import Unreachable
from relay.model import Delivery, Record, State, Subscription
from relay.pipeline.match import Index
from relay.pipeline.results import rfc3339
from relay.replay.backlog import Standing
from relay.replay.board import Board
from relay.replay.choose import index_of, replayed
from relay.replay.hindsight import waits
from relay.replay.outbox import Outbox, Overtaken, Place, transactional_id
from relay.replay.ranges import remaining
from relay.replay.scan import Replaced, Scan
from relay.replay.values import Run, RunState
from relay.store.edits import Unreadable
from relay.store.history.values import Age

BEAT_S = 2.0  # between two records of a run that moves without sending, or waits for room


class Hindsight(Protocol):
    """What a replay asks of a history; raises Unavailable while its store is locked, full or gone."""

    async def delivered(self, delivery_ids: Iterable[str]) -> set[str]:
        """Which of these were ever delivered."""
        ...

    async def age(self) -> Age:
        """How far behind it is."""
        ...


class Chosen(NamedTuple):
    """What a batch comes to."""

    matched: int
    sent: Sequence[Delivery]

    @property
    def skipped(self) -> int:
        return self.matched - len(self.sent)


class Carry:
    """A run that is ours, for as long as the `async with`; nothing is written at its end."""

    def __init__(
        self,
        config: Config,
        board: Board,
        run: Run,
        *,
        transactions: bool,
        history: Hindsight | None,
        clock: Clock,
        worker: str,
    ) -> None:
        self._config = config
        self._board = board
        self.run = run
        self._transactions = transactions
        self._history = history
        self._clock = clock
        self._worker = worker
        self._stack = AsyncExitStack()
        self._outbox: Any = None
        self._scan: Any = None
        self._index: tuple[Subscription, Index] | None = None
        self._ahead: set[Place] = set()  # of what it has sent, what was not settled when that was last looked at
        self._written_s = 0.0
        self.is_ours = True  # False: it is over, or waits for somebody: nothing more is to be done here

    async def __aenter__(self) -> Self:
        """
        Raises:
            Overtaken: It is over meanwhile, or somebody else was faster.
            Unreachable, NotAllowed, KafkaError: The broker is in trouble, or refuses us.
        """
        ident = transactional_id(self._config, self.run.id) if self._transactions else None
        async with AsyncExitStack() as stack:
            self._outbox = await stack.enter_async_context(Outbox(self._config, transactional_id=ident))
            await self._write([], replace(await self._newest(), worker=self._worker))
            await self._look()
            scan = Scan(self._config, self.run, committed_only=self._transactions)
            self._scan = await stack.enter_async_context(scan)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def step(self, room: int) -> int | None:
        """
        One batch further; how many records were sent, None: nothing moved.

        Args:
            room: How many may be.

        Raises:
            Overtaken: Somebody else carries it on, or has ended it.
            Unavailable: The history does not answer.
            Unreachable: Its subscription is there, and is not known here yet.
            KafkaError, TimeoutError: The broker is in trouble.
        """
        seen = self._board.runs.get(self.run.id)
        if seen is not None and seen.is_over:
            raise Overtaken("it is over")
        if (to := await self._receiver()) is None:
            return None
        if room <= 0:
            await self._beat(self.run)
            return None
        if self.run.undelivered and self._history is not None and (why := waits(await self._history.age(), self.run)):
            await self._beat(replace(self.run, why=why))
            return None
        try:
            batch = await self._scan.batch(room)
        except Replaced as why:
            return await self._end(RunState.FAILED, str(why))
        deliveries = await self._chosen(batch.records, to)
        run = replace(
            self.run,
            why=None,
            positions=batch.run.positions,
            lost=batch.run.lost,
            read=self.run.read + len(batch.records),
            matched=self.run.matched + deliveries.matched,
            skipped=self.run.skipped + deliveries.skipped,
            sent=self.run.sent + len(deliveries.sent),
        )
        if not remaining(run):
            return await self._end(RunState.DONE, None, run, deliveries.sent)
        if deliveries.sent:
            await self._write(deliveries.sent, run)
        else:
            await self._beat(run)
        return len(deliveries.sent) if batch.records else None

    def ahead(self, now: Mapping[int, Standing]) -> int:
        """How many records that were sent from here are not settled, as `.now` stands."""
        self._ahead = {(number, at) for number, at in self._ahead if number in now and now[number].holds(at)}
        return len(self._ahead)

    async def release(self, why: str | None) -> None:
        """
        Whoever comes first may take it on; in our name nothing more is sent.

        Raises:
            Overtaken, KafkaError: As of `step`.
        """
        self.is_ours = False
        await self._write([], replace(self.run, worker=None, why=why))

    async def fail(self, why: str) -> None:
        """
        It is over, and says why.

        Raises:
            Overtaken, KafkaError: As of `step`.
        """
        await self._end(RunState.FAILED, why)

    async def _receiver(self) -> Subscription | None:
        """Whom it is sent to now; None: the run is over, or waits for them."""
        to = self._board.owner(self.run)
        if to is None:
            if not await self._board.is_orphan(self.run):
                raise Unreachable("its subscription is there, and is not known here yet")
            await self._end(RunState.FAILED, "its subscription was deleted, or made anew")
        elif isinstance(to, Unreadable):
            await self.release(f"waits until {self.run.subscription_id} can be read")
        elif to.state is not State.ACTIVE:
            await self.release(f"waits until {to.id} is resumed: it is {to.state}")
        else:
            return to
        return None

    async def _newest(self) -> Run:
        """Read anew, now that nobody else writes it."""
        newest = (await self._board.newest()).get(self.run.id)
        if newest is None or newest.is_over:
            raise Overtaken("it is over")
        return newest

    async def _look(self) -> None:
        """What it is to read is there: a topic that is gone, asked for by name, might be made anew."""
        async with Broker(self._config) as broker:
            there = await broker.topics()
        gone = next((topic for topic, partition in remaining(self.run) if partition >= there.get(topic, 0)), None)
        if gone is not None:
            await self._end(RunState.FAILED, f"there is no topic {gone} any more")
            raise Overtaken("it is over")

    async def _chosen(self, records: Sequence[Record], to: Subscription) -> Chosen:
        if self._index is None or self._index[0] is not to:
            self._index = (to, index_of(to))
        made = (
            replayed(
                record,
                self._index[1],
                self.run,
                namespace=self._config.namespace,
                max_bytes=self._config.max_event_bytes,
                now_ms=self._clock.now_ms(),
            )
            for record in records
        )
        matched = [one for one in made if one is not None]
        if self.run.undelivered and matched and self._history is not None:
            there = await self._history.delivered([one.id for one in matched])
            return Chosen(len(matched), [one for one in matched if one.id not in there])
        return Chosen(len(matched), matched)

    async def _end(
        self, state: RunState, why: str | None, run: Run | None = None, deliveries: Sequence[Delivery] = ()
    ) -> int:
        self.is_ours = False
        await self._write(deliveries, replace(run or self.run, state=state, why=why, worker=None))
        return len(deliveries)

    async def _beat(self, run: Run) -> None:
        """Nothing is sent; how far it is by now is written now and then, so that nobody takes us for dead."""
        if self._clock.monotonic() - self._written_s >= BEAT_S:
            await self._write([], run)
        else:
            self.run = run

    async def _write(self, deliveries: Sequence[Delivery], run: Run) -> None:
        run = replace(run, updated_at=rfc3339(self._clock.now_ms()))
        self._ahead.update(await self._outbox.put(deliveries, run))
        self.run = run
        self._board.put(run)
        self._written_s = self._clock.monotonic()
