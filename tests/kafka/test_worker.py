"""The worker on a real Kafka: what is delivered, tried again, given up, and told; its stop, its bad input."""

import json
import signal
from base64 import b64encode
from collections import Counter
from pathlib import Path

import pytest

from tests.kafka.driver import Relay, an_event, create_topic, encoded, until
from tests.kafka.journal import Journal

pytestmark = pytest.mark.kafka


async def test_an_event_reaches_every_subscription_that_matches_and_no_other(
    kafka: str, prefix: str, tmp_path: Path
) -> None:
    """Account, type, bot and filter decide; each delivery is told by one result."""
    async with Journal() as journal:
        with Relay(kafka, prefix, tmp_path) as relay:
            await relay.prepare()
            await relay.subscribe("mine", journal.url("ok/mine"), events="LeadUpdated")
            await relay.subscribe("other", journal.url("ok/other"), account="acct-2")
            await relay.subscribe("every", journal.url("ok/every"), account="*", events="lead.completed")
            await relay.subscribe("bot", journal.url("ok/bot"), "--bot", "bot-1")
            await relay.subscribe("filtered", journal.url("ok/filtered"), "--filter", '{"lead.version": {"$gt": 1}}')
            worker = relay.worker()

            await relay.emit([an_event(), an_event(action="completed", version=2), an_event(account="acct-3")])
            await until(lambda: len(journal.calls) >= 5)
            assert await relay.end(worker) == 0

            expected = Counter({"/ok/mine": 1, "/ok/every": 1, "/ok/bot": 2, "/ok/filtered": 1})
            assert Counter(call.path for call in journal.calls) == expected
            told = Counter((row["subscription_id"], row["verdict"]) for row in await relay.results())
            assert told == Counter(
                {
                    ("mine", "delivered"): 1,
                    ("every", "delivered"): 1,
                    ("bot", "delivered"): 2,
                    ("filtered", "delivered"): 1,
                }
            )


async def test_what_fails_is_tried_again_from_kafka_and_then_given_up(kafka: str, prefix: str, tmp_path: Path) -> None:
    """Attempts are spaced by the schedule at least; the last failure leaves a dead letter with the body."""
    async with Journal() as journal:
        with Relay(kafka, prefix, tmp_path) as relay:
            await relay.prepare()
            await relay.subscribe("flaky", journal.url("flaky/1/a"))
            await relay.subscribe("never", journal.url("status/500/b"))
            worker = relay.worker()
            event = an_event()

            await relay.emit([event])
            await until(lambda: len(journal.of("status/500/b")) == 3)
            await until(lambda: len(journal.of("flaky/1/a")) == 2)
            assert await relay.end(worker) == 0

            never = journal.of("status/500/b")
            assert [call.attempt for call in never] == [1, 2, 3]
            assert len({call.id for call in never}) == 1
            assert len({call.body for call in never}) == 1
            assert never[1].at - never[0].at >= 1
            assert never[2].at - never[1].at >= 2
            (letter,) = await relay.read(f"{prefix}.dead-letters")
            assert json.loads(letter.value) == event
            assert dict(letter.headers)["relay-reason"] == b"exhausted"


async def test_malformed_events_become_dead_letters_and_the_partition_moves_on(
    kafka: str, prefix: str, tmp_path: Path
) -> None:
    """The original bytes, why, and where they stood."""
    bad = [b"", b"{", b"[]", b'{"resource":"lead","action":"updated","resource_id":null,"lead":{}}', b"\xff"]
    async with Journal() as journal:
        with Relay(kafka, prefix, tmp_path) as relay:
            await relay.prepare()
            await relay.subscribe("ok", journal.url("ok/a"))
            worker = relay.worker()

            await relay.produce([*((b"bad", value) for value in bad), *encoded([an_event("bad")])], partition=0)
            await until(lambda: journal.of("ok/a"))
            assert await relay.end(worker) == 0

            letters = await relay.read(f"{prefix}.dead-letters")
            assert [letter.value for letter in letters] == bad
            assert [dict(letter.headers)["relay-source"] for letter in letters] == [
                f"{relay.events}/0/{offset}".encode() for offset in range(len(bad))
            ]
            assert await relay.lag() == 0


async def test_when_most_records_are_malformed_the_worker_stops_and_says_so(
    kafka: str, prefix: str, tmp_path: Path
) -> None:
    """Then it is the producer or the topic that is wrong: it must not be emptied into the dead letters."""
    with Relay(kafka, prefix, tmp_path, RELAY_MALFORMED_LIMIT="20") as relay:
        await relay.prepare()
        await relay.produce([(b"bad", b"nonsense")] * 100, partition=0)

        worker = relay.worker()
        await until(lambda: worker.poll() is not None, 60)

        assert worker.returncode == 1
        assert "RELAY_MALFORMED_LIMIT" in relay.raw_logs()
        assert sum((await relay.committed()).values()) < 100


