"""
Delivery History: how fast the results topic becomes one, and how fast it answers with millions of attempts in it.

    python -m tests.bench.history [--attempts 5000000] [--results 200000] [--store sqlite|postgresql] [--keep FOLDER]

First a backlog of results on a real Kafka, of a thousand a second, is projected into an empty store. Then as many
attempts as are asked for are written in order of time, 30 days of a thousand subscriptions, every tenth with retries
behind it, and each listing, figure and page is asked for some hundred times, nothing else at work. With `--keep` what
is stored stays: the next run goes on storing where one was interrupted, or asks at once. Exit status 1 when anything is
missing, never for being slow.
"""

import argparse
import asyncio
import platform
import sys
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random

import orjson
import uvloop
from aiokafka import AIOKafkaProducer
from sqlalchemy import Connection, text

from relay.broker import Broker
from relay.config import Config
from relay.pipeline.results import rfc3339
from relay.store.history import database
from relay.store.history.database import Database
from relay.store.history.projector import Keep, Projector, batch
from relay.store.history.store import SqlHistory
from relay.store.history.tables import deliveries
from relay.store.history.values import HOUR_MS, Overview, Page, Position, Refused, Search, State
from relay.topics import Topics, wanted
from tests.bench.children import Broken, broker
from tests.bench.figures import percentile
from tests.contracts.postgresql import Server
from tests.kafka.driver import until
from tests.store.history.results import DAY_MS, Written, a_result

BEGIN_MS = 1_793_534_400_000
SPAN_MS = 30 * DAY_MS
SUBSCRIPTIONS = 1_000
ACCOUNTS = 200
LEADS_PER_EVENT = 5  # a lead is updated so often
AT_ONCE = 5_000  # as the projector writes
TIMES = 300  # each question is asked
GOAL_PER_S, GOAL_PAGE_MS, GOAL_OVERVIEW_MS = 10_000, 50, 100
KEEP = Keep(age_ms=BEGIN_MS)
WAIT_S = 600.0
INDEX_S = 3600.0  # an index over millions of rows takes longer than a batch may
TOLD_BAR_S, TOLD_LINE_S, BAR = 0.5, 15.0, 40
TOPIC = "relay.results"
PARTITIONS = 4
MASK = 2**64 - 1
LAST = 100_000  # of those that are stored: how fast it is then


def mixed(number: int) -> int:
    """64 bits in no order, the same ones each time (splitmix64)."""
    number = (number + 1) * 0x9E3779B97F4A7C15 & MASK
    number = (number ^ number >> 30) * 0xBF58476D1CE4E5B9 & MASK
    number = (number ^ number >> 27) * 0x94D049BB133111EB & MASK
    return number ^ number >> 31


