"""What people hear of: each as a record, a figure and a line."""

import asyncio
from typing import Any, cast

import orjson
import structlog

from relay import __version__
from relay.clock import ManualClock
from relay.metrics import Metrics
from relay.model import DeliveryId, Failure, Outgoing, Reason, Reply
from relay.pipeline.notice import read
from relay.pipeline.notices import Notices
from relay.pipeline.produce import Produce, Ticket, size_of
from relay.pipeline.room import Room
from relay.store.edits import Changes, Edit
from tests.builders import NOON_MS, a_subscription, an_answer, some_notices

ME = a_subscription(url="https://receiver.example/hooks/t0ken?key=1", version=4)
OK, GONE, SILENT = an_answer(200), an_answer(410), Failure(Reason.TIMEOUT, "after 15 s")
HOUR_S = 3600


class Told:
    """A worker's notices with a clock, a topic and figures of their own."""

    def __init__(self) -> None:
        self.records: list[tuple[Outgoing, Ticket]] = []
        self.clock = ManualClock(NOON_MS)
        self.room = Room(limit_bytes=10_000)
        self.metrics = Metrics()
        self.edits = 0
        self.deliveries = 0
        self.notices: Notices = some_notices(
            cast("Produce", self), self.room, metrics=self.metrics, clock=self.clock, edit=self.edit
        )

    def send(self, record: Outgoing, ticket: Ticket) -> None:
        self.records.append((record, ticket))

    async def edit(self, edit: Edit) -> Changes:
        self.edits += 1
        return edit({ME.id: ME})

    async def hear(self, reply: Reply, *, after_s: float = 0) -> None:
        """An attempt of another delivery."""
        await self.clock.advance(after_s)
        self.deliveries += 1
        self.notices.hear(ME, DeliveryId(f"dlv_{self.deliveries}"), reply)

    def values(self) -> list[dict[str, Any]]:
        return [orjson.loads(record.value or b"") for record, _ in self.records]

    def count(self, kind: str) -> float | None:
        return self.metrics.registry.get_sample_value("relay_notices_total", {"kind": kind})


async def test_an_endpoint_that_fails_for_an_hour_and_its_recovery_are_told() -> None:
    """Records under the subscription's id, flat, without the URL's path; figures by kind; and lines of the log."""
    told = Told()
    with structlog.testing.capture_logs() as lines:
        await told.hear(SILENT)
        await told.hear(SILENT, after_s=HOUR_S)
        await told.hear(OK, after_s=HOUR_S)

    common = {
        "subscription_id": "sub_1",
        "subscription_version": 4,
        "account_id": "acc_1",
        "url": "https://receiver.example/…",
        "since": "2019-06-07T12:00:00.000Z",
        "worker": "relay-0",
        "relay_version": __version__,
    }
    failing = {"kind": "failing", "reason": "timeout", "status": None, "at": "2019-06-07T13:00:00.000Z"}
    recovered = {"kind": "recovered", "reason": "ok", "status": 200, "at": "2019-06-07T14:00:00.000Z"}
    assert [common | failing, common | recovered] == told.values()
    assert {("relay.notices", b"sub_1")} == {(record.topic, record.key) for record, _ in told.records}
    assert (1, 1, None) == tuple(told.count(kind) for kind in ("failing", "recovered", "disabled"))
    assert [("endpoint.failing", "warning"), ("endpoint.recovered", "info")] == [
        (line["event"], line["log_level"]) for line in lines
    ]
    assert "t0ken" not in repr(lines)


async def test_one_that_is_gone_is_told_once_it_is_disabled() -> None:
    """Not before: the edit may yet be refused."""
    told = Told()
    with structlog.testing.capture_logs() as lines:
        for _ in range(3):
            await told.hear(GONE, after_s=30)
        assert ([], 0) == (told.records, told.edits)

        async with asyncio.TaskGroup() as group:
            running = group.create_task(told.notices.run())
            for _ in range(40):
                await asyncio.sleep(0)
            running.cancel()

    (value,) = told.values()
    expected = {"kind": "disabled", "subscription_version": 4, "reason": "gone", "status": 410}
    expected |= {"since": "2019-06-07T12:00:30.000Z", "at": "2019-06-07T12:01:30.000Z"}
    assert expected.items() <= value.items()
    assert (1, 1) == (told.edits, told.count("disabled"))
    assert ["subscription.disabled"] == [line["event"] for line in lines]


async def test_a_notice_counts_against_the_budget_until_it_is_acknowledged() -> None:
    """As every record that is produced."""
    told = Told()
    await told.hear(SILENT)
    await told.hear(SILENT, after_s=HOUR_S)

    ((record, ticket),) = told.records
    held = told.room.held_bytes
    ticket.acknowledged(size_of(record))

    assert (size_of(record), 0) == (held, told.room.held_bytes)


async def test_what_is_well_makes_no_record() -> None:
    """Nor does a single failure."""
    told = Told()
    for reply in (OK, SILENT, OK, OK):
        await told.hear(reply, after_s=HOUR_S)

    assert [] == told.records


async def test_what_it_told_itself_is_no_news_when_it_reads_it() -> None:
    """Its own notice comes back behind the recovery, which is not told again."""
    told = Told()
    await told.hear(SILENT)
    await told.hear(SILENT, after_s=HOUR_S)
    await told.hear(OK, after_s=1)
    failing = read(told.records[0][0].value)
    assert failing is not None

    told.notices.learn(failing)
    await told.hear(OK, after_s=1)

    assert ["failing", "recovered"] == [value["kind"] for value in told.values()]


async def test_one_that_takes_nothing_for_days_is_disabled_and_what_comes_after_is_new() -> None:
    """Why and since when is told; once it is resumed nothing has recovered."""
    told = Told()
    async with asyncio.TaskGroup() as group:
        running = group.create_task(told.notices.run())
        for _ in range(8):
            await told.hear(SILENT, after_s=24 * HOUR_S)
        for _ in range(40):
            await asyncio.sleep(0)
        await told.hear(OK, after_s=1)
        running.cancel()

    failing, disabled = told.values()
    assert ("failing", "disabled") == (failing["kind"], disabled["kind"])
    assert ("failing", None, failing["since"]) == (disabled["reason"], disabled["status"], disabled["since"])
