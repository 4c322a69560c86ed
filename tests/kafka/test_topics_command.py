"""`relay topics` and `relay check` on a real Kafka: what is missing is made, and of each thing wrong what to do."""

import json
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest

from relay.broker import Broker
from relay.config import Config
from relay.topics import Cluster
from tests.kafka.driver import Relay, create_topic

pytestmark = pytest.mark.kafka

DAY_MS = 86_400_000
ANOTHER_KEY = "k2:" + b64encode(bytes(32)).decode()
CONSOLE = ("tokens", "audit", "runs")  # what the console needs, and a worker does without
Rows = list[dict[str, Any]]


def answered(relay: Relay, *arguments: str, **settings: str) -> tuple[int, Rows]:
    """Exit status and rows of a command."""
    done = relay.run(*arguments, "-o", "json", **settings)
    assert done.returncode in (0, 1), done.stderr
    return done.returncode, json.loads(done.stdout)


async def as_the_broker_has_it(relay: Relay) -> Cluster:
    """Read back."""
    async with Broker(Config.read(relay.env)) as broker:
        return await broker.cluster([*own(relay), relay.events])


def own(relay: Relay) -> list[str]:
    """Of relay's topics in the order of DESIGN.md section 4, the delays of the driver's settings among them."""
    delays = ("now", "1s", "2s")
    kept = ("results", "progress", "notices", "dead-letters", *CONSOLE)
    return [f"{relay.prefix}.{name}" for name in ("subscriptions", *(f"deliveries.{one}" for one in delays), *kept)]


def alone(relay: Relay) -> list[str]:
    """Of those, the ones of one partition."""
    return [f"{relay.prefix}.{name}" for name in ("subscriptions", *CONSOLE)]


async def test_a_plan_lists_what_is_missing_and_makes_nothing(kafka: str, prefix: str, tmp_path: Path) -> None:
    """The events topic is the platform's: missing, and made only where somebody asks for it."""
    with Relay(kafka, prefix, tmp_path) as relay:
        status, rows = answered(relay, "topics", "plan")
        _, with_events = answered(relay, "topics", "plan", "--with-events")

        assert status == 0
        assert [*((name, "create") for name in own(relay)), (relay.events, "missing")] == [
            (row["topic"], row["action"]) for row in rows
        ]
        assert [relay.events, *own(relay)] == [row["topic"] for row in with_events if row["action"] == "create"]
        assert [] == [name for name in await relay.topics() if name.startswith(prefix)]


async def test_apply_makes_every_topic_as_the_contract_has_it(kafka: str, prefix: str, tmp_path: Path) -> None:
    """Read back from the broker; a second plan finds nothing to do, and a second apply changes nothing."""
    with Relay(kafka, prefix, tmp_path) as relay:
        status, rows = answered(relay, "topics", "apply", "--with-events")
        cluster = await as_the_broker_has_it(relay)

        assert (0, {"created"}) == (status, {row["action"] for row in rows})
        assert {relay.events: 4, **dict.fromkeys(own(relay), 4), **dict.fromkeys(alone(relay), 1)} == {
            name: cluster.partitions[name] for name in (relay.events, *own(relay))
        }
        common = {
            "min.insync.replicas": "1",  # of the one broker that there is
            "unclean.leader.election.enable": "false",
            "retention.bytes": "-1",
            "max.message.bytes": str(1024 * 1024 + 64 * 1024),
        }
        kept = {"cleanup.policy": "delete", "retention.ms": str(30 * DAY_MS)}
        due = {"cleanup.policy": "delete", "message.timestamp.type": "LogAppendTime"}
        wanted = [
            {"cleanup.policy": "compact"},
            *(due | {"retention.ms": str(7 * DAY_MS + delay_s * 1000)} for delay_s in (0, 1, 2)),
            *(kept for _ in range(4)),
            {"cleanup.policy": "compact"},
            {"cleanup.policy": "delete", "retention.ms": str(365 * DAY_MS)},
            {"cleanup.policy": "compact"},
        ]
        for name, settings in zip(own(relay), wanted, strict=True):
            assert (name, set()) == (name, (common | settings).items() - cluster.configs[name].items())

        again = relay.run("topics", "plan", "--with-events")
        assert again.stdout == ""
        assert again.stderr.startswith("every topic is there, and as it should be\n")
        assert (0, []) == answered(relay, "topics", "apply", "--with-events")


async def test_a_topic_that_would_break_a_promise_is_told_with_the_remedy(
    kafka: str, prefix: str, tmp_path: Path
) -> None:
    """Never changed by us: apply makes the others, says what to do, and ends with 1."""
    with Relay(kafka, prefix, tmp_path) as relay:
        results = f"{prefix}.results"
        await create_topic(kafka, results, 4, cleanup_policy="compact", max_message_bytes=str(2 << 20))

        status, rows = answered(relay, "topics", "apply", "--with-events")

        (found,) = [row for row in rows if row["topic"] == results and row["action"] == "wrong"]
        assert status == 1
        assert "cleanup.policy is compact, not delete: " in found["note"]
        assert f"kafka-configs.sh --alter --topic {results} --add-config cleanup.policy=delete" in found["note"]
        cluster = await as_the_broker_has_it(relay)
        assert cluster.configs[results]["cleanup.policy"] == "compact"
        assert set(own(relay)) <= set(cluster.partitions)


