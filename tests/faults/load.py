"""
What the platform publishes during a run: events at a steady rate, and everything else that a topic may hold.

librdkafka, not the client that relay uses: what is acknowledged here was not acknowledged by relay's own code. Headers
say what each record is, so that it can be read back and judged.
"""

import asyncio
from collections.abc import Mapping
from functools import partial
from random import Random
from typing import Any

import orjson
from confluent_kafka import KafkaException, Message, Producer

from tests.faults.history import What, Written
from tests.faults.receiver import now_s
from tests.kafka.driver import an_event

TICK_S = 0.05
LEADS = 3_000  # enough that no lead waits long behind itself at a slow receiver
ACCOUNTS = 3
ACTIONS = ("created", "updated", "updated", "updated", "completed")
LIMIT = 1 << 20  # RELAY_MAX_EVENT_BYTES
HOUR_MS = 3_600_000
SETTINGS = {
    "acks": "all",  # and not idempotent: such a producer stops for good when an unclean election cuts its sequence
    "linger.ms": 5,
    "message.max.bytes": 4 * LIMIT,
    "message.timeout.ms": 300_000,  # longer than any outage
    "topic.metadata.refresh.interval.ms": 2_000,  # new partitions are written to soon
    "log_level": 0,
}
TRANSACTION_MS = 10_000  # a transaction that its writer left behind holds up every reader for so long


def _nested(depth: int) -> bytes:
    return b'{"a":' * depth + b"1" + b"}" * depth


POISON: tuple[bytes | None, ...] = (
    b"",
    b"not json",
    b'{"half": ',
    b"[1, 2, 3]",
    b"\xff\xfe\x00",
    b'{"resource": "lead", "action": 7, "resource_id": "x", "lead": {"account_id": "acct-1"}}',
    b'{"resource": "lead", "action": "updated", "resource_id": "x"}',
    b'{"resource": "lead", "action": "updated", "resource_id": "x", "lead": {"account_id": 1}}',
    b'{"resource": "lead", "action": "updated", "resource_id": "", "lead": {"account_id": "acct-1"}}',
    b'{"resource": "lead", "action": "updated", "resource_id": "x", "lead": {"account_id": "a"}, "n": '
    + b"9" * 20
    + b"}",
    _nested(80),
    b"\x00\x00\x00\x00\x01{",
)
NOT_OURS: tuple[bytes | None, ...] = (
    None,
    b'{"resource": "contact", "action": "updated", "resource_id": "x"}',
    b'{"resource": "lead", "action": "deleted", "resource_id": "x", "lead": {"account_id": "acct-1"}}',
)