async def test_an_event_that_the_broker_would_refuse_as_a_dead_letter_has_a_short_form(
    kafka: str, prefix: str, tmp_path: Path
) -> None:
    """Full size and hash in headers, the beginning as the value; the partition moves on."""
    with Relay(kafka, prefix, tmp_path) as relay:
        await create_topic(kafka, relay.events, 1, max_message_bytes=str(4 << 20))
        await relay.prepare()
        worker = relay.worker()

        await relay.produce([(b"k", b"x" * (2 << 20))])
        await until(lambda: relay.lag_is(0), 60)
        assert await relay.end(worker) == 0

        (letter,) = await relay.read(f"{prefix}.dead-letters")
        headers = dict(letter.headers)
        assert len(letter.value) == 64 * 1024
        assert headers["relay-full-bytes"] == str(2 << 20).encode()
        assert len(headers["relay-full-sha256"]) == 64


async def test_the_largest_event_survives_the_way_through_a_delay_topic(
    kafka: str, prefix: str, tmp_path: Path
) -> None:
    """RELAY_MAX_EVENT_BYTES and relay's headers fit max.message.bytes, and the producer sends as much."""
    event = an_event()
    event["data"] = {"text": ""}
    event["data"]["text"] = "x" * ((1 << 20) - len(json.dumps(event, separators=(",", ":"))))
    async with Journal() as journal:
        with Relay(kafka, prefix, tmp_path) as relay:
            await create_topic(kafka, relay.events, 1, max_message_bytes=str(4 << 20))
            await relay.prepare()
            await relay.subscribe("flaky", journal.url("flaky/1/a"))
            worker = relay.worker()

            await relay.produce([(b"k", json.dumps(event, separators=(",", ":")).encode())])
            await until(lambda: len(journal.of("flaky/1/a")) == 2, 60)
            assert await relay.end(worker) == 0

            first, second = journal.of("flaky/1/a")
            assert first.body == second.body
            assert len(first.body) == 1 << 20


async def test_aborted_events_are_not_delivered_and_markers_are_no_lag(kafka: str, prefix: str, tmp_path: Path) -> None:
    """read_committed; and when nothing is open the position is committed, past the markers at the tail."""
    from aiokafka import AIOKafkaProducer  # noqa: PLC0415  only this test needs it

    async with Journal() as journal:
        with Relay(kafka, prefix, tmp_path) as relay:
            await relay.prepare()
            await relay.subscribe("ok", journal.url("ok/a"))
            worker = relay.worker()
            producer = AIOKafkaProducer(bootstrap_servers=kafka, transactional_id=f"{prefix}.platform")
            async with producer:
                for lead, commits in (("aborted", False), ("committed", True), ("aborted-too", False)):
                    await producer.begin_transaction()
                    ((key, value),) = encoded([an_event(lead)])
                    await producer.send_and_wait(relay.events, key=key, value=value, partition=0)
                    await (producer.commit_transaction() if commits else producer.abort_transaction())

            await until(lambda: journal.of("ok/a"))
            await until(lambda: relay.lag_is(0))
            assert await relay.end(worker) == 0

            assert [call.event["resource_id"] for call in journal.calls] == ["committed"]


async def test_first_attempts_of_one_lead_never_overlap_and_keep_the_logs_order(
    kafka: str, prefix: str, tmp_path: Path
) -> None:
    """While other leads flow at the same time (promise P7)."""
    async with Journal() as journal:
        with Relay(kafka, prefix, tmp_path) as relay:
            await relay.prepare()
            await relay.subscribe("slow", journal.url("slow/20/a"))
            worker = relay.worker()

            leads = [f"lead-{n}" for n in range(8)]
            await relay.emit(an_event(lead, version=version) for version in range(1, 11) for lead in leads)
            await until(lambda: len(journal.calls) == 80)
            assert await relay.end(worker) == 0

            assert journal.overlaps == 0
            for lead in leads:
                versions = [c.event["resource_version"] for c in journal.calls if c.event["resource_id"] == lead]
                assert versions == list(range(1, 11))


async def test_sigterm_drains_what_is_in_flight_commits_and_exits_0(kafka: str, prefix: str, tmp_path: Path) -> None:
    """The attempt under way is finished and told; a second worker sends nothing again."""
    async with Journal() as journal:
        with Relay(kafka, prefix, tmp_path) as relay:
            await relay.prepare()
            await relay.subscribe("held", journal.url("held/a"))
            worker = relay.worker()
            await relay.emit([an_event()])
            await until(lambda: journal.of("held/a"))

            worker.send_signal(signal.SIGTERM)
            await until(lambda: any(line["event"] == "worker.stopping" for line in relay.logs()))
            journal.release.set()
            await until(lambda: worker.poll() is not None)

            assert worker.returncode == 0
            assert await relay.lag() == 0
            again = relay.worker()
            await relay.emit([an_event("later")])
            await until(lambda: len(journal.calls) == 2)
            assert await relay.end(again) == 0
            assert [row["verdict"] for row in await relay.results()] == ["delivered"] * 2


def loads(relay: Relay) -> list[int]:
    """How many subscriptions there were, each time that all were read."""
    return [line["subscriptions"] for line in relay.logs() if line["event"] == "subscriptions.loaded"]


