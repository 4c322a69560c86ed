"""What is sent again and what is not, on an embedded broker: the cases that a worker is not needed for."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from types import SimpleNamespace
from typing import Any, TypeVar

import orjson
import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaTimeoutError
from structlog.testing import capture_logs

from relay.access.audit import Audit
from relay.access.values import Principal, Scope
from relay.broker import Broker
from relay.clock import ManualClock
from relay.config import Config
from relay.console.desk.sending import Sending
from relay.embedded import EmbeddedBroker
from relay.errors import Conflict, Unreachable
from relay.model import Source, Subscription
from relay.pipeline.match import delivery_id
from relay.replay.board import Board
from relay.replay.carry import Carry
from relay.replay.outbox import Outbox
from relay.replay.runner import Runner
from relay.replay.sent import sent
from relay.replay.service import Replays
from relay.replay.shown import Sent
from relay.replay.singly import TOGETHER, UNKNOWN, Singly
from relay.replay.survey import surveyed
from relay.replay.values import Run, RunState, Wish
from relay.store.codec import encode
from relay.store.history.values import Age
from relay.store.history.values import Delivery as Told
from relay.topics import Topics
from tests.builders import NOON_MS, a_delivery, a_subscription, a_value, an_event
from tests.kafka.driver import until
from tests.replay.made import a_run
from tests.store.history.results import a_result, a_row

T = TypeVar("T")

BY = "a test"


@pytest.fixture
def config(embedded: str, prefix: str) -> Config:
    """With topics of a test's own."""
    own = {"RELAY_TOPIC_PREFIX": prefix, "RELAY_EVENTS_TOPICS": f"{prefix}.events"}
    return Config.read({"RELAY_KAFKA_BOOTSTRAP_SERVERS": embedded, **own})


async def made(config: Config) -> None:
    """Its topics are there."""
    topics = Topics(config.topic_prefix)
    async with Broker(config) as broker:
        await broker.touch([topics.runs, topics.subscriptions, topics.deliveries(0), f"{config.topic_prefix}.events"])


async def written(config: Config, topic: str, value: bytes | None, **more: Any) -> int:  # noqa: ANN401  of aiokafka's
    """Its offset, in partition 0."""
    async with AIOKafkaProducer(bootstrap_servers=config.kafka_bootstrap_servers) as producer:
        sent = await producer.send_and_wait(f"{config.topic_prefix}.{topic}", value, partition=0, **more)
    offset: int = sent.offset
    return offset


async def a_told(config: Config, to: Subscription) -> Told:
    """A delivery of an event that is in the log from now on, as the history has it."""
    offset = await written(config, "events", orjson.dumps(a_value()), timestamp_ms=NOON_MS)
    event = an_event(source=Source(f"{config.topic_prefix}.events", 0, offset))
    own: dict[str, Any] = {"subscription_id": to.id, "account_id": to.account_id, "created_ms": NOON_MS}
    ident = delivery_id(event, to.id, namespace="", timestamp_ms=NOON_MS)
    return a_row()[1]._replace(**own | at(config, offset), delivery_id=ident)


def at(config: Config, offset: int) -> dict[str, Any]:
    """Of the events topic, as results and deliveries have it."""
    return {"event_topic": f"{config.topic_prefix}.events", "event_partition": 0, "event_offset": offset}


async def test_each_of_two_deliveries_with_the_same_coordinates_is_answered_for_itself(config: Config) -> None:
    """A topic that was made anew has another event there: of the one that stood there before nothing is sent."""
    await made(config)
    to = a_subscription()
    there = await a_told(config, to)
    before, long_before = [there._replace(delivery_id=one) for one in ("dlv_before", "dlv_long_before")]

    async with Replays(config) as replays:
        run_id, answers = await replays.redeliver(to, [before, there, long_before], by=BY)
        run = replays.run(run_id, account=None)

    assert {"dlv_before", "dlv_long_before"} == {one for one, why in answers.items() if why and "another event" in why}
    assert answers[there.delivery_id] is None
    assert run is not None
    assert (1, 2) == (run.sent, run.skipped)


