"""
The results topic into the store, whatever befalls either. Edge.

Rows and offsets are one transaction, so there is nothing to be lost or done twice: after any trouble it asks the store
where it stands, and goes on from there. Several may run: one moves on, the others find themselves overtaken and stand
by.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Self

import structlog
from aiokafka.errors import KafkaError

from relay.broker import Broker, kafka_settings
from relay.clock import Clock, SystemClock
from relay.config import Config
from relay.ending import unless
from relay.errors import RelayError
from relay.model import Record
from relay.store.history.resuming import mark_of
from relay.store.history.rows import read
from relay.store.history.store import SqlHistory
from relay.store.history.tail import Tail
from relay.store.history.values import Attempt, Batch, Delivery, Gap, Position, Unreadable, place
from relay.store.history.writing import Overtaken
from relay.topics import Topics

log = structlog.get_logger()

AGAIN_S = (0.5, 1, 2, 5, 10)  # between tries while broker or store are in trouble; the last from then on
STANDBY_S = 10.0  # for the one that is ahead; a page is older by that when it ends
LOOK_S = 2.0  # between looks at where the log ends: how well the age of the history is known
PRUNE_S = 600.0  # between retentions: what is kept for days may stay for minutes more
PRUNE_TURN_S = 0.5  # of one turn: as long as a batch takes, so that as much can leave as comes
CONFIRM_S = 1.0  # a log that seems replaced is looked at again: a new leader may not know its end at once


@dataclass(frozen=True, slots=True, kw_only=True)
class Keep:
    """How much of the past stays."""

    age_ms: int
    bytes: int | None = None  # of records and rows; None: no bound

    @classmethod
    def configured(cls, config: Config) -> Self:
        """As RELAY_HISTORY_RETENTION and RELAY_HISTORY_BYTES say."""
        return cls(age_ms=config.history_retention_s * 1000, bytes=config.history_bytes)


class Projector:
    """Keeps the store as the log is."""

    def __init__(
        self, config: Config, history: SqlHistory, *, clock: Clock | None = None, keep: Keep | None = None
    ) -> None:
        self._config = config
        self._history = history
        self._clock = clock or SystemClock()
        self._keep = keep or Keep.configured(config)
        self._topic = Topics(config.topic_prefix).results
        self._at: dict[int, Position] = {}
        self._looked = self._prune_at = 0.0
        self._tries = 0

    async def run(self, stop: asyncio.Event) -> None:
        """Until told to stop. Never raises for trouble of the broker's or the store's: it is told, and tried again."""
        while not stop.is_set():
            pause_s = 0.0
            try:
                await unless(stop, self._follow())
            except Overtaken:
                log.debug("history.overtaken", again_s=STANDBY_S)
                pause_s = STANDBY_S
            except (RelayError, KafkaError, OSError) as error:
                pause_s = AGAIN_S[min(self._tries, len(AGAIN_S) - 1)]
                self._tries += 1
                log.warning("history.troubled", error=str(error) or repr(error), again_s=pause_s)
            await unless(stop, self._clock.sleep(pause_s))

    @property
    def taken(self) -> int:
        """Records of all partitions that are in the store, as far as this one knows."""
        return sum(at.next_offset for at in self._at.values())

    async def _follow(self) -> None:
        """For as long as nothing is wrong, and the topic has the partitions that it had."""
        await self._history.prepare()
        async with Broker(self._config) as broker:
            partitions = (await broker.topics()).get(self._topic)  # to ask for it alone might create it
        if partitions is None:
            raise RelayError(f"there is no topic {self._topic}: `relay topics apply` makes it")
        async with Tail(kafka_settings(self._config), self._topic, range(partitions)) as tail:
            await self._resume(tail)
            while not tail.grown():
                await self._turn(tail)

    async def _resume(self, tail: Tail) -> None:
        self._at = await self._history.positions(self._topic)
        found = await tail.resume(self._at)
        if any(gap is not None and gap.kind == "replaced" for _, _, gap in found):
            await self._clock.sleep(CONFIRM_S)
            found = await tail.resume(self._at)
        moves = [(before, on) for before, on, _ in found if before != on]
        gaps = [gap for _, _, gap in found if gap is not None]
        if moves:
            await self._history.write(self._topic, Batch(moves=moves, gaps=gaps))
        self._at = {on.partition: on for _, on, _ in found}
        for gap in gaps:
            _tell(self._topic, gap)
        log.info("history.following", topic=self._topic, partitions=len(found))

    async def _turn(self, tail: Tail) -> None:
        records = await tail.records()
        if records and not await tail.same():
            await self._resume(tail)  # what was just read may be of another log
            return
        if records:
            await self._write(batch(records, self._at, now_ms=self._clock.now_ms()))
        await self._look(tail)
        await self._prune()
        self._tries = 0

    async def _write(self, some: Batch) -> None:
        refused = await self._history.write(self._topic, some)
        if unreadable := (*some.unreadable, *refused):
            first = unreadable[0]
            log.error(
                "history.unreadable", topic=self._topic, records=len(unreadable), first=first.id, why=first.reason
            )
        self._at |= {after.partition: after for _, after in some.moves}

    async def _prune(self) -> None:
        """Retention, when it is due: a moment at a time, for what comes must not wait until all the rest has left."""
        began = self._clock.monotonic()
        while began >= self._prune_at and self._clock.monotonic() - began < PRUNE_TURN_S:
            before_ms = self._clock.now_ms() - self._keep.age_ms
            gone = await self._history.prune(before_ms=before_ms, max_bytes=self._keep.bytes)
            if gone:
                log.debug("history.pruned", deliveries=gone)
            else:
                self._prune_at = began + PRUNE_S

    async def _look(self, tail: Tail) -> None:
        """How far behind it all is, and whether the file is still the same: once in a while."""
        now = self._clock.monotonic()
        if now - self._looked < LOOK_S:
            return
        self._looked = now
        if self._history.replaced():
            raise RelayError("the history's database is another file than it was, or gone: it is made and read anew")
        now_ms = self._clock.now_ms()
        ends = await tail.ends()
        done = [at for at in self._at.values() if at.next_offset >= ends[at.partition]]
        if done:
            await self._write(Batch(moves=[(at, replace(at, as_of_ms=max(at.as_of_ms, now_ms))) for at in done]))


def batch(records: Mapping[int, Sequence[Record]], at: Mapping[int, Position], *, now_ms: int) -> Batch:
    """Rows of what was read, and how far each partition is then; no clock that runs ahead makes it newer than now."""
    moves: list[tuple[Position, Position]] = []
    attempts: list[tuple[Attempt, Delivery]] = []
    unreadable: list[Unreadable] = []
    for number, some in records.items():
        before = at[number]
        rows = [read(place(before.incarnation, number, record.offset), record.value) for record in some]
        unread = [row for row in rows if isinstance(row, Unreadable)]
        attempts += [row for row in rows if not isinstance(row, Unreadable)]
        unreadable += unread
        last = some[-1]
        after = replace(
            before,
            next_offset=last.offset + 1,
            mark=mark_of(last),
            as_of_ms=max(before.as_of_ms, min(last.timestamp, now_ms)),
            unreadable=before.unreadable + len(unread),
        )
        moves.append((before, after))
    return Batch(moves=moves, attempts=attempts, unreadable=unreadable)


def _tell(topic: str, gap: Gap) -> None:
    if gap.kind == "lost":
        log.error("history.lost", topic=topic, partition=gap.partition, first=gap.first_offset, end=gap.end_offset)
    else:
        log.error("history.replaced", topic=topic, partition=gap.partition, incarnation=gap.incarnation)
