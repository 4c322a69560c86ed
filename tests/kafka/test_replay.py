"""Sent again, or sent to try, on a real Kafka with a real worker: what arrives, under which id, and how often."""

import asyncio
import signal
import subprocess
from collections import Counter
from collections.abc import Iterator
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest
from aiokafka.admin import AIOKafkaAdminClient

from relay.clock import SystemClock
from relay.config import Config
from relay.errors import Conflict, Invalid, NotFound
from relay.model import State, Subscription, SubscriptionId
from relay.replay.backlog import Backlog
from relay.replay.dead_letters import DeadLetters
from relay.replay.outbox import Outbox, Overtaken, transactional_id
from relay.replay.sent import sent
from relay.replay.service import Replays
from relay.replay.trial import trial_delivery
from relay.replay.values import MOST_AT_ONCE, Lost, Preview, Run, RunState, Wish
from relay.store.edits import Edit, change, delete, in_state
from relay.store.history.rows import read
from relay.store.history.values import Delivery as Told
from relay.store.history.values import Unreadable
from relay.store.keyring import KeyRing
from relay.store.subscriptions import Subscriptions
from tests.kafka.driver import Relay, an_event, until
from tests.kafka.journal import Journal

pytestmark = pytest.mark.kafka
BY = "a test"


@pytest.fixture
def relay(kafka: str, prefix: str, tmp_path: Path) -> Iterator[Relay]:
    with Relay(kafka, prefix, tmp_path) as one:
        yield one


def configured(relay: Relay) -> Config:
    return Config.read({name: value for name, value in relay.env.items() if name.startswith("RELAY_")})


async def subscription(relay: Relay, ident: str) -> Subscription:
    one = (await Subscriptions(configured(relay)).read())[SubscriptionId(ident)]
    assert isinstance(one, Subscription)
    return one


async def edit(relay: Relay, wanted: Edit) -> None:
    await Subscriptions(configured(relay)).edit(wanted, by=BY)


def changed(ident: str, state: State) -> Edit:
    return change(SubscriptionId(ident), in_state(state, None), by=BY, now_ms=SystemClock().now_ms())


def told(result: dict[str, Any]) -> Told:
    """As a history tells of a delivery that has this result alone."""
    one = read(0, orjson.dumps(result))
    assert not isinstance(one, Unreadable)
    return one[1]


async def test_a_redelivery_arrives_under_its_own_id_with_a_run_of_its_own(relay: Relay) -> None:
    """As often as it is asked for, also at once after the delivery itself; a test send has an id of its own."""
    async with Journal() as journal:
        await relay.prepare()
        await relay.subscribe("ok", journal.url("ok/a"), events="lead.updated")
        await relay.subscribe("failing", journal.url("status/500/b"), events="lead.completed")
        relay.worker()
        await relay.emit([an_event()])
        await until(lambda: journal.calls)
        await until(lambda: relay.read_count(f"{relay.prefix}.results", 1))
        (first,) = await relay.results()
        ok, failing = await subscription(relay, "ok"), await subscription(relay, "failing")

        async with Replays(configured(relay)) as replays:
            once, answers = await replays.redeliver(ok, [told(first)], by=BY)
            again, _ = await replays.redeliver(ok, [told(first)], by=BY)
            await until(lambda: len(journal.of("ok/a")) == 3)
            tried = await replays.test(failing, event_type="lead.updated")
            await until(lambda: journal.of("status/500/b"))
            with pytest.raises(Conflict, match="resume it first"):
                await replays.test(replace(ok, state=State.PAUSED), event_type="lead.updated")
            with pytest.raises(Invalid, match="event_type"):
                await replays.test(ok, event_type="lead.deleted")
            assert {run.id: (run.sent, run.by) for run in replays.runs(account=ok.account_id)} == {
                once: (1, BY),
                again: (1, BY),
            }
            assert replays.runs(account="acct-2") == []
            assert replays.run(once, account="acct-2") is None

        assert answers == {first["delivery_id"]: None}
        assert journal.ids("ok/a") == {first["delivery_id"]}
        assert len({call.body for call in journal.of("ok/a")}) == 1
        assert [call.headers["relay-trigger"] for call in journal.of("ok/a")] == ["event", "redelivery", "redelivery"]
        await until(lambda: relay.result_count(trigger="test"))
        results = await relay.results()
        redelivered = [(row["run_id"], row["attempt"], row["verdict"]) for row in results if row["run_id"]]
        assert sorted(redelivered) == sorted([(once, 1, "delivered"), (again, 1, "delivered")])
        (test,) = [row for row in results if row["trigger"] == "test"]
        assert (test["delivery_id"], test["verdict"], test["ended_by"]) == (tried, "gave_up", "exhausted")
        assert test["event_topic"] is None


