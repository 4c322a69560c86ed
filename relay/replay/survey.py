"""A replay before it is one: where it would begin and end, and how much it would send. Edge (aiokafka)."""

import asyncio
import time
from dataclasses import replace

from aiokafka import AIOKafkaConsumer, TopicPartition

from relay.broker import Broker
from relay.config import Config
from relay.errors import Conflict, Invalid, Problem, TopicProblem, Unreachable
from relay.model import Subscription
from relay.replay.carry import Hindsight
from relay.replay.choose import index_of, replayed
from relay.replay.hindsight import unknown
from relay.replay.lookup import FIND_S, bounds, reader
from relay.replay.ranges import ranges, remaining
from relay.replay.scan import Batch, Replaced, Scan
from relay.replay.values import Place, Preview, Run, Wish, forecast

BATCH = 1_000  # records looked at between two looks at the clock; some 50 ms
SILENT_S = 5.0  # without a record from a broker that should have some


async def planned(config: Config, wish: Wish, run: Run, *, committed_only: bool) -> Run:
    """
    The run as it begins: where, to which ends, and what is lost.

    Raises:
        Invalid: The wish names no partition of an events topic.
        TopicProblem: There is no events topic.
        Unreachable, NotAllowed: The broker does not answer, or refuses us.
    """
    places = await _places(config)
    _check(wish, places)
    try:
        async with reader(config, committed_only=committed_only) as consumer:
            tps = [TopicPartition(*place) for place in places]
            firsts, lasts = await bounds(consumer, tps)
            # the embedded broker finds no offset for a time: there the log is read from its beginning
            asks = wish.since_ms is not None and committed_only
            at_time = await _at_time(consumer, tps, wish.since_ms or 0) if asks else dict.fromkeys(places, 0)
    except TimeoutError:
        raise Unreachable("the broker does not say where the events topics begin and end: try again") from None
    begins = {(tp.topic, tp.partition): at for tp, at in firsts.items()}
    ends = {(tp.topic, tp.partition): at for tp, at in lasts.items()}
    starts, lost = ranges(wish, begins=begins, ends=ends, at_time=at_time)
    return replace(
        run,
        since_ms=wish.since_ms,
        from_offsets=wish.from_offsets,
        undelivered=wish.undelivered,
        starts=starts,
        positions=starts,
        until={place: ends[place] for place in starts},
        lost=lost,
    )


async def surveyed(
    config: Config,
    run: Run,
    to: Subscription,
    *,
    history: Hindsight | None,
    committed_only: bool,
    seconds: float,
) -> Preview:
    """
    What this run would come to: counted, or where that takes longer than so many seconds, estimated from its first.

    Raises:
        Unreachable, NotAllowed: The broker does not answer, or refuses us.
        Conflict: The topic was made anew meanwhile.
    """
    index, matched, to_send, now = index_of(to), 0, 0, run
    began_s = heard_s = time.monotonic()
    async with Scan(config, run, committed_only=committed_only) as scan:
        while remaining(now) and time.monotonic() - began_s < seconds:
            batch = await _batch(scan)
            now = batch.run
            if batch.records:
                heard_s = time.monotonic()
            elif time.monotonic() - heard_s > SILENT_S:
                raise Unreachable("the broker answers, but gives no records: look at its partitions' leaders")
            made = [
                replayed(one, index, run, namespace=config.namespace, max_bytes=config.max_event_bytes, now_ms=0)
                for one in batch.records
            ]
            ids = [one.id for one in made if one is not None]
            matched += len(ids)
            there = await history.delivered(ids) if run.undelivered and history is not None and ids else set()
            to_send += len(ids) - len(there & set(ids))
    notes = [note] if (note := forecast(to)) is not None else []
    if run.undelivered and history is not None:
        notes.append(unknown(await history.age(), run, retention_s=config.history_retention_s))
    exact = not remaining(now)
    share = 1.0 if exact or not now.done else now.total / now.done
    return Preview(
        events=run.total,
        matched=round(matched * share),
        to_send=round(to_send * share),
        lost=now.lost,
        exact=exact,
        note=". ".join(notes) or None,
    )


async def _batch(scan: Scan) -> Batch:
    try:
        return await scan.batch(BATCH)
    except Replaced as why:
        raise Conflict(f"{why}: ask once more") from None
    except TimeoutError:
        raise Unreachable("the broker does not say where the events topics begin and end: try again") from None


async def _places(config: Config) -> list[Place]:
    async with Broker(config) as broker:
        partitions = await broker.topics()
    if missing := [name for name in config.events_topics if name not in partitions]:
        raise TopicProblem(f"there is no topic {missing[0]}: the platform makes it")
    return [(name, number) for name in config.events_topics for number in range(partitions[name])]


def _check(wish: Wish, places: list[Place]) -> None:
    problems = []
    if (wish.since_ms is None) == (wish.from_offsets is None):
        problems.append(Problem("since", "give either a time or offsets to begin at"))
    for (topic, partition), offset in (wish.from_offsets or {}).items():
        if (topic, partition) not in places:
            problems.append(Problem("from_offsets", "no partition of an events topic", f"{topic}/{partition}"[:300]))
        elif offset < 0:
            problems.append(Problem("from_offsets", "an offset is a number from 0", str(offset)[:30]))
    if wish.since_ms is not None and not 0 <= wish.since_ms < 1 << 53:
        problems.append(Problem("since", "must be a time since 1970", str(wish.since_ms)[:30]))
    if problems:
        raise Invalid(*problems)


async def _at_time(consumer: AIOKafkaConsumer, tps: list[TopicPartition], since_ms: int) -> dict[Place, int | None]:
    async with asyncio.timeout(FIND_S):
        found = await consumer.offsets_for_times(dict.fromkeys(tps, since_ms))
    return {(tp.topic, tp.partition): None if one is None else one.offset for tp, one in found.items()}