class Traffic:
    """Results in the order of time, and whom they are of."""

    def __init__(self, attempts: int, span_ms: int) -> None:
        self._random = Random(1)
        self._attempts, self._span_ms = attempts, span_ms
        self._base = a_result()
        self._retries: list[tuple[int, int]] = []
        self._number = 0
        self.deliveries = 0

    def some(self, count: int) -> list[dict[str, object]]:
        """So many more."""
        return [self._next() for _ in range(count)]

    def skip(self, count: int) -> None:
        """So many are stored already."""
        for _ in range(count):
            self._next()

    def delivery_id(self, delivery: int) -> str:
        return f"dlv_{mixed(delivery):016x}{mixed(delivery + 1):016x}"

    def lead_id(self, delivery: int) -> str:
        return f"{mixed(delivery // LEADS_PER_EVENT):032x}"

    def subscription(self, delivery: int) -> tuple[str, str]:
        """Some are a hundred times as busy as others."""
        number = int(SUBSCRIPTIONS * (mixed(delivery) / 2**64) ** 3)
        return f"sub_{number:028}", f"cd0015d4-63b7-42b7-bd19-{number % ACCOUNTS:012}"

    def _next(self) -> dict[str, object]:
        random = self._random
        self._number += 1
        if self._retries and random.random() < 0.1:
            delivery, attempt = self._retries.pop(random.randrange(len(self._retries)))
        else:
            delivery, attempt = self.deliveries, 1
            self.deliveries += 1
        subscription, account = self.subscription(delivery)
        verdict = "delivered" if random.random() < 0.9 else "retry" if attempt < 5 else "gave_up"
        if verdict == "retry" and len(self._retries) < 10_000:
            self._retries.append((delivery, attempt + 1))
        at_ms = BEGIN_MS + self._span_ms * self._number // self._attempts
        result: dict[str, object] = self._base | {
            "attempt_id": f"att_{random.getrandbits(128):032x}",
            "delivery_id": self.delivery_id(delivery),
            "attempt": attempt,
            "subscription_id": subscription,
            "subscription_account_id": account,
            "account_id": account,
            "lead_id": self.lead_id(delivery),
            "event_offset": delivery,
            "started_at": rfc3339(at_ms),
            "verdict": verdict,
            "elapsed_ms": round(20 * 2 ** (random.random() * 6)),
        }
        if verdict != "delivered":
            result |= {"reason": "status", "status": 503, "response_body": '{"error":"busy"}'}
            result |= {"ended_by": "exhausted"} if verdict == "gave_up" else {"next_attempt_at": rfc3339(at_ms + 5_000)}
        return result


class Told:
    """How far a store is filled, on stderr: a line that changes on a terminal, elsewhere one now and then."""

    def __init__(self, total: int, done: int) -> None:
        self._total, self._first = total, done
        self._began = self._looked = time.perf_counter()

    def __call__(self, done: int) -> None:
        now, bar = time.perf_counter(), sys.stderr.isatty()
        if now - self._looked < (TOLD_BAR_S if bar else TOLD_LINE_S):
            return
        self._looked = now
        rate = (done - self._first) / (now - self._began)
        filled = "#" * (BAR * done // self._total)
        line = (
            f"[{filled:<{BAR}}] {done:,} of {self._total:,}, {rate:,.0f}/s, {(self._total - done) / rate:.0f} s to go"
        )
        print(f"\r{line}\033[K" if bar else line, end="" if bar else "\n", file=sys.stderr, flush=True)


@contextmanager
def databases(kinds: list[str], kept: Path | None = None) -> Iterator[dict[str, Callable[[str], str]]]:
    """Of each kind, what makes the URL of a new one, or of the one of that name in a kept folder."""
    made: dict[str, Callable[[str], str]] = {}
    if kept is not None:
        kept.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="relay-bench-") as folder:
        if "sqlite" in kinds:
            made["sqlite"] = lambda name: f"sqlite+aiosqlite:///{(kept or Path(folder)) / name}.db"
        if "postgresql" not in kinds:
            yield made
            return
        data = None if kept is None else kept / "postgresql"
        if data is not None:
            data.mkdir(parents=True, exist_ok=True)
        settings = {"shared_buffers": "512MB", "max_wal_size": "4GB", "synchronous_commit": "on", "fsync": "on"}
        with Server.start(kept=data, **settings) as server:
            made["postgresql"] = server.database
            yield made


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[SqlHistory]:
    store = SqlHistory(url)
    await store.prepare()
    try:
        yield store
    finally:
        await store.close()


