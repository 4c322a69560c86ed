"""
Dispatch, lanes and everything behind them in time that only jumps: hours pass in seconds, and always the same way.

Kafka is a list: what is produced is acknowledged at once, and what is produced to a delivery topic comes back when it
is due, with the jitter that it would have. Receivers are functions of time.
"""

import asyncio
import logging
import selectors
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from types import SimpleNamespace, TracebackType
from typing import Any, Self, TypeVar, cast

import orjson
import structlog

from relay.metrics import Metrics
from relay.model import Answer, Delivery, Failure, Outgoing, Reason, Reply, Request, Subscription, SubscriptionId
from relay.pipeline.attempt import Bench
from relay.pipeline.consume import Intake
from relay.pipeline.decode import read_delivery, read_event
from relay.pipeline.dispatch import Dispatch, Work, may_begin
from relay.pipeline.fan import Fan
from relay.pipeline.faults import Faults
from relay.pipeline.health import Health
from relay.pipeline.lane import LaneRules
from relay.pipeline.lanes import Lanes
from relay.pipeline.ledger import Ledger
from relay.pipeline.match import Index, endpoint, first_delivery
from relay.pipeline.produce import Produce, Ticket, size_of
from relay.pipeline.room import Room
from relay.pipeline.schedule import Schedule, jitter_ms
from relay.pipeline.sign import OpenedSecret, Signer
from relay.store.edits import Changes, Edit
from relay.topics import Topics
from tests.builders import NOON_MS, a_record, a_value, nothing_edited, some_notices

T = TypeVar("T")
TOPICS = Topics("relay")
RETRY_DELAYS = (5, 30, 120, 600, 1800, 7200, 21_600, 43_200, 86_400)  # the defaults
HOLD_DELAYS = (5, 30, 120, 600, 3600, 21_600, 86_400)
SCHEDULE = Schedule(RETRY_DELAYS, HOLD_DELAYS, 3 * 86_400)
TIMEOUT_S = 15.0
BYTES = 1 << 30

OK = Answer(status=200, headers=())
HUNG = Failure(Reason.TIMEOUT)
REFUSED = Failure(Reason.CONNECT)
Receiver = Callable[[float], tuple[float, Reply]]  # now -> how long it takes, and what comes of it


class Jumping(selectors.DefaultSelector):
    """Where a loop would wait, the time is later at once."""

    now_s = 0.0

    def select(self, timeout: float | None = None) -> Any:  # noqa: ANN401  the base class's
        assert timeout is not None, "everybody waits for somebody else"
        self.now_s += max(timeout, 0.0)
        return super().select(0)


def played(play: Callable[[], Awaitable[T]]) -> T:
    """What it comes to, on a loop whose time jumps."""
    selector = Jumping()

    def loop() -> asyncio.AbstractEventLoop:
        one = asyncio.SelectorEventLoop(selector)
        one.time = lambda: selector.now_s  # type: ignore[method-assign]
        return one

    async def main() -> T:
        return await play()

    # hours of log lines take longer than the hours
    with only_warnings(), asyncio.Runner(loop_factory=loop) as runner:
        return runner.run(main())


@contextmanager
def only_warnings() -> Iterator[None]:
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    try:
        yield
    finally:
        structlog.configure(**before)


class LoopClock:
    """The loop's time is everybody's."""

    def now_ms(self) -> int:
        return NOON_MS + int(self.monotonic() * 1000)

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


@dataclass
class Call:
    """One request that was received."""

    at_s: float
    subscription: str
    id: str
    under_way: int  # requests of this subscription, with this one
    ok: bool = False


