"""`relay deliveries tail`: attempts as they are made, off the results topic itself. Edge (aiokafka)."""

import sys
from collections.abc import Sequence

import orjson
from aiokafka import AIOKafkaConsumer, TopicPartition

from relay.broker import Broker, kafka_settings
from relay.cli.common import cell, json_line, tell
from relay.cli.patience import started
from relay.config import Config
from relay.store.history.listing import fits
from relay.store.history.rows import read
from relay.store.history.values import Search, Unreadable, place
from relay.store.writer import no_topic
from relay.topics import Topics

# Ids last: they are as long as somebody made them.
SHOWN = ("started_at", "verdict", "status", "reason", "attempt", "elapsed_ms", "event_type")
IDS = ("subscription_id", "lead_id", "delivery_id")
WIDTHS = dict(zip(SHOWN, (24, 9, 6, 14, 7, 10, 14), strict=True))
WAIT_MS = 500  # for records; Ctrl-C is heard meanwhile


async def tail(config: Config, search: Search, account: str | None, *, limit: int | None, plain_json: bool) -> None:
    """
    Each attempt that fits, in a line, until so many were shown.

    Raises:
        TopicProblem: There is no results topic.
        KafkaError: The broker does not answer.
    """
    topic = Topics(config.topic_prefix).results
    async with Broker(config) as broker:
        partitions = (await broker.topics()).get(topic)  # to ask for it alone might create it
    if partitions is None:
        raise no_topic(topic)
    consumer = AIOKafkaConsumer(**kafka_settings(config), enable_auto_commit=False, auto_offset_reset="latest")
    async with started(consumer):
        await _placed(consumer, [TopicPartition(topic, number) for number in range(partitions)], search.since_ms)
        tell(f"following {topic}; Ctrl-C ends it")
        if not plain_json:
            _write("  ".join([*(name.ljust(WIDTHS[name]) for name in SHOWN), *IDS]))
        shown = 0
        while limit is None or shown < limit:
            for records in (await consumer.getmany(timeout_ms=WAIT_MS)).values():
                lines = [line for one in records if (line := _line(one.value, search, account, plain_json)) is not None]
                for line in lines[: None if limit is None else limit - shown]:
                    _write(line)
                    shown += 1


async def _placed(consumer: AIOKafkaConsumer, partitions: Sequence[TopicPartition], since_ms: int | None) -> None:
    """At the end, or where that time begins."""
    consumer.assign(list(partitions))
    await consumer.seek_to_end()
    if since_ms is not None:
        # Records are as old as their attempts at most: a result is written when its attempt is over.
        for partition, found in (await consumer.offsets_for_times(dict.fromkeys(partitions, since_ms))).items():
            if found is not None:
                consumer.seek(partition, found.offset)


def _line(value: bytes | None, search: Search, account: str | None, plain_json: bool) -> str | None:  # noqa: FBT001
    """None: it is not asked for."""
    row = read(place(0, 0, 0), value)
    if isinstance(row, Unreadable):
        tell(f"a record that is no result: {row.reason}")
        return None
    attempt, delivery = row
    if not fits(delivery, search) or account not in (None, delivery.account_id):
        return None
    if plain_json:
        return json_line(orjson.loads(attempt.result)).rstrip()
    result = orjson.loads(attempt.result)
    return "  ".join([*(cell(result.get(name)).ljust(WIDTHS[name]) for name in SHOWN), *(cell(result[n]) for n in IDS)])


def _write(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