class Once(Singly):
    """Its broker takes some once, and then stops answering."""

    async def _through(self, send: Callable[[Outbox], Awaitable[T]]) -> T:
        if self.board.runs:
            raise Unreachable("gone")
        self.board.runs["run_1"] = a_run()
        return await super()._through(send)


async def test_what_was_sent_is_told_also_where_the_broker_stops_answering_before_the_rest(config: Config) -> None:
    """Whoever were told that all of it failed would have it sent once more; where nothing was sent they are."""
    await made(config)
    to = a_subscription()
    first, last = [await a_told(config, to) for _ in range(2)]
    others = [first._replace(delivery_id=f"dlv_{number}") for number in range(1, TOGETHER)]

    async with Board(config, transactions=False) as board:
        singly = Once(config, board, ManualClock())
        _, answers = await singly.redeliver(to, [first, *others, last], BY)
        with pytest.raises(Unreachable):
            await singly.redeliver(to, [first], BY)

    assert (None, UNKNOWN) == (answers[first.delivery_id], answers[last.delivery_id])
    assert ["run_1"] == list(board.runs)  # which is the test's own


async def test_what_was_done_and_cannot_be_audited_is_answered_as_done(config: Config) -> None:
    """Whoever were told that it failed would have it sent once more; the log has it, for somebody to look at."""
    await made(config)
    nowhere = Config.read({"RELAY_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1"})
    somebody = Principal(name="token:tok_1", scope=Scope.WRITE, account="acc_1")

    async with Replays(config) as replays:
        means: Any = SimpleNamespace(
            audit=Audit(nowhere),
            clock=ManualClock(),
            replays=SimpleNamespace(get=lambda: replays),
            roster=SimpleNamespace(all=lambda: {a_subscription().id: a_subscription()}),
        )
        with capture_logs() as lines:
            ident = await Sending(means).test(somebody, "sub_1")

    (line,) = [one for one in lines if one["log_level"] == "error"]
    assert ("audit.failed", "token:tok_1", "tested") == (line["event"], line["actor"], line["action"])
    assert ("sub_1", {"delivery_id": ident}) == (line["subject"], line["details"])


async def test_a_run_waits_for_a_subscription_that_cannot_be_read_or_is_not_known_here_yet(config: Config) -> None:
    """It is over only when its subscription is gone, by a read to the end: for good, so nothing less will do."""
    await made(config)
    to, key = a_subscription(), a_subscription().id.encode()
    await written(config, "subscriptions", encode(to), key=key)
    await written(config, "events", orjson.dumps(a_value()))
    async with Replays(config) as replays:
        board = replays._open.board

        async def step() -> Run:
            """One step of whoever takes it on now."""
            run, clock = board.runs[started.id], ManualClock()
            async with Carry(config, board, run, transactions=False, history=None, clock=clock, worker="us") as carry:
                await carry.step(10)
            return carry.run

        started = await replays.start(to, Wish(since_ms=0), by=BY)
        board._subscriptions.clear()  # made by another console a moment ago, and its record is still to come
        with pytest.raises(Unreachable, match="not known here yet"):
            await step()
        await written(config, "subscriptions", b"of a newer relay", key=key)
        await until(lambda: board.owner(started) is not None)
        waits = await step()
        await written(config, "subscriptions", encode(to), key=key)
        await until(lambda: board.owner(started) == to)
        done = await step()
        started = await replays.start(to, Wish(since_ms=0), by=BY)
        await written(config, "subscriptions", None, key=key)
        await until(lambda: board.owner(started) is None)
        over = await step()

    assert (RunState.RUNNING, None, "waits until sub_1 can be read") == (waits.state, waits.worker, waits.why)
    assert (RunState.DONE, 1) == (done.state, done.sent)
    assert (RunState.FAILED, "its subscription was deleted, or made anew") == (over.state, over.why)


