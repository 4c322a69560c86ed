"""Accounts apart, on a real Kafka: what was one's is never another's, whatever the id, and whoever redelivers."""

import json
from functools import partial
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer

from tests.kafka.driver import Relay, an_event, until
from tests.kafka.journal import Journal

pytestmark = pytest.mark.kafka


async def forged(relay: Relay, body: bytes, **changes: str) -> None:
    """A delivery as relay writes them, but for these headers, is due now."""
    [pending, *_] = await relay.read(f"{relay.prefix}.deliveries.6s")
    headers = dict(pending.headers) | {
        f"relay-{name}".replace("_", "-"): text.encode() for name, text in changes.items()
    }
    async with AIOKafkaProducer(bootstrap_servers=relay.bootstrap) as producer:
        await producer.send_and_wait(f"{relay.prefix}.deliveries.now", body, headers=list(headers.items()))


async def test_what_was_on_its_way_to_a_deleted_subscription_never_reaches_another_of_its_id(
    kafka: str, prefix: str, tmp_path: Path
) -> None:
    """Neither a retry that is pending, nor what was put off, nor what somebody redelivers; nor is its URL told."""
    async with Journal() as journal:
        with Relay(kafka, prefix, tmp_path, RELAY_RETRY_DELAYS="6s", RELAY_HOLD_DELAYS="6s") as relay:
            await relay.prepare()
            await relay.subscribe("tried", journal.url("status/500/old"))
            await relay.subscribe("paused", journal.url("ok/old"))
            await relay.do("subscriptions", "pause", "paused")
            worker = relay.worker()
            mine = an_event("mine")
            await relay.emit([mine])
            await until(lambda: relay.result_count(verdict="deferred", subscription_id="paused"))
            await until(lambda: relay.result_count(verdict="retry", subscription_id="tried"))
            assert await relay.end(worker) == 0  # so that nothing falls due while the ids change hands

            for ident in ("tried", "paused"):
                await relay.do("subscriptions", "delete", ident)
                await relay.subscribe(ident, journal.url(f"ok/new/{ident}"), account="acct-2")
            anew = json.loads(await relay.do("subscriptions", "get", "tried", "-o", "json"))
            body = json.dumps(mine).encode()
            await forged(relay, body, account_id="acct-2", incarnation=anew["created_at"], trigger="redelivery")
            await relay.emit([an_event("theirs", account="acct-2")])
            worker = relay.worker()
            for ident in ("tried", "paused"):
                gone = {"subscription_id": ident, "verdict": "dropped", "reason": "subscription_deleted"}
                await until(partial(relay.result_count, **gone))
            await until(lambda: relay.read_count(f"{prefix}.dead-letters", 1))
            await until(lambda: len(journal.calls) == 3)
            assert await relay.end(worker) == 0

            assert ["mine", "theirs", "theirs"] == [call.event["resource_id"] for call in journal.calls]
            assert not journal.of("ok/old")
            rows = await relay.results()
            dropped = [row for row in rows if row["verdict"] == "dropped"]
            assert {("acct-1", None, None)} == {
                (row["subscription_account_id"], row["url"], row["subscription_version"]) for row in dropped
            }
            assert {"acct-2"} == {row["account_id"] for row in rows if row["subscription_account_id"] == "acct-2"}
            [letter] = await relay.read(f"{prefix}.dead-letters")
            assert (
                b"a delivery of one account's event to another's subscription" == dict(letter.headers)["relay-reason"]
            )
