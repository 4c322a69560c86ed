"""What other workers have told is known in time, or counted from when it is; and what comes of it, as time jumps."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import cast

import pytest
import structlog
from aiokafka.errors import KafkaError, TopicAuthorizationFailedError

from relay.clock import ManualClock
from relay.model import DeliveryId, Failure, Reason, State, Subscription
from relay.pipeline.health import Health
from relay.pipeline.hearsay import AGAIN_S, LOAD_S, Hearsay
from relay.pipeline.news import News
from relay.pipeline.notice import Kind, Word
from relay.pipeline.notices import Notices
from relay.pipeline.produce import Produce
from relay.pipeline.room import Room
from relay.store.edits import Changes, Edit, Existing
from tests.builders import NOON_MS, a_subscription, a_word, some_notices
from tests.pipeline.world import OK, REFUSED, Receiver, World, played

DAY_S = 86_400
OLD = a_subscription(created_at="2019-01-01T00:00:00.000Z", updated_at="2019-01-01T00:00:00.000Z")
SIX_DAYS = a_word(Kind.FAILING, at_ms=NOON_MS - 6 * DAY_S * 1000)
SILENT = Failure(Reason.TIMEOUT)


@dataclass
class Topic:
    """Of notices; troubles come before anything is read, one a try."""

    words: list[Word]
    troubles: list[Exception] = field(default_factory=list)
    reads: int = 0
    hangs: bool = False
    followed: bool = False

    async def everything(self, take: Callable[[Word], None]) -> None:
        self.reads += 1
        if self.hangs:
            await asyncio.sleep(3_600)
        if self.troubles:
            raise self.troubles.pop(0)
        for word in self.words:
            take(word)

    async def follow(self, _: Callable[[Word], None]) -> None:
        self.followed = True
        await asyncio.Event().wait()


@dataclass
class Desk:
    """One worker's."""

    hearsay: Hearsay
    notices: Notices
    clock: ManualClock
    asked: list[str] = field(default_factory=list)

    async def edit(self, edit: Edit) -> Changes:
        changes = edit({OLD.id: OLD})
        self.asked += [one.state_reason or "" for one in changes.values() if one is not None]
        return changes

    async def fail(self, after_s: float = 0.0) -> list[str]:
        """One more attempt failed; why the subscription is disabled by now, if it is."""
        await self.clock.advance(after_s)
        self.notices.hear(OLD, DeliveryId("dlv_1"), SILENT)
        for _ in range(40):
            await asyncio.sleep(0)
        return self.asked


@asynccontextmanager
async def a_desk(topic: Topic) -> AsyncIterator[Desk]:
    clock = ManualClock(NOON_MS)

    async def edit(edit: Edit) -> Changes:
        return await desk.edit(edit)

    class Nowhere:
        def send(self, *_: object) -> None: ...

    notices = some_notices(cast("Produce", Nowhere()), Room(limit_bytes=100_000), clock=clock, edit=edit)
    desk = Desk(Hearsay(cast("News", topic), notices, clock=clock), notices, clock)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(notices.run())
        yield desk
        task.cancel()


async def test_what_was_told_before_a_start_is_known_by_the_first_attempts() -> None:
    async with a_desk(Topic([SIX_DAYS])) as desk:
        await desk.hearsay.load()

        assert [] == await desk.fail()
        (reason,) = await desk.fail(5)

        assert "has taken nothing since 2019-06-01T11:00:00.000Z" in reason


async def test_of_its_own_only_what_it_told_before_its_start_is_learned() -> None:
    """What it tells now it knows, and is over when its own success comes before its own notice is back."""
    async with a_desk(Topic([])) as desk:
        desk.notices.learn(
            a_word(Kind.FAILING, at_ms=NOON_MS + 1, since_ms=NOON_MS - 6 * DAY_S * 1000, worker="relay-0")
        )
        assert [] == await desk.fail(DAY_S) + await desk.fail(5)

        desk.notices.learn(a_word(Kind.FAILING, at_ms=NOON_MS - 6 * DAY_S * 1000, worker="relay-0"))
        assert [] != await desk.fail(5)


@pytest.mark.parametrize("trouble", [KafkaError("gone"), TopicAuthorizationFailedError("relay.notices")])
async def test_a_worker_that_cannot_read_them_starts_and_counts_from_when_it_can(trouble: Exception) -> None:
    """Meanwhile it goes by what it sees itself: a success would have been told to nobody."""
    topic = Topic([SIX_DAYS], [trouble] * 2)
    async with a_desk(topic) as desk, asyncio.TaskGroup() as group:
        with structlog.testing.capture_logs() as lines:
            await desk.hearsay.load()
            assert [] == await desk.fail() + await desk.fail(5)
            following = group.create_task(desk.hearsay.follow())
            await asyncio.sleep(0)
            await desk.clock.advance(2 * AGAIN_S)

        assert (3, True) == (topic.reads, topic.followed)
        assert ["notices.troubled"] * 2 == [line["event"] for line in lines]
        assert [[]] * 5 == [list(await desk.fail(DAY_S - 1)) for _ in range(5)]
        assert [] != await desk.fail(DAY_S - 1)
        following.cancel()


def test_a_broker_that_does_not_answer_holds_up_a_start_for_so_long_and_no_longer() -> None:
    async def started() -> float:
        async with a_desk(Topic([], hangs=True)) as desk:
            await desk.hearsay.load()
            return asyncio.get_running_loop().time()

    assert played(started) == LOAD_S


# a worker with everything behind it


def played_for(hours: int, receiver: Receiver) -> tuple[World, list[tuple[float, Subscription]]]:
    """An event every ten minutes, and six hours for RELAY_DISABLE_AFTER; what was disabled when, since the start."""
    disabled: list[tuple[float, Subscription]] = []

    async def play() -> World:
        async def edit(edit: Edit) -> Changes:
            called = world.index.get("acc")  # type: ignore[arg-type]
            assert called is not None
            changes = edit(cast("Existing", {called.subscription.id: called.subscription}))
            for one in changes.values():
                assert one is not None
                disabled.append((world.clock.monotonic(), one))
                world.register("acc", state=one.state, version=one.version)
            return changes

        aged = {"created_at": OLD.created_at, "updated_at": OLD.updated_at}
        health = Health(disable_after_s=6 * 3_600)
        world = World({"acc": receiver}, subscriptions={"acc": aged}, health=health, edit=edit)
        async with world, asyncio.TaskGroup() as group:
            telling = group.create_task(world.tools.notices.run())
            for _ in range(6 * hours):
                await world.emit("acc")
                await asyncio.sleep(600)
            telling.cancel()
        return world

    return played(play), disabled


def test_a_receiver_that_is_gone_without_a_word_is_disabled_so_long_after_it_was_told() -> None:
    """From then on nothing is sent to it, and each event has its result."""
    world, disabled = played_for(8, lambda _: (0.1, REFUSED))

    ((at_s, one),) = disabled
    assert 7 * 3_600 <= at_s <= 7 * 3_600 + 1_200
    assert (State.DISABLED, "relay worker") == (one.state, one.updated_by)
    assert max(call.at_s for call in world.of("acc")) <= at_s
    assert ("dropped", "subscription_disabled") in world.verdicts("acc")


def test_one_that_takes_something_now_and_then_is_not() -> None:
    """However much it refuses between."""
    world, disabled = played_for(9, lambda now_s: (0.1, OK if now_s % (4 * 3_600) < 600 else REFUSED))

    assert [] == disabled
    assert world.verdicts("acc")["retry", "connect"]
