import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.clock import ManualClock
from relay.errors import Malformed, TooManyMalformed
from relay.metrics import Metrics
from relay.model import (
    Delivery,
    DeliveryId,
    Event,
    Headers,
    Outgoing,
    Reply,
    Request,
    Source,
    Subscription,
    SubscriptionId,
)
from relay.pipeline import dispatch
from relay.pipeline.attempt import Bench
from relay.pipeline.consume import Intake
from relay.pipeline.fan import Fan, Part
from relay.pipeline.faults import FAULTS_MAX, Faults
from relay.pipeline.lane import LaneRules
from relay.pipeline.lanes import Lanes
from relay.pipeline.ledger import Ledger
from relay.pipeline.match import Index
from relay.pipeline.produce import Produce, Ticket, size_of
from relay.pipeline.room import Room
from relay.pipeline.schedule import Schedule
from relay.topics import Topics
from tests.builders import some_notices

LIMIT = 500  # the default of RELAY_MALFORMED_LIMIT
MALFORMED = Malformed("not JSON")
SUBSCRIPTION = Subscription(id=SubscriptionId("sub_1"), account_id="account", name="", url="", events=())


@dataclass(frozen=True)
class Fetched:
    """A record as it was read."""

    offset: int = 0
    value: bytes | None = b"{"
    topic: str = "leads.events"
    partition: int = 0
    timestamp: int = 0
    key: bytes | None = b"lead_1"
    headers: Headers = ()


class Sent(Produce):
    """A producer without a broker: keeps what it is to send until told that it is acknowledged."""

    def __init__(self) -> None:
        async def connect() -> None:
            raise AssertionError("there is no broker")

        super().__init__(connect, results="relay.results", clock=ManualClock())
        self.records: list[tuple[Outgoing, Ticket]] = []

    def send(self, record: Outgoing, ticket: Ticket) -> None:
        self.records.append((record, ticket))

    def acknowledge(self) -> None:
        """All of it."""
        for record, ticket in self.records:
            ticket.acknowledged(size_of(record))


async def nobody(request: Request) -> Reply:
    raise AssertionError(f"nothing is sent here, not to {request.url}")


def broken() -> str:
    raise RuntimeError("a fault of our own")


@dataclass
class Work:
    """A worker's faults, with what they write and where they count."""

    limit: int = LIMIT
    new_id: Callable[[], str] = lambda: "att_1"
    sent: Sent = field(default_factory=Sent)
    closed: list[tuple[int, bool]] = field(default_factory=list)  # offset, settled
    metrics: Metrics = field(default_factory=Metrics)
    ledger: Ledger = field(default_factory=lambda: Ledger("leads.events", 0, generation=1))

    def __post_init__(self) -> None:
        self.room = Room(limit_bytes=10**9)
        self.tools = Bench(
            index=Index(),
            deliver=nobody,
            produce=self.sent,
            room=self.room,
            schedule=Schedule((30,), (30,), 3_600),
            topics=Topics("relay"),
            notices=some_notices(self.sent, self.room),
            metrics=self.metrics,
            clock=ManualClock(),
            new_id=self.new_id,
            worker="worker-1",
            timeout_s=15,
            max_record_bytes=1_000_000,
        )
        self.faults = Faults(self.tools, malformed_limit=self.limit)
        self.ledger.begin(0)

    def fan(self, offset: int = 0) -> Fan:
        if offset >= self.ledger.position:
            self.ledger.take([Fetched(offset)])

        def closed(ledger: Ledger) -> None:
            assert ledger is self.ledger
            self.closed.append((offset, offset not in ledger._open))

        return Fan(self.ledger, offset, size=0, read_ms=0, give=self.room.give, closed=closed)

    def part(self, offset: int = 0) -> Part:
        """The one delivery of a record that was walked."""
        fan = self.fan(offset)
        part = fan.part("sub_1")
        fan.over()
        return part

    def meet(self, *, malformed: bool, times: int = 1) -> None:
        """So many records, one after another."""
        for _ in range(times):
            if malformed:
                self.faults.malformed(Fetched(), MALFORMED, self.fan())
            else:
                self.faults.read()

    def count(self, name: str, **labels: str) -> float | None:
        """What /metrics would say."""
        return self.metrics.registry.get_sample_value(name, labels)


def a_delivery() -> Delivery:
    event = Event(
        body=b'{"id":1}',
        body_sha256="",
        type="lead.updated",
        account_id="acc_1",
        lead_id="lead_1",
        bot_id=None,
        resource_version=None,
        time=None,
        time_raw=None,
        source=Source("leads.events", 0, 0),
    )
    return Delivery(
        id=DeliveryId("dlv_1"),
        event=event,
        subscription_id=SubscriptionId("sub_1"),
        account_id="acc_1",
        incarnation="",
        matched_ms=0,
    )


# malformed


def test_a_malformed_record() -> None:
    """Its own bytes are a dead letter with the reason, and it settles once that is acknowledged."""
    work = Work()

    work.faults.malformed(Fetched(7, b"{nonsense"), MALFORMED, work.fan(7))

    [(letter, _)] = work.sent.records
    assert ("relay.dead-letters", b"{nonsense", b"lead_1") == (letter.topic, letter.value, letter.key)
    assert {"relay-reason": b"not JSON", "relay-source": b"leads.events/0/7"}.items() <= dict(letter.headers).items()
    assert [] == work.closed
    work.sent.acknowledge()
    assert [(7, True)] == work.closed
    assert work.room.held_bytes == 0
    assert work.count("relay_dead_letters_total", reason="malformed") == 1


