"""
What is settled -> relay.progress, before it is committed. Edge (aiokafka).

A producer of its own: what this topic's leader refuses, or whoever took our right to write it, must not touch results.
It need not be an idempotent one, for telling twice says nothing else.

Completeness is a proof, commits are safety: a commit waits for what it covers to be told, for a moment; where that has
not come, commits go on without, what is not told yet is told with the next, and what never is shows as unknown.
"""

import asyncio
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any, Protocol

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from relay.clock import Clock
from relay.ending import begin, let_go
from relay.pipeline.covered import Lost, Told, lost_record, records
from relay.pipeline.ledger import Ledger
from relay.pipeline.produce import by_key

log = structlog.get_logger()

WAIT_S = 1.0  # a commit's, once; a healthy broker takes milliseconds, and a commit interval more is sent again at most
REQUEST_MS = 10_000  # for the broker's answer: longer than it takes to have a new leader
WRITE_S = 15.0  # for connecting and everything that waits
AGAIN_S = 2.0  # between tries, while it is in trouble
RUNS = 50_000  # kept meanwhile, some 5 MB: what is beyond is never told


class Telling(Protocol):
    """Told of what is covered, before it is committed."""

    def cover(self, ledger: Ledger) -> None:
        """What this ledger has settled since the last time, in the same moment as what will be committed of it."""
        ...

    async def told(self) -> None:
        """What was covered is on the broker, or is not waited for any longer. Never raises."""
        ...


class Silence:
    """Nothing is told: of the delivery topics."""

    def cover(self, ledger: Ledger) -> None:
        """Nobody asks."""

    async def told(self) -> None:
        """There is nothing to wait for."""


SILENCE = Silence()


class Progress:
    """Tells of all partitions of one consumer; `run` is its task."""

    def __init__(self, settings: Mapping[str, Any], *, topic: str, worker: str, clock: Clock) -> None:
        self._settings = settings
        self._topic = topic
        self._worker = worker
        self._clock = clock
        self._producer: AIOKafkaProducer | None = None
        self._waiting: list[Told | Lost] = []
        self._sending: list[Told | Lost] = []
        self._covered = self._written = 0  # times that something was handed over, and how many of those are told
        self._troubled = True  # until `run` is there: nobody waits for it
        self._wake, self._news = asyncio.Event(), asyncio.Event()

    def cover(self, ledger: Ledger) -> None:
        """See `Telling`."""
        runs, began_ms = ledger.covered.taken()
        base = ledger.committable
        if not runs or base is None:
            return
        self._covered += 1
        self._keep(
            Told(
                topic=ledger.topic, partition=ledger.partition, generation=ledger.generation,
                base=base, end=ledger.end, began_ms=began_ms, runs=runs,
            )
        )  # fmt: skip

    def lost(self, lost: Lost) -> None:
        """A range that retention took before it was read."""
        self._waiting.append(lost)
        self._wake.set()

    def _keep(self, told: Told | Lost) -> None:
        """It waits, in one with what waits already; not more than RUNS of them all, the oldest go."""
        for place, one in enumerate(self._waiting):
            if isinstance(one, Told) and isinstance(told, Told) and (both := one.then(told)) is not None:
                self._waiting[place] = both
                break
        else:
            self._waiting.append(told)
        while sum(len(one.runs) for one in self._waiting if isinstance(one, Told)) > RUNS:
            gone = next(one for one in self._waiting if isinstance(one, Told))
            self._waiting.remove(gone)
            log.warning("progress.dropped", topic=gone.topic, partition=gone.partition, first=gone.runs[0].first)

    async def told(self) -> None:
        """See `Telling`; while the broker is in trouble nothing is waited for."""
        if not self._waiting and not self._sending:
            return
        self._wake.set()
        wanted = self._covered
        try:
            async with asyncio.timeout(WAIT_S):
                while not self._troubled and self._written < wanted:
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            self._trouble("no answer in time")

    async def run(self) -> None:
        """Write what there is, until cancelled; and then what is left."""
        self._troubled = False
        try:
            await self._try()  # connected, so that no commit waits for that
            while True:
                await self._wake.wait()
                self._wake.clear()
                while self._waiting:
                    await self._try()
        finally:
            self._troubled = True
            self._news.set()
            await self._last()
            await self._close()

    async def _last(self) -> None:
        """What is left has a moment more; a worker that ends does not wait for a broker in trouble."""
        with suppress(Exception):
            async with asyncio.timeout(WAIT_S):
                if self._waiting:
                    await self._write()

    async def _try(self) -> None:
        try:
            async with asyncio.timeout(WRITE_S):
                await self._write()
        except Exception as error:  # noqa: BLE001  a sender that has died raises whatever it died of (a KeyError, 0.14)
            self._trouble(repr(error))
            await self._close()
            await self._clock.sleep(AGAIN_S)

    async def _write(self) -> None:
        covered = self._covered
        self._sending, self._waiting = self._waiting, []
        try:
            if self._producer is None:
                self._producer = await self._connected()
            sent = []
            for one in self._sending:
                key = f"{one.topic}/{one.partition}".encode()
                sent += [await self._producer.send(self._topic, value, key) for value in self._values(one)]
            await asyncio.gather(*sent)
        except BaseException:
            since, self._waiting = self._waiting, []
            for one in (*self._sending, *since):
                self._keep(one)
            raise
        finally:
            self._sending = []
        self._written, self._troubled = covered, False
        self._news.set()

    async def _connected(self) -> AIOKafkaProducer:
        client = AIOKafkaProducer(**self._settings, acks="all", request_timeout_ms=REQUEST_MS, partitioner=by_key)
        await begin(client)
        return client

    def _values(self, one: Told | Lost) -> Iterable[bytes]:
        now_ms = self._clock.now_ms()
        if isinstance(one, Lost):
            return [lost_record(one, now_ms=now_ms, worker=self._worker)]
        return records(one, now_ms=now_ms, worker=self._worker)

    def _trouble(self, error: str) -> None:
        if not self._troubled:
            log.warning("progress.troubled", error=error)
        self._troubled = True
        self._news.set()

    async def _close(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            # stop() would wait for what cannot be sent; private, but the only way to tell it not to (0.14)
            producer._message_accumulator.fail_all(KafkaError("the producer is closed"))  # noqa: SLF001
            await let_go(producer.stop())