async def test_a_broker_that_is_gone_ends_a_call_in_time(prefix: str) -> None:
    """Its client would wait for ever, in the place of somebody else's call."""
    with EmbeddedBroker() as broker:
        config = Config.read({"RELAY_KAFKA_BOOTSTRAP_SERVERS": broker.bootstrap, "RELAY_TOPIC_PREFIX": prefix})
        await made(config)
        outbox = await Outbox(config, answer_s=0.5).__aenter__()
        assert [None] == await outbox.each([a_delivery()])
    try:
        for call in (outbox.each([a_delivery()]), outbox.put([a_delivery()], a_run()), outbox.forgotten("run_1")):
            with pytest.raises(KafkaTimeoutError):
                await asyncio.wait_for(call, 10)
    finally:
        await outbox.__aexit__(None, None, None)


async def test_a_topic_that_is_made_anew_while_a_replay_is_counted_is_a_conflict(config: Config) -> None:
    """Whoever asks once more is told of what there is then."""
    topic, to = f"{config.topic_prefix}.events", a_subscription()
    await written(config, "events", orjson.dumps(a_value()))
    run = a_run(starts={(topic, 0): 5}, positions={(topic, 0): 5}, until={(topic, 0): 9})

    with pytest.raises(Conflict, match="made anew meanwhile"):
        await surveyed(config, run, to, history=None, committed_only=False, seconds=10)


class Remembers:
    """A history that has read nothing, until it is told that it has."""

    as_of_ms: int | None = None
    asked = 0

    async def delivered(self, delivery_ids: Iterable[str]) -> set[str]:
        self.asked += 1
        return set(delivery_ids)

    async def age(self) -> Age:
        return Age(as_of_ms=self.as_of_ms, gaps=())


async def test_what_was_not_delivered_is_asked_of_a_history_that_is_as_new_as_the_replay(config: Config) -> None:
    """One that lags, or is being read anew, takes what was delivered for what was not."""
    await made(config)
    to, clock, history = a_subscription(), ManualClock(), Remembers()
    await written(config, "subscriptions", encode(to), key=to.id.encode())
    await written(config, "events", orjson.dumps(a_value()))
    async with Replays(config, history=history, clock=clock) as replays:
        board, wish = replays._open.board, Wish(since_ms=0, undelivered=True)
        preview = await replays.preview(to, wish)
        run = await replays.start(to, wish, by=BY)
        async with Carry(config, board, run, transactions=False, history=history, clock=clock, worker="us") as carry:
            assert await carry.step(10) is None
            waiting, asked = carry.run, history.asked
            history.as_of_ms = clock.now_ms()
            await carry.step(10)

    assert "the history does not know" in (preview.note or "")
    assert ("waits until the history", 1) == ((waiting.why or "")[:23], asked)  # once, by the preview
    assert (RunState.DONE, 1, 0) == (carry.run.state, carry.run.skipped, carry.run.sent)


class Faulty(Board):
    """As a client's own fault looks like, in the middle of taking a run on."""

    async def newest(self) -> Mapping[str, Run]:
        raise KeyError("a batch that was failed while it was sent")


async def test_a_run_that_cannot_be_taken_on_rests_and_the_others_go_on(config: Config) -> None:
    """Whatever is wrong with it."""
    await made(config)
    async with Faulty(config, transactions=False) as board:
        clock = ManualClock()
        runner = Runner(config=config, board=board, transactions=False, history=None, clock=clock, worker="us")
        await runner._take(a_run())

    assert not runner._is_free(a_run())
    assert runner._is_free(a_run(id="run_2"))


@pytest.mark.parametrize("verdict", ["deferred", "dropped"])
async def test_where_no_request_was_made_nothing_is_shown_as_sent(config: Config, verdict: str) -> None:
    """Although its event stands in the log, and its URL in the result."""
    offset = await written(config, "events", orjson.dumps(a_value()))
    own = at(config, offset) | {"body_sha256": an_event().body_sha256, "request_headers": None}

    nothing = await sent(config, a_result(verdict=verdict, **own), None, None)

    assert Sent(body=None, why="nothing was sent", headers={}, url=None) == nothing