def test_500_malformed_records_of_the_last_1000() -> None:
    """They are dead letters, and the worker goes on."""
    work = Work()

    work.meet(malformed=False, times=500)
    work.meet(malformed=True, times=500)

    assert len(work.sent.records) == 500


def test_501_malformed_records_of_the_last_1000() -> None:
    """They stop the worker, which says what they were and which came last."""
    work = Work()
    work.meet(malformed=True, times=250)
    work.meet(malformed=False, times=499)
    work.meet(malformed=True, times=250)

    with pytest.raises(TooManyMalformed, match=r"501 of the last 1000 .*\(500\).* leads\.events/0/9: not JSON"):
        work.faults.malformed(Fetched(9), MALFORMED, work.fan(9))


def test_malformed_records_of_long_ago() -> None:
    """They no longer count: whatever their number, never more than the limit came close together."""
    work = Work()

    for _ in range(3):
        work.meet(malformed=True, times=500)
        work.meet(malformed=False, times=500)

    assert len(work.sent.records) == 1_500


def test_a_limit_of_none() -> None:
    """The first malformed record stops the worker."""
    work = Work(limit=0)

    with pytest.raises(TooManyMalformed, match="1 of the last 1 records"):
        work.meet(malformed=True)


@given(st.integers(0, 30), st.lists(st.tuples(st.booleans(), st.integers(1, 20) | st.integers(950, 1_000)), max_size=6))
def test_whatever_records_come(limit: int, runs: list[tuple[bool, int]]) -> None:
    """The worker stops with the first that makes more than the limit of the last thousand malformed, and no other."""
    work, met = Work(limit=limit), list[bool]()
    for malformed in [malformed for malformed, times in runs for _ in range(times)]:
        met.append(malformed)
        if malformed and sum(met[-1_000:]) > limit:
            with pytest.raises(TooManyMalformed):
                work.meet(malformed=True)
            return
        work.meet(malformed=malformed)


# faults of our own


async def test_a_fault_of_our_own() -> None:
    """It costs its delivery only, which is a dead letter that can be requeued."""
    work = Work(new_id=broken)

    await work.faults.attempt(a_delivery(), work.part())

    [(letter, _)] = work.sent.records
    headers = dict(letter.headers)
    assert ("relay.dead-letters", b'{"id":1}') == (letter.topic, letter.value)
    assert (b"internal_error", b"dlv_1") == (headers["relay-reason"], headers["relay-delivery-id"])
    assert [] == work.closed
    work.sent.acknowledge()
    assert [(0, True)] == work.closed
    assert work.count("relay_internal_faults_total") == 1


async def test_too_many_faults_of_our_own() -> None:
    """They stop the worker, with the last of them unsettled: it is we who are wrong, not the deliveries."""
    work = Work(new_id=broken)
    for offset in range(FAULTS_MAX):
        await work.faults.attempt(a_delivery(), work.part(offset))

    with pytest.raises(RuntimeError, match="a fault of our own"):
        await work.faults.attempt(a_delivery(), work.part(FAULTS_MAX))

    work.sent.acknowledge()
    assert [(offset, True) for offset in range(FAULTS_MAX)] == work.closed


async def test_an_attempt_that_is_made() -> None:
    """It is no fault, whatever its outcome; this one's subscription is gone."""
    work = Work()

    await work.faults.attempt(a_delivery(), work.part())

    assert ["relay.results"] == [record.topic for record, _ in work.sent.records]
    assert work.count("relay_internal_faults_total") == 0


async def test_an_attempt_on_its_way_to_another_owner() -> None:
    """It is not started, and its record is left to whoever reads it next."""

    async def admits(ledger: Ledger) -> bool:
        return ledger.ready

    work = Work(new_id=broken)
    part, intake = work.part(), cast("Intake", SimpleNamespace(admits=admits, pulse=lambda: None))
    lanes: Lanes[dispatch.Work] = Lanes(LaneRules(), places=1, buffer_bytes=1_000)
    waiting = dispatch.Work(a_delivery(), part, intake)
    work.ledger.close()

    lanes.offer(waiting, SUBSCRIPTION, lead="lead_1", size=1, now_s=0.0)
    async with asyncio.TaskGroup() as attempts:
        await dispatch.Dispatch(lanes, work.faults)._chain(lanes.next(0.0), attempts)

    assert [] == work.sent.records
    assert [(0, False)] == work.closed
    assert lanes.places.in_flight == 0


async def test_an_attempt_that_is_cancelled() -> None:
    """It is no fault either: the drain is over, and its record stays unsettled."""

    def cancelled() -> str:
        raise asyncio.CancelledError

    work = Work(new_id=cancelled)

    with pytest.raises(asyncio.CancelledError):
        await work.faults.attempt(a_delivery(), work.part())

    assert [] == work.closed
    assert work.count("relay_internal_faults_total") == 0
