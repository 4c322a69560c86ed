"""The settled map on a real Kafka: what is settled behind a slow record is not sent again; a doubtful map is none."""

import signal
from dataclasses import replace
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, OffsetAndMetadata, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import GroupCoordinatorNotAvailableError

from relay.pipeline.settled import Print, Settled, decode, encode
from tests.kafka.driver import Relay, an_event, encoded, until
from tests.kafka.journal import Journal

pytestmark = pytest.mark.kafka

SPAN = 20_000
NONCE = bytes(8)


async def held(relay: Relay) -> OffsetAndMetadata | None:
    """What is committed of partition 0, if anything is."""
    admin = AIOKafkaAdminClient(bootstrap_servers=relay.bootstrap)
    await admin.start()
    try:
        return (await admin.list_consumer_group_offsets(relay.group)).get(TopicPartition(relay.events, 0))
    except GroupCoordinatorNotAvailableError:  # of the first group that this broker has
        return None
    finally:
        await admin.close()


async def the_map(relay: Relay) -> Settled | None:
    at = await held(relay)
    return decode(at.metadata, at.offset) if at is not None else None


async def covers(relay: Relay, top: int) -> bool:
    found = await the_map(relay)
    return found is not None and found.top >= top


async def commit(relay: Relay, offset: int, metadata: str) -> None:
    """As another tool would, while the group has no members."""
    at = TopicPartition(relay.events, 0)
    async with AIOKafkaConsumer(
        bootstrap_servers=relay.bootstrap, group_id=relay.group, enable_auto_commit=False
    ) as one:
        one.assign([at])
        await one.commit({at: OffsetAndMetadata(offset, metadata)})


async def two_accounts(relay: Relay, journal: Journal) -> None:
    """One whose receiver holds its answers, and one that is well."""
    await relay.prepare()
    await relay.subscribe("held", journal.url("held/a"), account="acct-slow")
    await relay.subscribe("ok", journal.url("ok/a"))


async def test_a_restart_over_20000_offsets_with_one_open_sends_that_one_again_and_no_other(
    kafka: str, prefix: str, tmp_path: Path
) -> None:
    """The worker is killed while the first record of the partition is under way, and all behind it settled."""
    async with Journal() as journal:
        with Relay(kafka, prefix, tmp_path, RELAY_TIMEOUT_S="120") as relay:
            await two_accounts(relay, journal)
            events = [an_event("head", account="acct-slow"), *(an_event(f"lead-{n}") for n in range(SPAN))]
            await relay.produce(encoded(events), partition=0)
            worker = relay.worker()
            await until(lambda: len(journal.calls) == SPAN + 1, 120)
            await until(lambda: covers(relay, SPAN))

            await relay.end(worker, signal.SIGKILL)
            relay.worker()
            await until(lambda: len(journal.of("held/a")) == 2, 60)
            journal.release.set()
            await until(lambda: relay.lag_is(0))

            assert SPAN == len(journal.of("ok/a"))
            assert 2 == len(journal.of("held/a"))
            assert 1 == len(journal.ids("held/a"))


async def test_a_fan_out_that_was_part_done_goes_on_with_what_was_open(kafka: str, prefix: str, tmp_path: Path) -> None:
    """Of one event's subscriptions those that are settled are not called again."""
    async with Journal() as journal:
        with Relay(kafka, prefix, tmp_path, RELAY_TIMEOUT_S="120") as relay:
            await relay.prepare()
            for ident, path in (("a", "ok/a"), ("b", "held/b"), ("c", "ok/c"), ("d", "held/d")):
                await relay.subscribe(ident, journal.url(path))
            await relay.produce(encoded([an_event("lead-1")]), partition=0)
            worker = relay.worker()
            await until(lambda: len(journal.calls) == 4)
            await until(lambda: covers(relay, 0))

            await relay.end(worker, signal.SIGKILL)
            relay.worker()
            await until(lambda: len(journal.calls) == 6, 60)
            journal.release.set()
            await until(lambda: relay.lag_is(0))

            assert {"ok/a": 1, "held/b": 2, "ok/c": 1, "held/d": 2} == {
                path: len(journal.of(path)) for path in ("ok/a", "held/b", "ok/c", "held/d")
            }


async def test_a_subscription_that_is_deleted_while_nobody_reads_on_has_its_outcome_too(
    kafka: str, prefix: str, tmp_path: Path
) -> None:
    """Of a fan-out that was part done: it had matched, so what became of it is told."""
    async with Journal() as journal:
        with Relay(kafka, prefix, tmp_path, RELAY_TIMEOUT_S="120") as relay:
            await relay.prepare()
            for ident, path in (("a", "ok/a"), ("b", "held/b")):
                await relay.subscribe(ident, journal.url(path))
            await relay.produce(encoded([an_event("lead-1")]), partition=0)
            worker = relay.worker()
            await until(lambda: covers(relay, 0))

            await relay.end(worker, signal.SIGKILL)
            await relay.do("subscriptions", "delete", "b")
            relay.worker()
            await until(lambda: relay.lag_is(0), 60)

            told = [(row["subscription_id"], row["verdict"], row["reason"]) for row in await relay.results()]
            assert [("a", "delivered", "ok"), ("b", "dropped", "subscription_deleted")] == sorted(told)
            assert 1 == len(journal.of("held/b"))


@pytest.mark.parametrize("doubt", ["another record at the top", "a top beyond the log", "damaged", "foreign"])
async def test_a_map_that_does_not_fit_the_log_is_none(kafka: str, prefix: str, tmp_path: Path, doubt: str) -> None:
    """Everything from the committed offset on is sent again, and the log says why."""
    async with Journal() as journal:
        with Relay(kafka, prefix, tmp_path, RELAY_TIMEOUT_S="120", RELAY_DRAIN_S="1") as relay:
            await two_accounts(relay, journal)
            events = [an_event("head", account="acct-slow"), *(an_event(f"lead-{n}") for n in range(9))]
            await relay.produce(encoded(events), partition=0)
            worker = relay.worker()
            await until(lambda: covers(relay, 9))
            await relay.end(worker)
            good = await the_map(relay)
            assert good is not None
            text = encode(good, NONCE)
            doubtful = {
                "another record at the top": encode(replace(good, print=Print(1, 2, 3)), NONCE),
                "a top beyond the log": encode(replace(good, top=10), NONCE),
                "damaged": text[:20] + ("A" if text[20] != "A" else "B") + text[21:],
                "foreign": "somebody else's",
            }[doubt]
            await commit(relay, 0, doubtful)

            relay.worker()
            journal.release.set()
            await until(lambda: relay.lag_is(0))

            assert {2} == {len([call for call in journal.calls if call.id == ident]) for ident in journal.ids("ok/a")}
            assert relay.logged("map.refused", 1)