class Load:
    """One producer; `acked` is what it was told, which may be more than the log still holds at the end."""

    def __init__(self, bootstrap: str, topics: Mapping[str, int], *, per_s: float, seed: int) -> None:
        """
        Args:
            bootstrap: Of the cluster.
            topics: Events topic -> its share of the events.
            per_s: Events a second.
            seed: Of what they say.
        """
        self.acked: list[Written] = []
        self.aborted: list[Written] = []
        self._bootstrap = bootstrap
        self._names = list(topics)
        self._shares = list(topics.values())
        self._per_s = per_s
        self._draw = Random(seed)
        self._producer = Producer({"bootstrap.servers": bootstrap, **SETTINGS})
        self._transactions = 0

    def anew(self) -> "Load":
        """The same, with a producer that knows the partitions that there are now."""
        new = Load(self._bootstrap, dict(zip(self._names, self._shares, strict=True)), per_s=self._per_s, seed=0)
        new.acked = self.acked
        return new

    async def run(self) -> None:
        """Publish at the rate until cancelled."""
        loop = asyncio.get_running_loop()
        start, sent = loop.time(), 0
        while True:
            await asyncio.sleep(TICK_S)
            while sent < (loop.time() - start) * self._per_s:
                self.one()
                sent += 1
            self._producer.poll(0)

    async def flush(self) -> None:
        """All is acknowledged."""
        left = await asyncio.to_thread(self._producer.flush, 120)
        assert left == 0, f"{left} events could not be written"

    def one(
        self, *, lead: str = "", action: str = "", partition: int = -1, size: int | None = None,
        what: What = What.EVENT, timestamp_ms: int = 0,
    ) -> None:  # fmt: skip
        """One event: of any lead, of what happens most, where its key puts it, unless told otherwise."""
        lead = lead or f"lead-{self._draw.randrange(LEADS)}"
        event = an_event(lead, account=account_of(lead), action=action or self._draw.choice(ACTIONS))
        if size is not None:
            event["padding"] = ""
            event["padding"] = "x" * (size - len(orjson.dumps(event)))
        self._send(
            self._producer, self.acked, key=lead.encode(), value=orjson.dumps(event), what=what, event=event,
            timestamp_ms=timestamp_ms, partition=partition,
        )  # fmt: skip

    def poison(self) -> None:
        """One of each kind that cannot be read, and of each that is not for relay."""
        for value in POISON:
            self._send(self._producer, self.acked, key=b"poison", value=value, what=What.MALFORMED)
        for value in NOT_OURS:
            self._send(self._producer, self.acked, key=b"not-ours", value=value, what=What.SKIPPED)

    def sizes(self) -> None:
        """Just under the limit, on it, just over it, and far over it."""
        for size in (LIMIT - 1, LIMIT):
            self.one(size=size)
        for size in (LIMIT + 1, 2 * LIMIT, 3 * LIMIT):
            self.one(size=size, what=What.MALFORMED)

    def clock(self, draw: float) -> None:
        """Events whose producer's clock is an hour off, one way or the other."""
        step_ms = HOUR_MS if draw < 0.5 else -HOUR_MS
        for _ in range(20):
            self.one(timestamp_ms=int(now_s() * 1000) + step_ms)

    async def transactions(self) -> None:
        """Three that commit and three that do not, from one writer."""
        self._transactions += 1
        name = f"{self._names[0]}-writer-{self._transactions}"
        await asyncio.to_thread(self._transact, name)

    def _transact(self, name: str) -> None:
        own = {"transactional.id": name, "transaction.timeout.ms": TRANSACTION_MS, "bootstrap.servers": self._bootstrap}
        producer = Producer(SETTINGS | own | {"message.timeout.ms": TRANSACTION_MS})
        draw = Random(name)
        try:
            producer.init_transactions(30)
            for aborts in (False, True) * 3:
                producer.begin_transaction()
                kept: list[Written] = []
                for _ in range(10):
                    lead = f"lead-{draw.randrange(LEADS)}"
                    event = an_event(lead, account=account_of(lead))
                    self._send(producer, kept, key=lead.encode(), value=orjson.dumps(event), event=event)
                producer.flush(30)
                if aborts:
                    producer.abort_transaction(30)
                    self.aborted += kept
                else:
                    producer.commit_transaction(30)
                    self.acked += kept
        except KafkaException as error:  # the cluster is in trouble: the broker ends what was left open
            print(f"{name}: {error}")

    def _send(
        self, producer: Producer, told: list[Written], *, key: bytes, value: bytes | None, what: What = What.EVENT,
        event: Mapping[str, Any] | None = None, timestamp_ms: int = 0, partition: int = -1,
    ) -> None:  # fmt: skip
        topic = self._draw.choices(self._names, self._shares)[0]
        who = ("", "", "")
        if event is not None:
            who = (event["lead"]["account_id"], f"lead.{event['action']}", event["resource_id"])
        producer.produce(
            topic, value, key, partition=partition, timestamp=timestamp_ms, on_delivery=partial(_told, told, what, who),
            headers=[("what", what.value), ("account", who[0]), ("type", who[1]), ("lead", who[2])],
        )  # fmt: skip


def account_of(lead: str) -> str:
    return f"acct-{int(lead.rpartition('-')[2]) % ACCOUNTS}"


def _told(told: list[Written], what: What, who: tuple[str, str, str], error: object, message: Message) -> None:
    if error is None:
        told.append(written(message, what, who))


def written(message: Message, what: What, who: tuple[str, str, str]) -> Written:
    topic, partition, offset = message.topic(), message.partition(), message.offset()
    assert topic is not None
    assert partition is not None
    assert offset is not None
    return Written(topic, partition, offset, message.timestamp()[1], what, *who)
