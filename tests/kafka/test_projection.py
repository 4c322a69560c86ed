"""The results topic of a real Kafka, into a history: nothing twice, nothing left out, whatever befalls it."""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any

import orjson
import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions
from structlog.testing import capture_logs

from relay.broker import Broker
from relay.clock import SystemClock
from relay.config import Config
from relay.store.history.database import Database
from relay.store.history.projector import Keep, Projector
from relay.store.history.store import SqlHistory
from relay.store.history.values import Delivery, Search, Unavailable
from relay.topics import Topics, wanted
from tests.contracts.histories import dump, everything, history
from tests.contracts.postgresql import Server
from tests.kafka.driver import Pair, Relay, until
from tests.store.history.results import NOON_MS, a_result

pytestmark = pytest.mark.kafka
PARTITIONS = 3
FOR_EVER = Keep(age_ms=NOON_MS)  # the results of these tests are years old


@pytest.fixture
def relay(kafka: str, prefix: str, tmp_path: Path) -> Iterator[Relay]:
    with Relay(kafka, prefix, tmp_path) as one:
        one.worker_command = ("relay", "console")
        one.env |= {"RELAY_CONSOLE_ADDRESS": "127.0.0.1:0", "RELAY_HISTORY_RETENTION": "3650d"}
        yield one


def configured(relay: Relay) -> Config:
    return Config.read({"RELAY_KAFKA_BOOTSTRAP_SERVERS": relay.bootstrap, "RELAY_TOPIC_PREFIX": relay.prefix})


async def make_topic(relay: Relay) -> None:
    """As `relay topics apply` makes it."""
    config = configured(relay)
    results = Topics(config.topic_prefix).results
    async with Broker(config) as broker:
        await broker.create(
            [one for one in wanted(config, events_partitions=PARTITIONS, brokers=1) if one.name == results]
        )


async def produce(relay: Relay, results: Iterable[dict[str, Any]]) -> None:
    """Each in the partition of its delivery, as workers do it."""
    by_partition: dict[int, list[Pair]] = {}
    for one in results:
        number = int(one["delivery_id"][4:], 16) % PARTITIONS
        by_partition.setdefault(number, []).append((b"lead_1", orjson.dumps(one)))
    for number, pairs in by_partition.items():
        await relay.produce(pairs, topic=f"{relay.prefix}.results", partition=number)


def some_results(count: int, *, first: int = 0) -> list[dict[str, Any]]:
    """Some deliveries have several attempts."""
    random = Random(first)
    return [
        a_result(
            number,
            delivery=random.randrange(first, first + count),
            verdict=random.choice(["delivered", "delivered", "retry", "deferred", "gave_up"]),
            at_ms=NOON_MS + random.randrange(3_600_000),
            subscription_id=f"sub_{random.randrange(20)}",
            lead_id=f"lead_{random.randrange(100)}",
        )
        for number in range(first, first + count)
    ]


async def taken(relay: Relay, store: SqlHistory) -> int:
    """Records that are in the store."""
    try:
        return sum(at.next_offset for at in (await store.positions(f"{relay.prefix}.results")).values())
    except Unavailable:  # it is not made yet
        return 0


@asynccontextmanager
async def projecting(relay: Relay, store: SqlHistory, *, keep: Keep = FOR_EVER) -> AsyncIterator[None]:
    """A projector at work."""
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(Projector(configured(relay), store, keep=keep).run(stop))
        try:
            yield
        finally:
            stop.set()


async def projected(relay: Relay, url: str, count: int) -> dict[str, list[tuple[Any, ...]]]:
    """What a new database holds when all was read in peace."""

    async def all_taken() -> bool:
        return await taken(relay, store) >= count

    async with history(url) as store, projecting(relay, store):
        await until(all_taken)
    return await dump(url)


