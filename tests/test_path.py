"""
The path as a playbook: what goes in, what its receiver answers in turn, and everything that must come out.

Events are bytes and delivery records are read back as they were produced, so each case is a delivery's whole life; only
the broker and the receiver are played. To add a case, add lines.
"""

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import orjson
import pytest

from relay.clock import ManualClock
from relay.errors import Malformed
from relay.metrics import Metrics
from relay.model import (
    Answer,
    Delivery,
    Failure,
    Outgoing,
    Reason,
    Reply,
    Request,
    State,
    Subscription,
    SubscriptionId,
    Tls,
)
from relay.pipeline.attempt import Bench, bury, make
from relay.pipeline.decode import Skipped, read_delivery, read_event
from relay.pipeline.fan import Fan
from relay.pipeline.ledger import Ledger
from relay.pipeline.match import Index, endpoint, first_delivery
from relay.pipeline.produce import Produce, Ticket, size_of
from relay.pipeline.room import Room
from relay.pipeline.schedule import Schedule
from relay.pipeline.sign import OpenedSecret, Signer
from relay.topics import Topics
from tests.builders import some_notices

TOPICS = Topics("relay")
SCHEDULE = Schedule((5, 30, 120), (5, 30, 600), max_age_s=3600)
OK, UNWELL, GONE = Answer(status=200, headers=()), Answer(status=500, headers=()), Answer(status=410, headers=())
REFUSED, BLOCKED = Failure(Reason.CONNECT), Failure(Reason.BLOCKED_ADDRESS)
NO_PROXY = Failure(Reason.PROXY)
EVENT: dict[str, Any] = {
    "lead": {"id": "lead-1", "account_id": "a", "bot_id": "bot-1", "data": {}},
    "resource": "lead",
    "action": "updated",
    "resource_id": "lead-1",
    "resource_version": 7,
}


def asks(seconds: int) -> Answer:
    return Answer(status=429, headers=(("retry-after", str(seconds)),))


@dataclass(frozen=True)
class Case:
    """One delivery's life."""

    title: str
    replies: list[Reply] = field(default_factory=list)
    out: list[str] = field(default_factory=list)
    event: dict[str, Any] | bytes | None = field(default_factory=lambda: EVENT)
    subscription: dict[str, Any] = field(default_factory=dict)
    before: dict[int, dict[str, Any] | None] = field(
        default_factory=dict
    )  # attempt or deferral -> the subscription then
    lives: int = 20  # records walked at most