EVENTS = 600  # three times what may be in `.now`
QUICK = {"RELAY_COMMIT_INTERVAL_S": "0.2"}  # what is settled is known sooner, so a replay goes on sooner


async def test_a_replay_that_is_killed_goes_on_without_a_double_or_a_gap(relay: Relay) -> None:
    """Every event of before that its subscription wants, once, under the id that live traffic would have given it."""
    async with Journal() as journal:
        await relay.prepare()
        await relay.subscribe("live", journal.url("ok/live"), events="lead.updated")
        worker = relay.worker(**QUICK)
        await relay.emit([an_event() for _ in range(EVENTS)] + [an_event(action="created") for _ in range(10)])
        await relay.emit([an_event(account="acct-2") for _ in range(10)])
        await until(lambda: len(journal.of("ok/live")) == EVENTS)
        await relay.subscribe("late", journal.url("ok/late"), "--filter", '{"action": {"$neq": "created"}}')
        runner = replaying(relay)
        async with Replays(configured(relay)) as replays:
            late = await subscription(relay, "late")
            preview = await replays.preview(late, Wish(since_ms=0))
            run = await replays.start(late, Wish(since_ms=0), by=BY)
            await until(lambda: len(journal.of("ok/late")) >= EVENTS // 4)
            await relay.end(runner, signal.SIGKILL)
            at = len(journal.of("ok/late"))
            await relay.emit([an_event()])  # live traffic's, for both
            replaying(relay)
            took = await until(lambda: is_over(replays, run))
            await until(lambda: len(journal.of("ok/late")) >= EVENTS + 1)
            over = replays.run(run.id, account="acct-1")
            await relay.end(worker)
            await of_a_topic_that_is_gone(relay, replays, late)
        print(f"killed at {at}, then {took:.1f} s")

        assert preview == Preview(events=EVENTS + 20, matched=EVENTS, to_send=EVENTS, lost=(), exact=True)
        assert over is not None
        assert (over.state, over.matched, over.sent, over.read) == (RunState.DONE, EVENTS, EVENTS, EVENTS + 20)
        assert at < EVENTS
        twice = [ident for ident, count in Counter(call.id for call in journal.of("ok/late")).items() if count > 1]
        assert len(journal.of("ok/late")) == EVENTS + 1, twice
        assert twice == []
        replayed = [row for row in await relay.results() if row["trigger"] == "replay"]
        assert {row["run_id"] for row in replayed} == {run.id}
        assert {row["subscription_id"] for row in replayed} == {"late"}
        assert len(replayed) == EVENTS


async def of_a_topic_that_is_gone(relay: Relay, replays: Replays, to: Subscription) -> None:
    """A run says so, and the topic is not made anew by asking for it."""
    await edit(relay, changed("late", State.PAUSED))
    run = await replays.start(to, Wish(since_ms=0), by=BY)
    await until(lambda: "is paused" in (why_of(replays, run) or ""))
    await delete_topic(relay.bootstrap, relay.events)
    await until(lambda: is_gone(relay))
    await edit(relay, changed("late", State.ACTIVE))
    await until(lambda: is_over(replays, run))
    assert why_of(replays, run) == f"there is no topic {relay.events} any more"
    assert relay.events not in await relay.topics()


async def is_gone(relay: Relay) -> bool:
    return relay.events not in await relay.topics()


async def delete_topic(bootstrap: str, name: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.delete_topics([name])
    finally:
        await admin.close()


def replaying(relay: Relay) -> "subprocess.Popen[bytes]":
    """A process that carries runs on."""
    other = copy(relay)
    other.worker_command = ("tests.kafka.replaying",)
    return other.worker()


def is_over(replays: Replays, run: Run) -> bool:
    now = replays.run(run.id, account=None)
    return now is not None and now.is_over


async def test_what_was_given_up_is_requeued_and_what_was_sent_is_shown(relay: Relay) -> None:
    """With the bytes of the dead letter, under its id; what is shown is what the receiver has in its journal."""
    async with Journal() as journal:
        relay.env["RELAY_RETRY_DELAYS"] = "24h"  # what fails is not tried again in the time of this test
        await relay.prepare()
        signatures = "standard-webhooks,sha256,artibot-sha1"
        await relay.subscribe("ailing", journal.url("flaky/1/a"), "--signatures", signatures)
        await relay.subscribe("gone", journal.url("status/410/b"), account="acct-2")
        relay.worker()
        await relay.emit([an_event(), an_event(account="acct-2")])
        await relay.produce([(b"lead", b"no event")])
        config, letters = configured(relay), DeadLetters(configured(relay))
        await until(lambda: relay.read_count(f"{relay.prefix}.dead-letters", 2))
        await until(lambda: journal.of("flaky/1/a"))

        page, cursor = await letters.page(account=None, cursor=None, limit=10)
        (theirs,), _ = await letters.page(account="acct-2", cursor=None, limit=10)
        malformed = next(one for one in page if one.malformed)
        async with Replays(config) as replays:
            asked = [(one.partition, one.offset) for one in (theirs, malformed)]
            foreign = await replays.requeue(asked, account="acct-1", by=BY)
            answers = await replays.requeue([*asked, (0, 10_000), (99, 0)], account=None, by=BY)
            await until(lambda: len(journal.of("status/410/b")) == 2)
            (run,) = replays.runs(account="acct-2")
            tried = await replays.test(await subscription(relay, "ailing"), event_type="lead.created")
            await until(lambda: tried in journal.ids("flaky/1/a"))
        await until(lambda: relay.result_count(trigger="test"))
        await until(lambda: relay.result_count(trigger="redelivery"))

        assert cursor is None
        assert {one.reason for one in page} == {"gone", malformed.reason}
        assert set(foreign.values()) == {"there is no such dead letter"}
        assert answers[asked[0]] is None
        assert "can only be exported" in (answers[asked[1]] or "")
        assert "made anew" in (answers[0, 10_000] or "")
        assert "no topic" in (answers[99, 0] or "")
        assert (run.kind, run.sent, run.subscription_id) == ("requeue", 1, "gone")
        first, again = journal.of("status/410/b")
        assert (first.id, first.body) == (again.id, again.body)
        assert (again.attempt, again.headers["relay-trigger"]) == (1, "redelivery")
        await shown_as_sent(relay, journal)
        await not_shown(relay)


async def shown_as_sent(relay: Relay, journal: Journal) -> None:
    """Byte for byte, test sends too; signatures whole for whoever may see them, and cut for others."""
    config, keys = configured(relay), KeyRing(configured(relay).secret_keys)
    for result in await relay.results():
        to = await subscription(relay, result["subscription_id"])
        calls = [one for one in journal.calls if one.id == result["delivery_id"]]
        (call,) = [one for one in calls if one.headers["relay-trigger"] == result["trigger"]]
        whole, cut = await sent(config, result, to, keys), await sent(config, result, to, None)
        assert (whole.body, whole.why) == (call.body, None)
        assert dict(whole.headers).items() <= call.headers.items()
        assert call.headers.keys() - whole.headers.keys() <= {"host", "content-length"}
        assert whole.url == journal.url(call.path[1:])
        assert dict(cut.headers) == result["request_headers"]
        assert cut.url == result["url"]
        assert cut.body == call.body


async def not_shown(relay: Relay) -> None:
    """What the log holds no more, holds otherwise, or never held is not shown as what was sent."""
    config, keys = configured(relay), KeyRing(configured(relay).secret_keys)
    result = next(one for one in await relay.results() if one["trigger"] == "event")
    to = await subscription(relay, result["subscription_id"])
    (other,) = [one for one in await relay.results() if one["trigger"] == "test"]
    cases: dict[str, dict[str, Any]] = {
        "their hashes differ": {"body_sha256": other["body_sha256"]},
        "ends before it": {"event_offset": 10_000},
        "no topic": {"event_topic": "no-such-topic"},
        "names no event": {"event_topic": None},
    }
    for why, fields in cases.items():
        none = await sent(config, result | fields, to, keys)
        assert none.body is None
        assert why in (none.why or "")
        assert dict(none.headers) == result["request_headers"]
    await relay.delete_before(relay.events, result["event_partition"], result["event_offset"] + 1)
    lost = await sent(config, result, to, keys)
    assert "no longer holds it" in (lost.why or "")
    place, end = (relay.events, result["event_partition"]), result["event_offset"] + 1
    async with Replays(config) as replays:
        preview = await replays.preview(to, Wish(from_offsets={place: 0}))
        assert preview.lost == (Lost(topic=place[0], partition=place[1], first=0, end=end),)
        by_time = await replays.preview(to, Wish(since_ms=0))
        assert by_time.lost == (Lost(topic=place[0], partition=place[1], first=None, end=end),)
    assert "no-such-topic" not in await relay.topics()


async def test_a_replay_leaves_room_before_it_and_ends_when_it_is_told_to(relay: Relay) -> None:
    """
    No more than MOST_AT_ONCE are on their way; a test send goes past them, and so does another replay; nothing follows
    a cancel or a pause.
    """
    now = f"{relay.prefix}.deliveries.now"
    async with Journal() as journal:
        await relay.prepare()
        relay.worker(**QUICK)
        await relay.subscribe("held", journal.url("held/0/a"), events="lead.completed")
        await relay.subscribe("other", journal.url("ok/b"))
        await relay.emit([an_event(action="completed") for _ in range(2 * MOST_AT_ONCE)])
        await until(lambda: len(journal.of("ok/b")) == 2 * MOST_AT_ONCE)
        await until(lambda: len(journal.of("held/0/a")) == 2 * MOST_AT_ONCE)
        journal.release.set()  # those are live traffic's
        await until(lambda: relay.lag_is(0))
        journal.release.clear()
        stop = asyncio.Event()
        async with Replays(configured(relay)) as replays, Replays(configured(relay)) as others:
            async with asyncio.TaskGroup() as group:
                group.create_task(replays.work(stop))
                run = await others.start(await subscription(relay, "held"), Wish(since_ms=0), by=BY)
                await until(lambda: sent_of(replays, run) == MOST_AT_ONCE)
                await others.test(await subscription(relay, "other"), event_type="lead.updated")
                took = await until(lambda: len(journal.of("ok/b")) > 2 * MOST_AT_ONCE)
                assert sent_of(replays, run) == MOST_AT_ONCE
                assert len(await relay.read(now)) == MOST_AT_ONCE + 1
                quick = await past(relay, replays)
                assert sent_of(replays, run) == MOST_AT_ONCE
                over = await others.cancel(run.id, by="somebody")
                journal.release.set()
                await until(lambda: is_over(replays, run))

                await edit(relay, changed("held", State.PAUSED))
                wish = Wish(from_offsets={(relay.events, 0): 0})
                second = await others.start(await subscription(relay, "held"), wish, by=BY)
                await until(lambda: "is paused" in (why_of(replays, second) or ""))
                assert len(await relay.read(now)) == MOST_AT_ONCE + 1 + quick
                await edit(relay, changed("held", State.ACTIVE))
                await until(lambda: is_over(replays, second))
                third = await orphaned(relay, replays, wish)
                stop.set()
            with pytest.raises(Conflict, match="cancelled already"):
                await replays.cancel(run.id, by=BY)
            with pytest.raises(NotFound):
                await replays.cancel("run_0", by=BY)
            ended, failed = replays.run(second.id, account=None), replays.run(third.id, account=None)
        print(f"a test send took {took:.2f} s")

        assert (over.state, over.sent, over.why) == (RunState.CANCELLED, MOST_AT_ONCE, "cancelled by somebody")
        assert ended is not None
        assert (ended.state, ended.sent, ended.why) == (RunState.DONE, sum(ended.until.values()), None)
        assert failed is not None
        assert (failed.state, failed.sent) == (RunState.FAILED, 0)


async def orphaned(relay: Relay, replays: Replays, wish: Wish) -> Run:
    """A run whose subscription is deleted while it waits for it."""
    await edit(relay, changed("held", State.PAUSED))
    run = await replays.start(await subscription(relay, "held"), wish, by=BY)
    await until(lambda: "is paused" in (why_of(replays, run) or ""))
    await edit(relay, delete(SubscriptionId("held")))
    await until(lambda: is_over(replays, run))
    return run


async def past(relay: Relay, replays: Replays) -> int:
    """A replay to a receiver that takes everything is over while another's waits; how many it sent."""
    run = await replays.start(await subscription(relay, "other"), Wish(since_ms=0), by=BY)
    await until(lambda: is_over(replays, run))
    return sent_of(replays, run)


def sent_of(replays: Replays, run: Run) -> int:
    now = replays.run(run.id, account=None)
    return 0 if now is None else now.sent


def why_of(replays: Replays, run: Run) -> str | None:
    now = replays.run(run.id, account=None)
    return None if now is None else now.why


async def test_a_batch_that_was_not_committed_is_never_sent(relay: Relay) -> None:
    """A ghost's, fenced by whoever took its run on; and what it leaves in `.now` is no backlog."""
    async with Journal() as journal:
        await relay.prepare()
        await relay.subscribe("ok", journal.url("ok/a"))
        relay.worker(**QUICK)
        config, to = configured(relay), await subscription(relay, "ok")
        ident = transactional_id(config, "run_1")
        one, other = (trial_delivery(to, "lead.updated", delivery_id=f"dlv_{n}", at_ms=1) for n in (1, 2))
        async with Outbox(config, transactional_id=ident) as ghost:
            await ghost._producer.begin_transaction()
            await ghost._send([one], None)
            await ghost._producer.abort_transaction()
            async with Outbox(config, transactional_id=ident) as ours:
                with pytest.raises(Overtaken):
                    await ghost.put([one], None)
                await ours.put([other], None)
        async with Backlog(config) as backlog:
            await until(lambda: "dlv_2" in journal.ids("ok/a"))
            await until(lambda: settled(backlog))
        assert journal.ids("ok/a") == {"dlv_2"}


async def settled(backlog: Backlog) -> bool:
    return sum(one.count for one in (await backlog.look()).values()) == 0