async def backlog(bootstrap: str, results: int) -> Config:
    """A results topic with so many on it."""
    environ = {"RELAY_KAFKA_BOOTSTRAP_SERVERS": bootstrap, "RELAY_TOPIC_PREFIX": f"b{uuid.uuid4().hex[:10]}"}
    config = Config.read(environ)
    topic = Topics(config.topic_prefix).results
    async with Broker(config) as admin:
        await admin.create(
            [one for one in wanted(config, events_partitions=PARTITIONS, brokers=1) if one.name == topic]
        )
    traffic = Traffic(results, results)  # one a millisecond
    async with AIOKafkaProducer(
        bootstrap_servers=bootstrap, compression_type="lz4", linger_ms=20, max_batch_size=1 << 18
    ) as producer:
        for begin in range(0, results, AT_ONCE):
            sent = []
            for one in traffic.some(min(AT_ONCE, results - begin)):
                partition = int(str(one["delivery_id"])[4:12], 16) % PARTITIONS
                sent.append(await producer.send(topic, orjson.dumps(one), partition=partition))
            await asyncio.gather(*sent)
    return config


async def projection(config: Config, url: str, results: int) -> str:
    """The backlog into an empty store: a line of the table."""
    stop = asyncio.Event()
    async with opened(url) as store, asyncio.TaskGroup() as group:
        began, cpu = time.perf_counter(), time.process_time()
        projector = Projector(config, store, keep=KEEP)
        group.create_task(projector.run(stop))
        try:
            await until(lambda: projector.taken >= results, WAIT_S)
        finally:
            stop.set()
        took, cpu = time.perf_counter() - began, time.process_time() - cpu
    return (
        f"{results / took:,.0f} results/s from Kafka (goal {GOAL_PER_S:,}): {results:,} into an empty store in"
        f" {took:.1f} s, {cpu / results * 1e6:.0f} us of this process's CPU each"
    )


async def fill(store: SqlHistory, attempts: int) -> str:
    """
    So many attempts are there; how fast the last hundred thousand were written, unless all were there already.

    As the projector writes them; but those before without the indexes of listings, which are made then: a bulk load.
    """
    at = (await store.positions(TOPIC)).get(0, Position(partition=0))
    if at.next_offset == attempts:
        return f"{attempts:,} attempts there already"
    traffic, last = Traffic(attempts, SPAN_MS), min(LAST, attempts)
    traffic.skip(at.next_offset)
    tell = Told(attempts, at.next_offset)
    began = time.perf_counter()
    indexes = [one for one in deliveries.indexes if one.name != "deliveries_by_id"]
    if at.next_offset < attempts - last:
        for one in indexes:
            await in_one(store, partial(one.drop, checkfirst=True))
        at, _ = await written(store, traffic, attempts - last - at.next_offset, at, tell)
    print(f"\n{len(indexes)} indexes are made", file=sys.stderr, flush=True)
    for one in indexes:
        await in_one(store, partial(one.create, checkfirst=True))
    left = attempts - at.next_offset
    _, took = await written(store, traffic, left, at, tell)
    return (
        f"{attempts:,} attempts of {traffic.deliveries:,} deliveries stored in {time.perf_counter() - began:.0f} s,"
        f" the last {left:,} at {left / took:,.0f}/s"
    )


async def in_one(store: SqlHistory, work: Callable[[Connection], object]) -> None:
    """In a transaction of its own, for as long as it takes."""
    database.WRITE_S = INDEX_S
    async with store._database.writing() as connection:
        if connection.dialect.name == "postgresql":
            await connection.execute(text("SET LOCAL statement_timeout = 0"))
        await connection.run_sync(work)