PLAYBOOK = [
    Case("taken at once", [OK], ["results delivered ok 200 attempt 1"]),
    Case(
        "unwell, then well",
        [UNWELL, REFUSED, OK],
        [
            "results retry status 500 attempt 1",
            "deliveries.5s attempt 2",
            "results retry connect - attempt 2",
            "deliveries.30s attempt 3",
            "results delivered ok 200 attempt 3",
        ],
    ),
    Case(
        "unwell through the whole schedule",
        [UNWELL] * 4,
        [
            "results retry status 500 attempt 1",
            "deliveries.5s attempt 2",
            "results retry status 500 attempt 2",
            "deliveries.30s attempt 3",
            "results retry status 500 attempt 3",
            "deliveries.2m attempt 4",
            "results gave_up status 500 attempt 4 exhausted",
            "dead-letters exhausted",
        ],
    ),
    Case("gone", [GONE], ["results gave_up status 410 attempt 1 gone", "dead-letters gone"]),
    Case(
        "an address that may not be called",
        [BLOCKED],
        ["results gave_up blocked_address - attempt 1 blocked_address", "dead-letters blocked_address"],
    ),
    Case(
        "the proxy is away, twice, and nothing is spent",
        [NO_PROXY, UNWELL, NO_PROXY, OK],
        [
            "results deferred proxy - attempt 1",
            "deliveries.5s attempt 1 deferred 1",
            "results retry status 500 attempt 1 deferred 1",
            "deliveries.5s attempt 2 deferred 1",
            "results deferred proxy - attempt 2 deferred 1",
            "deliveries.30s attempt 2 deferred 2",
            "results delivered ok 200 attempt 2 deferred 2",
        ],
    ),
    Case(
        "asks to be left alone for longer than the schedule would",
        [asks(60), OK],
        ["results retry status 429 attempt 1", "deliveries.2m attempt 2", "results delivered ok 200 attempt 2"],
    ),
    Case(
        "asks for longer than the longest delay",
        [asks(86_400), OK],
        ["results retry status 429 attempt 1", "deliveries.10m attempt 2", "results delivered ok 200 attempt 2"],
    ),
    Case(
        "paused, then resumed: put off without spending an attempt",
        [OK],
        [
            "results deferred subscription_paused - attempt 1",
            "deliveries.5s attempt 1 deferred 1",
            "results deferred subscription_paused - attempt 1 deferred 1",
            "deliveries.30s attempt 1 deferred 2",
            "results delivered ok 200 attempt 1 deferred 2",
        ],
        subscription={"state": State.PAUSED},
        before={2: {}},
    ),
    Case(
        "paused for longer than a delivery may wait",
        [],
        [
            "results deferred subscription_paused - attempt 1",
            "deliveries.5s attempt 1 deferred 1",
            "results deferred subscription_paused - attempt 1 deferred 1",
            "deliveries.30s attempt 1 deferred 2",
            *(
                line
                for times in range(2, 8)
                for line in (
                    f"results deferred subscription_paused - attempt 1 deferred {times}",
                    f"deliveries.10m attempt 1 deferred {times + 1}",
                )
            ),
            "results gave_up subscription_paused - attempt 1 deferred 8 expired",
            "dead-letters expired",
        ],
        subscription={"state": State.PAUSED},
    ),
    Case(
        "disabled: recorded, so that a replay knows what was missed",
        [],
        ["results dropped subscription_disabled - attempt 1"],
        subscription={"state": State.DISABLED},
    ),
    Case(
        "deleted while a retry waits",
        [UNWELL],
        [
            "results retry status 500 attempt 1",
            "deliveries.5s attempt 2",
            "results dropped subscription_deleted - attempt 2",
        ],
        before={1: None},
    ),
    Case(
        "deleted and made anew by another while a retry waits",
        [UNWELL],
        [
            "results retry status 500 attempt 1",
            "deliveries.5s attempt 2",
            "results dropped subscription_deleted - attempt 2",
        ],
        before={1: {"created_at": "2026-02-02T00:00:00.000Z"}},
    ),
    Case(
        "made anew in the same millisecond, for another account",
        [UNWELL],
        [
            "results retry status 500 attempt 1",
            "deliveries.5s attempt 2",
            "results dropped subscription_deleted - attempt 2",
        ],
        before={1: {"account_id": "b"}},
    ),
    Case("of another account", [], [], event=EVENT | {"lead": {"account_id": "b"}}),
    Case("of a bot that is not wanted", [], [], subscription={"bot_ids": ("bot-2",)}),
    Case("not let through by the filter", [], [], subscription={"filter": {"resource_version": {"$gt": 7}}}),
    Case(
        "let through by the filter",
        [OK],
        ["results delivered ok 200 attempt 1"],
        subscription={"filter": {"lead.bot_id": "bot-1"}},
    ),
    Case("of an event that is not wanted", [], [], subscription={"events": ("lead.created",)}),
    Case("of another resource", [], [], event=EVENT | {"resource": "visit"}),
    Case("a tombstone", [], [], event=None),
    Case("not JSON", [], ["dead-letters not JSON"], event=b"{"),
    Case("without an account", [], ["dead-letters lead.account_id must be"], event=EVENT | {"lead": {}}),
]