async def test_a_delivery_topic_of_an_earlier_configuration_is_shown_with_its_backlog(
    kafka: str, prefix: str, tmp_path: Path
) -> None:
    """For as long as it is there: nobody deletes deliveries by mistake."""
    with Relay(kafka, prefix, tmp_path, RELAY_RETRY_DELAYS="7s") as relay:
        await relay.prepare()
        old = f"{prefix}.deliveries.7s"
        await relay.produce([(b"s/a", b"{}"), (b"s/b", b"{}"), (b"s/c", b"{}")], topic=old)

        status, rows = answered(relay, "topics", "plan", RELAY_RETRY_DELAYS="1s")

        assert status == 0
        assert [
            {
                "topic": old,
                "action": "note",
                "partitions": 4,
                "replicas": None,
                "settings": None,
                "note": "no delay names it any more; workers read it until it is empty; 3 records to go",
            }
        ] == rows


def states(rows: Rows) -> dict[str, str]:
    return {row["what"]: row["state"] for row in rows}


async def test_check_finds_nothing_wrong_where_nothing_is(kafka: str, prefix: str, tmp_path: Path) -> None:
    """Exit status 0; every kind of thing was looked at."""
    with Relay(kafka, prefix, tmp_path) as relay:
        await relay.prepare()
        await relay.subscribe("one", "http://127.0.0.1:1999/hook")

        status, rows = answered(relay, "check")

        assert status == 0
        assert dict.fromkeys(("configuration", "broker", "topics", "key k1", "subscriptions"), "ok") == states(rows)


async def test_check_says_which_topic_is_missing_and_what_makes_it(kafka: str, prefix: str, tmp_path: Path) -> None:
    """Each by its name, the platform's too; and making nothing by asking."""
    with Relay(kafka, prefix, tmp_path) as relay:
        status, rows = answered(relay, "check")

        assert status == 1
        remedies = {row["what"]: row["remedy"] for row in rows if "does not exist" in row["detail"]}
        assert {f"topic {prefix}.{name}" for name in CONSOLE} == {
            row["what"] for row in rows if "the console needs it" in row["detail"] and row["state"] == "note"
        }
        assert {f"topic {name}" for name in (relay.events, *own(relay))} == remedies.keys()
        assert "`relay topics apply` makes it" == remedies[f"topic {prefix}.results"]
        assert "`relay topics apply --with-events`" in remedies[f"topic {relay.events}"]
        assert [] == [name for name in await relay.topics() if name.startswith(prefix)]


async def test_check_says_which_subscription_cannot_be_read(kafka: str, prefix: str, tmp_path: Path) -> None:
    """And what that means for its deliveries: put off where it was readable once, none where it never was."""
    with Relay(kafka, prefix, tmp_path) as relay:
        await relay.prepare()
        await relay.subscribe("once", "http://127.0.0.1:1999/hook")
        broken = [(key, b"{") for key in (b"never", b"once")]
        await relay.produce(broken, topic=f"{prefix}.subscriptions", partition=0)

        status, rows = answered(relay, "check")

        summary, never, once = [row for row in rows if row["state"] == "wrong"]
        assert (1, "2, of which 2 in trouble") == (status, summary["detail"])
        assert ("subscription never", "subscription once") == (never["what"], once["what"])
        assert never["detail"].startswith("cannot be read: not JSON: ")
        assert never["detail"].endswith("; nothing is matched for it")
        assert once["detail"].endswith("; its deliveries are put off")
        assert ["write it anew, or delete it"] * 2 == [never["remedy"], once["remedy"]]


async def test_check_says_which_key_is_gone_and_which_url_may_not_be_called(
    kafka: str, prefix: str, tmp_path: Path
) -> None:
    """One subscription in trouble twice is one in trouble, with a remedy for each."""
    with Relay(kafka, prefix, tmp_path) as relay:
        await relay.prepare()
        await relay.subscribe("one", "http://127.0.0.1:1999/hook")

        status, rows = answered(relay, "check", RELAY_SECRET_KEYS=ANOTHER_KEY, RELAY_ALLOW_HTTP="false")

        ring, summary, key, url = [row for row in rows if row["state"] == "wrong"]
        assert ring["what"] == "key k1"
        assert (1, "1, of which 1 in trouble") == (status, summary["detail"])
        assert {
            "what": "subscription one",
            "state": "wrong",
            "detail": "RELAY_SECRET_KEYS holds no key 'k1'; its deliveries are put off",
            "remedy": "put the key back into RELAY_SECRET_KEYS, or rotate its secret",
        } == key
        assert url["detail"].startswith("its URL may not be called: must be a URL that begins with https://")
        assert "update its URL, or see RELAY_ALLOW_HTTP" == url["remedy"]