async def test_a_projector_that_is_killed_again_and_again_leaves_no_gap_and_no_double(
    relay: Relay, new_url: Callable[[], str]
) -> None:
    """Row by row what one that was left alone makes of the same log, in SQLite and in PostgreSQL."""
    count, url = 15_000, new_url()
    await make_topic(relay)
    await produce(relay, some_results(count))
    delays = Random(7)

    async with history(url) as store:
        for kill in range(3):
            process = relay.worker(RELAY_DATABASE_URL=url)

            async def further(most: int = 1 + kill * count // 4) -> bool:
                return await taken(relay, store) >= most

            await until(further)
            await asyncio.sleep(delays.uniform(0, 0.1))  # anywhere in a transaction
            await relay.end(process, signal.SIGKILL)
        assert await taken(relay, store) < count, "it was through before it was killed"
        relay.worker(RELAY_DATABASE_URL=url)

        async def done() -> bool:
            return await taken(relay, store) >= count

        await until(done)

    assert await projected(relay, new_url(), count) == await dump(url)


async def test_two_at_once_make_one_history(relay: Relay, new_url: Callable[[], str]) -> None:
    """Whoever is overtaken stands by."""
    count, url = 6_000, new_url()
    await make_topic(relay)
    await produce(relay, some_results(count))

    async def done() -> bool:
        return await taken(relay, one) >= count

    with capture_logs() as logs:
        async with history(url) as one, history(url) as other, projecting(relay, one), projecting(relay, other):
            await until(done)

    assert await projected(relay, new_url(), count) == await dump(url)
    assert "history.troubled" not in {line["event"] for line in logs}


async def remake(relay: Relay, results: list[dict[str, Any]]) -> None:
    """The topic is deleted and made anew, with these."""
    admin = AIOKafkaAdminClient(bootstrap_servers=relay.bootstrap)
    await admin.start()
    await admin.delete_topics([f"{relay.prefix}.results"])
    await admin.close()
    await make_topic(relay)
    await produce(relay, results)


@pytest.mark.parametrize("count", [30, 300], ids=["shorter", "longer"])
@pytest.mark.parametrize("running", [False, True])
async def test_a_topic_that_was_made_anew_is_read_from_its_beginning_and_told(
    relay: Relay, tmp_path: Path, count: int, *, running: bool
) -> None:
    """What was known of the old one stays; also where its offsets are all there again, under a projector that runs."""
    url = f"sqlite+aiosqlite:///{tmp_path / 'history.db'}"
    old, new = some_results(100), some_results(count, first=1_000)
    await make_topic(relay)
    await produce(relay, old)

    async def complete() -> bool:
        return len((await dump(url))["attempts"]) == len(old) + len(new)

    with capture_logs() as logs:
        async with history(url) as store:
            async with projecting(relay, store):

                async def old_is_there() -> bool:
                    return await taken(relay, store) == len(old)

                await until(old_is_there)
                if running:
                    with ThreadPoolExecutor(1) as elsewhere:  # the projector's loop is held up meanwhile
                        elsewhere.submit(asyncio.run, remake(relay, new)).result(60)
                    await until(complete)
            if not running:
                await remake(relay, new)
                async with projecting(relay, store):
                    await until(complete)
            gaps = (await store.age()).gaps

    partitions = {int(one["delivery_id"][4:], 16) % PARTITIONS for one in old}
    assert partitions == {one.partition for one in gaps if one.kind == "replaced"}
    assert len(partitions) == len([line for line in logs if line["event"] == "history.replaced"])
    rows = await dump(url)
    assert {one["attempt_id"] for one in (*old, *new)} == {row[2] for row in rows["attempts"]}
    assert {one["delivery_id"] for one in (*old, *new)} == {Delivery(*row).delivery_id for row in rows["deliveries"]}


async def test_what_retention_removed_before_it_was_read_is_told_by_range(relay: Relay, tmp_path: Path) -> None:
    """And the rest is there."""
    url = f"sqlite+aiosqlite:///{tmp_path / 'history.db'}"
    topic = f"{relay.prefix}.results"
    old, new = some_results(100), some_results(100, first=1_000)
    await make_topic(relay)
    await produce(relay, old)
    await projected(relay, url, 100)
    await produce(relay, new)
    async with history(url) as store:
        before = (await store.positions(topic))[0].next_offset
        await relay.delete_before(topic, 0, before + 5)

        async def complete() -> bool:
            return len((await dump(url))["attempts"]) == 195

        async with projecting(relay, store):
            await until(complete)
            (gap,) = (await store.age()).gaps

    assert ("lost", 0, before, before + 5) == (gap.kind, gap.partition, gap.first_offset, gap.end_offset)


async def test_what_cannot_be_read_is_counted_and_a_newer_relays_are_kept(relay: Relay, tmp_path: Path) -> None:
    """Neither stops it; and a result that was produced twice is there once."""
    url = f"sqlite+aiosqlite:///{tmp_path / 'history.db'}"
    newer = a_result(2, verdict="parked", reason="asked_to", shelf=7)
    values = [b"no result", orjson.dumps(newer), None, orjson.dumps(a_result(1)), orjson.dumps(a_result(1))]
    await make_topic(relay)
    await relay.produce([(b"lead_1", value) for value in values], topic=f"{relay.prefix}.results", partition=1)

    await projected(relay, url, len(values))

    async with history(url) as store:
        assert {newer["delivery_id"], a_result(1)["delivery_id"]} == {
            one.delivery_id for one in await everything(store, Search(), account=None)
        }
        detail = await store.delivery(newer["delivery_id"], account=None)
        assert detail is not None
        assert [newer] == list(detail.attempts)
        assert (await store.positions(f"{relay.prefix}.results"))[1].unreadable == 2


async def test_partitions_that_somebody_adds_are_read_and_a_new_file_is_filled(relay: Relay, tmp_path: Path) -> None:
    """Without a restart, as everything."""
    path = tmp_path / "history.db"
    url = f"sqlite+aiosqlite:///{path}"
    await make_topic(relay)
    await produce(relay, some_results(30))

    async def all_taken() -> bool:
        return await taken(relay, store) == expected

    async with history(url) as store, projecting(relay, store):
        expected = 30
        await until(all_taken)
        path.unlink()
        await until(all_taken)
        admin = AIOKafkaAdminClient(bootstrap_servers=relay.bootstrap)
        await admin.start()
        await admin.create_partitions({f"{relay.prefix}.results": NewPartitions(PARTITIONS + 1)})
        await admin.close()
        await relay.produce(
            [(b"lead_1", orjson.dumps(a_result(99)))], topic=f"{relay.prefix}.results", partition=PARTITIONS
        )
        expected = 31
        await until(all_taken)


async def test_a_store_that_is_locked_or_gone_is_told_and_caught_up_with(
    relay: Relay, new_url: Callable[[], str], request: pytest.FixtureRequest
) -> None:
    """SQLite's file is another's for a while, PostgreSQL is stopped and started."""
    url = new_url()
    await make_topic(relay)
    await produce(relay, some_results(30))

    async def all_taken() -> bool:
        return await taken(relay, store) == expected

    def told() -> bool:
        return any(line["event"] == "history.troubled" for line in logs)

    with capture_logs() as logs:
        async with history(url) as store, projecting(relay, store):
            expected = 30
            await until(all_taken)
            async with away(url, request):
                await produce(relay, some_results(30, first=1_000))
                await until(told)
            expected = 60
            await until(all_taken)


@asynccontextmanager
async def away(url: str, request: pytest.FixtureRequest) -> AsyncIterator[None]:
    """Nobody can write to the database meanwhile."""
    if url.startswith("sqlite"):
        database = Database(url)
        async with database.writing():
            yield
        await database.close()
        return
    server: Server = request.getfixturevalue("postgresql")
    await asyncio.to_thread(server.end)
    try:
        yield
    finally:
        await asyncio.to_thread(server.begin)


async def test_how_old_it_is_is_known_within_seconds_also_when_nothing_comes(relay: Relay, tmp_path: Path) -> None:
    """Everything that was written until a moment ago is there, and that there is nothing more is known too."""
    await make_topic(relay)

    async def known() -> bool:
        return ((await store.age()).as_of_ms or 0) > began_ms

    async with history(f"sqlite+aiosqlite:///{tmp_path / 'history.db'}") as store, projecting(relay, store):
        began_ms = SystemClock().now_ms()
        await until(known)
        began_ms = SystemClock().now_ms()
        await until(known)


async def test_what_is_older_than_it_is_kept_leaves_by_itself(relay: Relay, tmp_path: Path) -> None:
    """Here everything, for it is of years ago."""
    url = f"sqlite+aiosqlite:///{tmp_path / 'history.db'}"
    await make_topic(relay)
    await produce(relay, some_results(30))

    async def gone() -> bool:
        return await taken(relay, store) == 30 and not (await dump(url))["deliveries"]

    async with history(url) as store, projecting(relay, store, keep=Keep.configured(configured(relay))):
        await until(gone)


async def test_a_missing_topic_is_told_and_waited_for_and_not_made(relay: Relay, tmp_path: Path) -> None:
    """`relay topics apply` makes it, as it should be."""
    async with history(f"sqlite+aiosqlite:///{tmp_path / 'history.db'}") as store:
        with capture_logs() as logs:
            async with projecting(relay, store):
                await until(lambda: any("relay topics apply" in str(line.get("error")) for line in logs))
                assert f"{relay.prefix}.results" not in await relay.topics()
                await make_topic(relay)
                await produce(relay, some_results(10))

                async def all_taken() -> bool:
                    return await taken(relay, store) == 10

                await until(all_taken)