async def written(store: SqlHistory, traffic: Traffic, count: int, at: Position, tell: Told) -> tuple[Position, float]:
    """So many more, and how long that took but for making them up."""
    took = 0.0
    for begin in range(0, count, AT_ONCE):
        values = [orjson.dumps(one) for one in traffic.some(min(AT_ONCE, count - begin))]
        records = [Written(value=value, offset=at.next_offset + number) for number, value in enumerate(values)]
        began = time.perf_counter()
        some = batch({0: records}, {0: at}, now_ms=BEGIN_MS + SPAN_MS)
        await store.write(TOPIC, some)
        took += time.perf_counter() - began
        ((_, at),) = some.moves
        tell(at.next_offset)
    return at, took


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked, again and again, of somebody else each time."""

    name: str
    ask: Callable[[Random], Awaitable[object]]
    goal_ms: int = GOAL_PAGE_MS


Asked = dict[str, object]


class Questions:
    """Every listing that has an index, some that are looked at row by row, a page of one, figures."""

    def __init__(self, store: SqlHistory, deliveries_: int) -> None:
        self._store = store
        self._deliveries = deliveries_
        self._traffic = Traffic(1, SPAN_MS)  # whom a delivery is of

    def __iter__(self) -> Iterator[Question]:
        yield from self._pages()
        yield Question("five pages of 200, one behind the other", self._deep, 5 * GOAL_PAGE_MS)
        yield Question("one delivery with its attempts", self._one)
        yield self._overview("overview, an hour", HOUR_MS)
        yield self._overview("overview, a week", 7 * DAY_MS)
        yield self._overview("overview, 30 days of an account", SPAN_MS, whose="account")
        yield self._overview("overview, a week of a subscription", 7 * DAY_MS, whose="subscription")
        yield Question("sparklines of 50 subscriptions, a day", self._sparklines, GOAL_OVERVIEW_MS)

    def _pages(self) -> Iterator[Question]:
        def nothing(_: Random) -> Asked:
            return {}

        def lead(random: Random) -> Asked:
            return {"lead_id": self._traffic.lead_id(self._some(random))}

        def state(asked: Asked, state: State) -> Asked:
            return asked | {"state": state}

        yield self._listing("newest", nothing)
        yield self._listing("newest of a day", self._day)
        yield self._listing("of an account", nothing, scoped=True)
        yield self._listing("of an account, a day", self._day, scoped=True)
        yield self._listing("of a subscription", self._subscription)
        yield self._listing("of a subscription, its account's", self._subscription, scoped=True)
        yield self._listing("of a subscription, a day", lambda one: self._subscription(one) | self._day(one))
        yield self._listing("of a lead", lead)
        yield self._listing("pending", lambda _: state({}, State.PENDING))
        yield self._listing("gave up, of an account", lambda _: state({}, State.GAVE_UP), scoped=True)
        yield self._listing("pending, of a subscription", lambda one: state(self._subscription(one), State.PENDING))
        yield self._listing("delivered, of a subscription", lambda one: state(self._subscription(one), State.DELIVERED))
        yield self._listing("5xx of a day", lambda one: self._day(one) | {"status": 5})
        yield self._listing("of a type that is not there, a day", lambda one: self._day(one) | {"event_type": "none"})

    def _some(self, random: Random) -> int:
        return random.randrange(self._deliveries)

    def _subscription(self, random: Random) -> Asked:
        return {"subscription_id": self._traffic.subscription(self._some(random))[0]}

    def _day(self, random: Random) -> Asked:
        until_ms = BEGIN_MS + random.randrange(DAY_MS, SPAN_MS)
        return {"until_ms": until_ms, "since_ms": until_ms - DAY_MS}

    def _listing(self, name: str, search: Callable[[Random], Asked], *, scoped: bool = False) -> Question:
        async def ask(random: Random) -> object:
            asked = search(random)
            subscription, account = self._traffic.subscription(self._some(random))
            if scoped and "subscription_id" in asked:
                asked["subscription_id"] = subscription
            found = Search(**asked)  # type: ignore[arg-type]
            return await self._store.deliveries(found, account=account if scoped else None, cursor=None, limit=50)

        return Question(name, ask)

    async def _one(self, random: Random) -> object:
        return await self._store.delivery(self._traffic.delivery_id(self._some(random)), account=None)

    async def _deep(self, _: Random) -> object:
        cursor: str | None = None
        for _page in range(5):
            page = await self._store.deliveries(Search(), account=None, cursor=cursor, limit=200)
            assert isinstance(page, Page)
            cursor = page.cursor
        return page

    def _overview(self, name: str, span_ms: int, *, whose: str = "") -> Question:
        async def ask(random: Random) -> object:
            subscription, account = self._traffic.subscription(self._some(random))
            return await self._store.overview(
                account=account if whose == "account" else None,
                subscription_id=subscription if whose == "subscription" else None,
                since_ms=BEGIN_MS + SPAN_MS - span_ms,
                until_ms=BEGIN_MS + SPAN_MS,
            )

        return Question(name, ask, GOAL_OVERVIEW_MS)

    async def _sparklines(self, random: Random) -> object:
        subscriptions = [self._traffic.subscription(self._some(random))[0] for _ in range(50)]
        since_ms = BEGIN_MS + SPAN_MS - DAY_MS
        return await self._store.sparklines(subscriptions, account=None, since_ms=since_ms)


async def answered(question: Question) -> str:
    """A line of the table."""
    random = Random(question.name)
    took = []
    for _ in range(TIMES):
        began = time.perf_counter()
        answer = await question.ask(random)
        took.append((time.perf_counter() - began) * 1000)
        if answer is None or isinstance(answer, Refused):
            raise Broken(f"{question.name}: {answer}")
    p50, p99 = percentile(took, 0.5), percentile(took, 0.99)
    return f"  {question.name:42} p50 {p50:7.1f} ms   p99 {p99:7.1f} ms   goal {question.goal_ms} ms"


async def settled(url: str) -> str:
    """What a database does by itself after a while is done: statistics, checkpoints; and how large it is."""
    store = Database(url)
    async with store.writing() as connection:
        if store.dialect == "postgresql":
            await connection.execute(text("ANALYZE"))
            size = (await connection.execute(text("SELECT pg_database_size(current_database())"))).scalar()
        else:
            pages = (await connection.execute(text("PRAGMA page_count"))).scalar()
            size = int(pages or 0) * int((await connection.execute(text("PRAGMA page_size"))).scalar() or 0)
    await store.close()
    return f"{int(size or 0) / 1e9:.2f} GB"


async def main(arguments: argparse.Namespace) -> int:
    """The table."""
    kinds = [arguments.store] if arguments.store else ["sqlite", "postgresql"]
    print(f"Python {platform.python_version()}, {SUBSCRIPTIONS:,} subscriptions of {ACCOUNTS} accounts")
    if arguments.results:
        with databases(kinds) as urls, broker(arguments.bootstrap) as bootstrap:
            config = await backlog(bootstrap, arguments.results)
            for kind, url in urls.items():
                print(f"{kind}: {await projection(config, url('projected'), arguments.results)}", flush=True)
    if arguments.attempts:
        with databases(kinds, arguments.keep) as urls:
            for kind, url in urls.items():
                await asked(kind, url(f"filled_{arguments.attempts}"), arguments.attempts)
    return 0


async def asked(kind: str, url: str, attempts: int) -> None:
    """One store is filled, and asked."""
    async with opened(url) as store:
        print(f"{kind}: {await fill(store, attempts)}; {await settled(url)}", flush=True)
        all_ = await store.overview(account=None, subscription_id=None, since_ms=BEGIN_MS, until_ms=BEGIN_MS + 1)
        assert isinstance(all_, Overview)
        for question in Questions(store, sum(all_.standing.values())):
            print(await answered(question), flush=True)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="How fast a history is made, and answers.")
    parser.add_argument("--attempts", type=int, default=5_000_000, help="stored before questions are asked; 0: none")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="what is stored stays there, for the next run")
    parser.add_argument("--results", type=int, default=200_000, help="projected from Kafka; 0: none")
    parser.add_argument("--store", choices=["sqlite", "postgresql"], help="only this one")
    parser.add_argument("--bootstrap", help="a Kafka that runs already")
    return parser.parse_args()


if __name__ == "__main__":
    try:
        sys.exit(uvloop.run(main(arguments())))
    except Broken as broken:
        sys.exit(f"broken: {broken}")