async def test_a_subscription_changed_while_running_is_in_force_within_2_s(
    kafka: str, prefix: str, tmp_path: Path
) -> None:
    """Created, paused (deferred, and sent on resume), deleted: no restart."""
    async with Journal() as journal:
        with Relay(kafka, prefix, tmp_path) as relay:
            await relay.prepare()
            worker = relay.worker()
            await until(lambda: any(line["event"] == "assignment.loaded" for line in relay.logs()))

            await relay.subscribe("live", journal.url("ok/live"))
            await until(lambda: relay.logged("subscription.changed", 1), 2)
            await relay.emit([an_event("a")])
            await until(lambda: len(journal.of("ok/live")) == 1)

            await relay.do("subscriptions", "pause", "live")
            # read anew where the first record was compacted away meanwhile
            await until(lambda: relay.logged("subscription.changed", 2) or len(loads(relay)) > 1, 2)
            await relay.emit([an_event("b")])
            await until(lambda: relay.result_count(verdict="deferred", reason="subscription_paused"))
            assert len(journal.of("ok/live")) == 1
            await relay.do("subscriptions", "resume", "live")
            await until(lambda: len(journal.of("ok/live")) == 2)

            await relay.do("subscriptions", "delete", "live")
            await until(lambda: relay.logged("subscription.removed", 1) or loads(relay)[-1] == 0, 2)
            await relay.emit([an_event("c")])
            await until(lambda: relay.lag_is(0))
            assert await relay.end(worker) == 0
            assert [call.event["resource_id"] for call in journal.calls] == ["a", "b"]


async def test_an_address_that_is_not_allowed_is_never_called(kafka: str, prefix: str, tmp_path: Path) -> None:
    """The result says blocked_address; the delivery is given up at once; the listener hears nothing."""
    async with Journal() as journal:
        with Relay(kafka, prefix, tmp_path) as relay:
            await relay.prepare()
            await relay.subscribe("inside", journal.url("ok/inside"))
            worker = relay.worker(RELAY_ALLOW_NETWORKS="")

            await relay.emit([an_event()])
            await until(lambda: relay.result_count(reason="blocked_address"))
            assert await relay.end(worker) == 0

            (row,) = await relay.results()
            assert (row["verdict"], row["ended_by"], row["status"]) == ("gave_up", "blocked_address", None)
            assert journal.calls == []


async def test_a_proxy_that_is_away_defers_what_its_account_may_send(kafka: str, prefix: str, tmp_path: Path) -> None:
    """And nobody else's goes as far as that: the network is one account's alone. The proxy's password is in no log."""
    allowed, proxy = "127.0.0.0/8@acct-1", "http://relay:hunter2@127.0.0.1:1"
    async with Journal() as journal:
        with Relay(kafka, prefix, tmp_path) as relay:
            await relay.prepare()
            await relay.subscribe("theirs", journal.url("ok/theirs"))
            await relay.subscribe("operators", journal.url("ok/operators"), account="*")
            worker = relay.worker(RELAY_ALLOW_NETWORKS=allowed, RELAY_EGRESS_PROXY=proxy, RELAY_LOG_LEVEL="debug")

            await relay.emit([an_event()])
            await until(lambda: relay.result_count(reason="blocked_address"))
            await until(lambda: relay.result_count(reason="proxy"))
            assert await relay.end(worker) == 0

            rows = {row["subscription_id"]: row for row in await relay.results() if row["deferrals"] == 0}
            assert ("deferred", "proxy", None) == tuple(
                rows["theirs"][of] for of in ("verdict", "reason", "elapsed_ms")
            )
            assert ("gave_up", "blocked_address") == tuple(rows["operators"][of] for of in ("verdict", "reason"))
            assert journal.calls == []
            assert "hunter2" not in relay.raw_logs()
            assert b64encode(b"relay:hunter2").decode() not in relay.raw_logs()


async def test_no_secret_and_no_header_value_stands_in_any_topic_or_log(
    kafka: str, prefix: str, tmp_path: Path
) -> None:
    """Not the secret, not the values of custom headers, not the path of the URL in results."""
    headers = tmp_path / "headers.yaml"
    headers.write_text("x-api-key: canary-header-4711\n")
    async with Journal() as journal:
        with Relay(kafka, prefix, tmp_path, RELAY_LOG_LEVEL="debug") as relay:
            await relay.prepare()
            await relay.subscribe("ok", journal.url("ok/canary-path"), "--header-file", str(headers))
            worker = relay.worker()
            await relay.emit([an_event()])
            await until(lambda: journal.calls)
            assert await relay.end(worker) == 0

            assert journal.calls[0].headers["x-api-key"] == "canary-header-4711"
            held = relay.raw_logs().encode()
            for topic in ("subscriptions", "results", "dead-letters", "deliveries.1s"):
                for record in await relay.read(f"{prefix}.{topic}"):
                    held += (record.value or b"") + repr(record.headers).encode()
            assert b"canary-header-4711" not in held
            assert b"a-secret-of-this-test" not in held
            told = b"".join(record.value for record in await relay.read(f"{prefix}.results"))
            assert b"canary-path" not in told + relay.raw_logs().encode()