@dataclass
class World:
    """One worker, its subscriptions, and their receivers."""

    receivers: Mapping[str, Receiver]
    subscriptions: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # fields that are not ordinary
    rules: LaneRules = field(default_factory=LaneRules)
    places: int = 512
    health: Health = field(default_factory=Health)
    edit: Callable[[Edit], Awaitable[Changes]] = nothing_edited  # of the subscriptions, where one is disabled
    calls: list[Call] = field(default_factory=list)
    results: list[dict[str, Any]] = field(default_factory=list)
    written: Counter[str] = field(default_factory=Counter)  # delivery id -> records on delivery topics
    waits_s: float = 0.0  # of the reader of events

    def __post_init__(self) -> None:
        self.clock = LoopClock()
        self.index = Index()
        for name in self.receivers:
            self.register(name)
        room = Room(limit_bytes=BYTES)
        self.tools = Bench(
            index=self.index,
            deliver=self.deliver,
            produce=cast("Produce", self),  # the part of it that is used
            room=room,
            schedule=SCHEDULE,
            topics=TOPICS,
            notices=some_notices(cast("Produce", self), room, clock=self.clock, edit=self.edit, health=self.health),
            metrics=Metrics(),
            clock=self.clock,
            new_id=lambda: "att",
            worker="w",
            timeout_s=TIMEOUT_S,
            max_record_bytes=1 << 20,
        )
        self.lanes: Lanes[Work] = Lanes(self.rules, places=self.places, buffer_bytes=BYTES, may=may_begin)
        self.lanes.reshare(1.0)
        self.dispatch = Dispatch(self.lanes, Faults(self.tools, malformed_limit=0))
        self.ledger = Ledger("leads.events", 0, generation=1)
        self.ledger.begin(0)
        self.offset = 0
        self.under_way: Counter[str] = Counter()
        self._attempts = asyncio.TaskGroup()
        self._over = asyncio.Event()
        self._fate = asyncio.Event()

    def register(self, name: str, **changes: Any) -> None:  # noqa: ANN401
        """There is this subscription, and its account has its name."""
        plain = {"events": ("lead.updated",), "url": f"https://example.com/{name}", "name": name}
        fields = plain | dict(self.subscriptions.get(name, {})) | changes
        one = Subscription(id=SubscriptionId(name), account_id=fields.pop("account_id", name), **fields)
        self.index.put(endpoint(one, signer=Signer([OpenedSecret(value=b"test")], one.signatures), headers={}))

    async def __aenter__(self) -> Self:
        await self._attempts.__aenter__()
        self._attempts.create_task(self.dispatch.run(self._attempts))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self.dispatch.stop()
        await self._attempts.__aexit__(kind, error, trace)

    async def emit(self, account: str, *, lead: str | None = None) -> None:
        """One event of this account, to whoever wants it."""
        self.offset += 1
        lead = lead or f"lead_{self.offset}"
        value = a_value(resource_id=lead, lead={"account_id": account})
        record = a_record(value, offset=self.offset, timestamp=self.clock.now_ms())
        event = read_event(record, max_bytes=1 << 20)
        self.ledger.take([record])
        fan, began_s = self._fan(self.offset), self.clock.monotonic()
        for to in self.index.match(event):  # type: ignore[arg-type]
            now_ms = self.clock.now_ms()
            delivery = first_delivery(event, to, namespace="", timestamp_ms=now_ms, now_ms=now_ms)  # type: ignore[arg-type]
            await self._offer(delivery, fan, first=True)
        fan.over()
        self.waits_s += self.clock.monotonic() - began_s

    async def emit_for(self, seconds: float, **per_s: float) -> None:
        """Events of these accounts at these rates, evenly."""
        start_s = self.clock.monotonic()
        due = [(number / rate, account) for account, rate in per_s.items() for number in range(int(seconds * rate))]
        for at_s, account in sorted(due):
            await asyncio.sleep(max(0.0, start_s + at_s - self.clock.monotonic()))
            await self.emit(account)

    def of(self, subscription: str) -> list[Call]:
        """What its receiver got."""
        return [call for call in self.calls if call.subscription == subscription]

    def verdicts(self, subscription: str) -> Counter[tuple[str, str]]:
        """Verdict and reason of its results."""
        mine = [row for row in self.results if row["subscription_id"] == subscription]
        return Counter((row["verdict"], row["reason"]) for row in mine)

    # -- what attempt.py is given

    async def deliver(self, request: Request) -> Reply:
        name = request.url.rpartition("/")[2]
        self.under_way[name] += 1
        call = Call(self.clock.monotonic(), name, request.headers["webhook-id"], self.under_way[name])
        self.calls.append(call)
        takes_s, reply = self.receivers[name](self.clock.monotonic())
        try:
            await asyncio.sleep(min(takes_s, request.timeout_s))
        finally:
            self.under_way[name] -= 1
        reply = reply if takes_s <= request.timeout_s else HUNG
        call.ok = reply == OK
        return reply

    def send(self, record: Outgoing, ticket: Ticket) -> None:
        ticket.acknowledged(size_of(record))
        if record.topic == TOPICS.results:
            self.results.append(orjson.loads(record.value or b""))
        elif TOPICS.is_deliveries(record.topic):
            self.written[dict(record.headers)["relay-delivery-id"].decode()] += 1
            self._attempts.create_task(self._due(record))

    async def _due(self, record: Outgoing) -> None:
        headers = dict(record.headers)
        delay_s = TOPICS.delay_of(record.topic)
        identity = headers["relay-delivery-id"] + headers["relay-attempt"]
        until_s = self.clock.monotonic() + delay_s + jitter_ms(identity, delay_s) / 1000
        with suppress(TimeoutError):
            async with asyncio.timeout(until_s - self.clock.monotonic()):
                await self._over.wait()
                return  # what is due later than the run lasts is left where it is, as on a topic
        again = replace(a_record(None), value=record.value, headers=record.headers, topic=record.topic)
        self.offset += 1
        self.ledger.take([replace(again, offset=self.offset)])
        fan = self._fan(self.offset)
        await self._offer(read_delivery(again, max_bytes=1 << 20), fan, first=False)
        fan.over()

    async def _offer(self, delivery: Delivery, fan: Fan, *, first: bool) -> None:
        intake = cast("Intake", SimpleNamespace(admits=self._admits, pulse=lambda: None))
        work = Work(delivery, fan.part(delivery.subscription_id), intake)
        await self.dispatch.offer(work, first=first, attempts=self._attempts)

    async def _admits(self, ledger: Ledger) -> bool:
        while ledger.undecided:
            await self._fate.wait()
        return ledger.ready

    async def in_doubt(self, seconds: float) -> None:
        """For so long nobody knows whose the partition is; then it is ours."""
        self.ledger.doubt()
        self._fate.clear()
        await asyncio.sleep(seconds)
        self.ledger.reopen()
        self._fate.set()
        self.dispatch.decided()

    def _fan(self, offset: int) -> Fan:
        give, now_ms = self.tools.room.give, self.clock.now_ms()
        return Fan(self.ledger, offset, size=0, read_ms=now_ms, give=give, closed=lambda _: None)