class Stage:
    """One worker's tools, with a scripted receiver, and a broker that acknowledges at once and remembers."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.replies = list(case.replies)
        self.clock = ManualClock()
        self.produced: list[Outgoing] = []
        self.requests: list[Request] = []
        self.index = Index()
        self.ledgers: list[Ledger] = []  # one a record
        self.register(case.subscription)
        self.room = Room(limit_bytes=1 << 20)
        self.tools = Bench(
            index=self.index,
            deliver=self.deliver,
            produce=cast("Produce", self),  # the part of it that is used
            room=self.room,
            schedule=SCHEDULE,
            topics=TOPICS,
            notices=some_notices(cast("Produce", self), self.room, clock=self.clock),
            metrics=Metrics(),
            clock=self.clock,
            new_id=lambda: f"att_{len(self.produced)}",
            worker="w",
            timeout_s=15,
            max_record_bytes=1 << 20,
        )

    def register(self, fields: dict[str, Any] | None) -> None:
        self.index.remove(SubscriptionId("s"))
        if fields is not None:
            plain = {"account_id": "a", "events": ("lead.updated",), "created_at": "2026-01-01T00:00:00.000Z"}
            one = Subscription(id=SubscriptionId("s"), name="s", url="https://example.com/hook", **plain | fields)
            signer = Signer([OpenedSecret(value=b"test")], one.signatures)
            self.index.put(endpoint(one, signer=signer, headers={}))

    async def deliver(self, request: Request) -> Reply:
        self.requests.append(request)
        return self.replies.pop(0)

    def send(self, record: Outgoing, ticket: Ticket) -> None:
        self.produced.append(record)
        ticket.acknowledged(size_of(record))

    def fan(self, record: Any) -> Fan:  # noqa: ANN401  a Record
        ledger = Ledger("leads.events", 0, generation=1)
        ledger.begin(0)
        ledger.take([record])
        self.ledgers.append(ledger)
        self.room.take(100)
        return Fan(ledger, 0, size=100, read_ms=self.clock.now_ms(), give=self.room.give, closed=lambda _: None)

    async def attempt(self, delivery: Delivery, fan: Fan) -> None:
        part = fan.part(delivery.subscription_id)
        part.begin()
        await make(delivery, part, self.tools)

    async def play(self) -> None:
        """The event is walked, and then every delivery record that comes of it, each when it is due."""
        event = self.case.event
        value = event if isinstance(event, bytes) or event is None else orjson.dumps(event)
        record = a_record("leads.events", value)
        fan = self.fan(record)
        try:
            read = read_event(record, max_bytes=1 << 20)
        except Malformed as why:
            bury(record, str(why), fan, self.tools)
            return
        for to in () if isinstance(read, Skipped) else self.index.match(read):
            now_ms = self.clock.now_ms()
            delivery = first_delivery(read, to, namespace="", timestamp_ms=1, now_ms=now_ms)  # type: ignore[arg-type]
            await self.attempt(delivery, fan)
        fan.over()
        seen = 0
        while seen < len(self.produced):
            one = self.produced[seen]
            seen += 1
            if TOPICS.is_deliveries(one.topic):
                await self.due(one)

    async def due(self, record: Outgoing) -> None:
        await self.clock.advance(TOPICS.delay_of(record.topic))
        due = a_record(record.topic, record.value, record.headers)
        delivery = read_delivery(due, max_bytes=1 << 20)
        if (age := progress(delivery)) in self.case.before:
            self.register(self.case.before[age])
        fan = self.fan(due)
        await self.attempt(delivery, fan)
        fan.over()


def a_record(topic: str, value: bytes | None, headers: Any = ()) -> Any:  # noqa: ANN401  a Record
    return SimpleNamespace(
        topic=topic, partition=0, offset=0, timestamp=1, key=b"lead-1", value=value, headers=tuple(headers)
    )


def progress(delivery: Delivery) -> int:
    """How many attempts and deferrals it has behind it."""
    return delivery.attempt - 1 + delivery.deferrals


def told(record: Outgoing) -> str:
    """A line of a playbook."""
    name, headers = record.topic.removeprefix("relay."), dict(record.headers)
    if name == "results":
        row = orjson.loads(record.value or b"")
        parts = [row["verdict"], row["reason"], row["status"] or "-", "attempt", row["attempt"]]
        parts += ["deferred", row["deferrals"]] if row["deferrals"] else []
        parts += [row["ended_by"]] if row["ended_by"] else []
    elif name == "dead-letters":
        parts = [headers["relay-reason"].decode()]
    else:
        parts = ["attempt", headers["relay-attempt"].decode()]
        parts += ["deferred", headers["relay-deferrals"].decode()] if headers["relay-deferrals"] != b"0" else []
    return " ".join(map(str, [name, *parts]))


@pytest.mark.parametrize("case", PLAYBOOK, ids=lambda case: case.title)
async def test_a_delivery_lives_as_the_playbook_says(case: Case) -> None:
    """Every record in its order, every record settled, nothing left in memory, no answer left over."""
    stage = Stage(case)

    await stage.play()

    lines = [told(record) for record in stage.produced]
    assert len(case.out) == len(lines), lines
    assert all(line.startswith(wanted) for wanted, line in zip(case.out, lines, strict=True)), lines
    assert [] == stage.replies
    assert all((ledger.open, ledger.active) == (0, 0) for ledger in stage.ledgers)
    assert stage.room.held_bytes == 0


@pytest.mark.parametrize("case", PLAYBOOK, ids=lambda case: case.title)
async def test_every_attempt_of_a_delivery_sends_the_same_bytes_under_the_same_id(case: Case) -> None:
    """P3 and P8, over retries that went through Kafka."""
    stage = Stage(case)

    await stage.play()

    assert len({(one.headers["webhook-id"], one.body, one.account_id) for one in stage.requests}) <= 1
    assert all(one.account_id == "a" for one in stage.requests)  # whose networks may be called
    arrived = [one for one, reply in zip(stage.requests, case.replies, strict=False) if reply is not NO_PROXY]
    assert [str(n) for n in range(1, len(arrived) + 1)] == [one.headers["relay-attempt"] for one in arrived]


@pytest.mark.parametrize(("asked", "given"), [(None, 15), (0.5, 0.5), (15.0, 15), (60.0, 15), (1e300, 15)])
async def test_an_attempt_takes_as_long_as_its_subscription_asks_and_no_longer_than_relay_allows(
    asked: float | None, given: float
) -> None:
    """RELAY_TIMEOUT_S bounds what is stored too: it may be lower by now, and others may have written the record."""
    stage = Stage(Case("", [OK], subscription={"timeout_s": asked}))

    await stage.play()

    assert [given] == [request.timeout_s for request in stage.requests]


async def test_a_request_says_whose_it_is_and_which_files_its_connection_uses() -> None:
    """What is an account's own is looked up by these."""
    stage = Stage(Case("", [OK], subscription={"tls": Tls(client_cert="crm")}))

    await stage.play()

    assert [("a", Tls(client_cert="crm"))] == [(request.account_id, request.tls) for request in stage.requests]
