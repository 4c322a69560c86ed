"""What the results topic says of the events of a run: that nothing was lost or sent twice, and what was deferred."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from uuid import UUID

import orjson
from aiokafka import AIOKafkaConsumer, TopicPartition

from tests.bench.children import Broken
from tests.bench.stage import PARTITIONS, Stage

POLL_MS = 1_000
NAMED = 3  # events, in a message

Verdicts = Mapping[int, Counter[str]]  # number of the event -> what its results say; empty for one without


async def verdicts(stage: Stage) -> Verdicts:
    """Of every event that has a result."""
    found: defaultdict[int, Counter[str]] = defaultdict(Counter)
    async with AIOKafkaConsumer(bootstrap_servers=stage.bootstrap, auto_offset_reset="earliest") as reader:
        partitions = [TopicPartition(f"{stage.prefix}.results", number) for number in range(PARTITIONS)]
        reader.assign(partitions)
        left = sum((await reader.end_offsets(partitions)).values())  # not written in transactions: without gaps
        while left > 0:
            for records in (await reader.getmany(timeout_ms=POLL_MS)).values():
                left -= len(records)
                for record in records:
                    result = orjson.loads(record.value)
                    found[UUID(result["lead_id"]).int][result["verdict"]] += 1
    return found


async def settled(stage: Stage, *, first_timed: int) -> Callable[[int], bool]:
    """Whether the worker's commits have passed an event, by its number; those from `first_timed` on are paced ones."""
    async with AIOKafkaConsumer(
        bootstrap_servers=stage.bootstrap, group_id=stage.prefix, enable_auto_commit=False
    ) as reader:
        partitions = [TopicPartition(topic, number) for topic in stage.topics for number in range(PARTITIONS)]
        reader.assign(partitions)
        bases = {one: await reader.committed(one) or 0 for one in partitions}

    def passed(number: int) -> bool:
        timed = number >= first_timed
        at = TopicPartition(stage.topics[timed], number % PARTITIONS)
        return (number - first_timed * timed) // PARTITIONS < bases[at]

    return passed


def judge(found: Verdicts, events: Iterable[int], *, arrived: bool, passed: Callable[[int], bool]) -> int:
    """
    How many of these events were deferred.

    Args:
        found: What the results say.
        events: Those of receivers that take them at once.
        arrived: Whether each was received; then each has been delivered.
        passed: Whether it is committed. What has not arrived is late; with a commit and without a result it is lost.

    Raises:
        Broken: Something was lost, or delivered more than once.
    """
    events = list(events)
    none = Counter[str]()
    told = {number: found.get(number, none) for number in events}
    lost = [number for number, of in told.items() if not of["delivered"] and (arrived or (not of and passed(number)))]
    twice = [number for number, of in told.items() if of["delivered"] > 1]
    for what, which in (("lost", lost), ("delivered more than once", twice)):
        if which:
            raise Broken(f"{len(which):,} events of healthy receivers were {what}: {which[:NAMED]} …")
    return sum(of["deferred"] for of in told.values())
