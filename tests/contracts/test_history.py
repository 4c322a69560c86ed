"""
Delivery History, one suite for both databases: SQLite's file, and a real PostgreSQL.

What a projector does with a real log stands in tests/kafka/test_projection.py.
"""

import asyncio
import os
import sqlite3
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from random import Random
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import event, text

from relay.errors import Invalid
from relay.model import Record
from relay.store.history.database import Database
from relay.store.history.listing import SCANNED
from relay.store.history.projector import batch
from relay.store.history.pruning import ROW_BYTES
from relay.store.history.rows import read
from relay.store.history.store import SqlHistory
from relay.store.history.tables import deliveries, metadata
from relay.store.history.values import (
    BUCKETS_MS,
    HOUR_MS,
    MINUTE_MS,
    VERDICTS,
    Batch,
    Delivery,
    Gap,
    HistoryProblem,
    Overview,
    Page,
    Position,
    Refused,
    Search,
    State,
    Unavailable,
    Unreadable,
    place,
)
from relay.store.history.writing import Overtaken
from tests.contracts.histories import dump, everything, history
from tests.contracts.postgresql import Server
from tests.store.history.results import DAY_MS, NOON_MS, Written, a_record, a_result

TOPIC = "relay.results"
ACCOUNTS = ("acct-1", "acct-2", "*")


@pytest.fixture
def url(new_url: Callable[[], str]) -> str:
    return new_url()


async def project(store: SqlHistory, records: Sequence[Record], *, at_once: int = 1_000) -> None:
    """As a projector does it: from where the store stands, so many at once."""
    for begin in range(0, len(records), at_once):
        at = await store.positions(TOPIC)
        by_partition: dict[int, list[Record]] = {}
        for record in records[begin : begin + at_once]:
            by_partition.setdefault(record.partition, []).append(record)
        there = {number: at.get(number, Position(partition=number)) for number in by_partition}
        await store.write(TOPIC, batch(by_partition, there, now_ms=NOON_MS))


def some_results(count: int, *, seed: int = 1, span_ms: int = DAY_MS, partitions_: int = 3) -> list[Written]:
    """Results of two accounts' and an operator's subscriptions; some records come twice, and some are no result."""
    random = Random(seed)
    offsets: Counter[int] = Counter()
    said: list[dict[str, Any]] = []
    records = []
    for number in range(count):
        account = random.choice(ACCOUNTS)
        result = a_result(
            number,
            delivery=random.randrange(count),
            verdict=random.choice(["delivered"] * 6 + ["retry", "gave_up", "deferred", "dropped"]),
            at_ms=NOON_MS + random.randrange(span_ms),
            subscription_id=f"sub_{account}_{random.randrange(3)}",
            subscription_account_id=account,
            lead_id=f"lead_{random.randrange(20)}",
            event_type=random.choice(["lead.updated", "lead.created"]),
            trigger=random.choice(["event"] * 9 + ["test"]),
        )
        if result["elapsed_ms"] is not None:
            result["elapsed_ms"] = random.randrange(1, 40_000)
        draw = random.randrange(20)
        if draw == 0 and said:
            result = random.choice(said)
        partition = int(result["delivery_id"][4:], 16) % partitions_
        records.append(a_record(offsets[partition], b"no result" if draw == 1 else result, partition=partition))
        said.append(result)
        offsets[partition] += 1
    return records


def deliveries_of(records: Sequence[Written]) -> list[Delivery]:
    """What should be listed, newest first, by a way of its own: everything of a delivery at once."""
    by_id: dict[str, dict[str, Delivery]] = {}
    for record in records:
        row = read(place(0, record.partition, record.offset), record.value)
        if not isinstance(row, Unreadable):
            by_id.setdefault(row[1].delivery_id, {}).setdefault(row[0].attempt_id, row[1])
    made = []
    for each in by_id.values():
        all_ = sorted(each.values(), key=lambda one: one.id)
        newest = max(all_, key=lambda one: (one.newest_ms, one.newest_id))
        made.append(
            newest._replace(
                **{name: getattr(all_[0], name) for name in Delivery._fields[:10]},
                created_ms=min(one.created_ms for one in all_),
                records=len(all_),
                bytes=sum(one.bytes for one in all_),
                delivered_ms=min((one.delivered_ms for one in all_ if one.delivered_ms is not None), default=None),
            )
        )
    return sorted(made, key=lambda one: (one.created_ms, one.id), reverse=True)


# writing


async def test_batches_of_any_size_leave_the_same_rows(new_url: Callable[[], str]) -> None:
    """So a database that was dropped, and read again at another pace, is the same row by row."""
    records = some_results(400)
    dumps = []
    for at_once in (400, 61, 7):
        url = new_url()
        async with history(url) as store:
            await project(store, records, at_once=at_once)
        dumps.append(await dump(url))

    assert dumps[0] == dumps[1] == dumps[2]
    assert deliveries_of(records) == sorted(
        (Delivery(*row) for row in dumps[0]["deliveries"]), key=lambda one: (one.created_ms, one.id), reverse=True
    )


async def test_a_batch_from_another_place_is_not_written(url: str) -> None:
    """Neither again, nor one behind a gap; nothing of it is there."""
    records = [a_record(0, a_result(1)), a_record(1, a_result(2))]
    async with history(url) as store:
        await project(store, records)
        before = await dump(url)

        for at in (Position(partition=0), Position(partition=0, next_offset=3), Position(partition=0, incarnation=1)):
            with pytest.raises(Overtaken):
                await store.write(TOPIC, batch({0: records}, {0: at}, now_ms=NOON_MS))

    assert before == await dump(url)


async def test_two_projectors_at_once_write_each_record_once(new_url: Callable[[], str]) -> None:
    """Each goes on from where the store stands when it finds itself overtaken."""
    records = [record for record in some_results(300) if record.partition == 0]
    alone, together = new_url(), new_url()
    async with history(alone) as store:
        await project(store, records)

    async def race(store: SqlHistory) -> int:
        overtaken = 0
        while (at := (await store.positions(TOPIC)).get(0, Position(partition=0))).next_offset < len(records):
            some = batch({0: records[at.next_offset :][:5]}, {0: at}, now_ms=NOON_MS)
            try:
                await store.write(TOPIC, some)
            except Overtaken:
                overtaken += 1
        return overtaken

    async with history(together) as one, history(together) as other:
        overtaken = await asyncio.gather(race(one), race(other))

    assert await dump(alone) == await dump(together)
    assert sum(overtaken) > 0, "they never met"


async def test_the_history_of_another_topic_is_left_alone(url: str) -> None:
    """Two installations have two databases."""
    async with history(url) as store:
        await project(store, [a_record(0, a_result(1))])

        with pytest.raises(HistoryProblem, match="another one for each RELAY_TOPIC_PREFIX"):
            await store.positions("other.results")


async def test_a_record_that_the_database_refuses_is_left_out_and_counted(url: str) -> None:
    """Whatever the reason: the others of its batch are there."""
    records = [a_record(at, a_result(at, lead_id="bad" if at in (3, 11) else "good")) for at in range(20)]
    async with history(url) as store:
        await _refuse(url, "bad")

        await project(store, records)

        assert 18 == len(await everything(store, Search(), account=None))
        assert (await store.positions(TOPIC))[0].unreadable == 2
    rows = (await dump(url))["unreadable"]
    assert [place(0, 0, 3), place(0, 0, 11)] == [row[0] for row in rows]
    assert all("the database refuses it" in row[1] for row in rows)


async def _refuse(url: str, lead_id: str) -> None:
    database = Database(url)
    statement = f"ALTER TABLE deliveries ADD CONSTRAINT no CHECK (lead_id <> '{lead_id}')"
    if database.dialect == "sqlite":
        statement = (
            f"CREATE TRIGGER no BEFORE INSERT ON deliveries WHEN NEW.lead_id = '{lead_id}' "
            "BEGIN SELECT RAISE(ABORT, 'no'); END"
        )
    async with database.writing() as connection:
        await connection.execute(text(statement))
    await database.close()


# reading


SEARCHES: tuple[dict[str, Any], ...] = (
    {"subscription_id": "sub_acct-1_1"},
    {"subscription_id": "sub_*_0", "state": State.PENDING},
    {"subscription_id": "sub_acct-2_0", "status": 5, "since_ms": NOON_MS},
    {"lead_id": "lead_7"},
    {"lead_id": "lead_7", "state": State.GAVE_UP},
    {"lead_id": "lead_7", "subscription_id": "sub_acct-1_1", "status": 200},
    {"state": State.PENDING},
    {"state": State.GAVE_UP},
    {"state": State.DROPPED, "since_ms": NOON_MS + DAY_MS // 4, "until_ms": NOON_MS + DAY_MS // 2},
    {"state": State.DELIVERED},
    {"since_ms": NOON_MS + DAY_MS // 4, "until_ms": NOON_MS + DAY_MS // 2},
    {"since_ms": NOON_MS, "verdict": "retry"},
    {"since_ms": NOON_MS, "reason": "circuit_open", "event_type": "lead.created"},
    {"since_ms": NOON_MS, "status": 503},
    {"since_ms": NOON_MS, "trigger": "test"},
    {"subscription_id": "nobody's"},
    {},
)


def fits(one: Delivery, asked: dict[str, Any], account: str | None) -> bool:
    """Whether a listing holds it, said once more."""
    if account is not None and one.account_id != account:
        return False
    for name, value in asked.items():
        match name:
            case "since_ms":
                good = one.created_ms >= value
            case "until_ms":
                good = one.created_ms < value
            case "status" if value < 100:
                good = one.status is not None and one.status // 100 == value
            case _:
                good = getattr(one, name) == value
        if not good:
            return False
    return True


async def test_every_listing_of_every_account_is_complete_and_in_order(url: str) -> None:
    """Page by page; nothing of another account's is among them."""
    records = some_results(600)
    there = deliveries_of(records)
    async with history(url) as store:
        await project(store, records)

        for account in (None, *ACCOUNTS, "acct-3"):
            for asked in SEARCHES:
                expected = [one for one in there if fits(one, asked, account)]
                assert expected == await everything(store, Search(**asked), account=account), (account, asked)

    assert all(any(fits(one, asked, None) for one in there) for asked in SEARCHES if "nobody's" not in asked.values())


async def test_pages_are_read_off_an_index_in_its_order(url: str) -> None:
    """The first and those behind it: no row is looked at that is not on the page, or among those of a search."""
    asked: dict[str, Any] = {}

    def note(_: object, __: object, statement: str, parameters: Any, *___: object) -> None:  # noqa: ANN401
        if "ORDER BY" in statement:
            asked.setdefault(statement, parameters)

    async with history(url) as store:
        await project(store, some_results(300))
        event.listen(store._database._reader.sync_engine, "before_cursor_execute", note)
        for account in (None, "acct-1"):
            for search in SEARCHES:
                await everything(store, Search(**search), account=account, limit=1)
        async with store._database.reading() as connection:
            explain = "EXPLAIN QUERY PLAN " if url.startswith("sqlite") else "EXPLAIN "
            plans = {}
            for statement, parameters in list(asked.items()):
                rows = (await connection.exec_driver_sql(explain + statement, parameters)).all()
                plans[statement] = "\n".join(str(row[-1]) for row in rows)

    assert len(plans) > 40
    for statement, plan in plans.items():
        assert "Sort" not in plan, (statement, plan)
        assert "Seq Scan" not in plan, (statement, plan)
        walked = plan.partition("SCAN anon_1")[0]  # SQLite's: behind it are the rows of a search, which are bounded
        assert "TEMP B-TREE" not in walked, (statement, plan)
        assert "SCAN deliveries" not in walked.replace("SCAN deliveries USING INDEX", ""), (statement, plan)
        if url.startswith("sqlite") and ") < (" in statement:  # begins where the page before ended
            assert "created_ms<?" in plan, (statement, plan)


async def test_a_search_that_finds_little_is_cut_short_and_goes_on(url: str) -> None:
    """A page looks at so many rows and no more, and says how far it came."""
    records = [a_record(at, a_result(at, at_ms=NOON_MS + at, trigger="event" if at else "replay", run_id="run_1"))
               for at in range(SCANNED + 10)]  # fmt: skip
    search = Search(trigger="replay", since_ms=0)
    async with history(url) as store:
        await project(store, records)

        first = await store.deliveries(search, account=None, cursor=None, limit=5)
        assert isinstance(first, Page)
        second = await store.deliveries(search, account=None, cursor=first.cursor, limit=5)

    assert ((), NOON_MS + 10) == (first.deliveries, first.searched_to_ms)
    assert isinstance(second, Page)
    assert ([NOON_MS], None) == ([one.created_ms for one in second.deliveries], second.cursor)


async def test_a_cursor_that_was_made_up_is_refused(url: str) -> None:
    """As a value that names the field."""
    async with history(url) as store:
        answer = await store.deliveries(Search(), account="acct-1", cursor="AAAA", limit=5)

    assert isinstance(answer, Refused)
    assert "cursor" == answer.problem.field


async def test_a_page_stays_what_it_was_while_new_ones_come(url: str) -> None:
    """The second page begins behind the first, whatever was projected between."""
    async with history(url) as store:
        await project(store, [a_record(at, a_result(at, at_ms=NOON_MS + at)) for at in range(10)])
        first = await store.deliveries(Search(), account=None, cursor=None, limit=4)
        await project(store, [a_record(at, a_result(at, at_ms=NOON_MS + at)) for at in range(10, 20)])
        assert isinstance(first, Page)

        second = await store.deliveries(Search(), account=None, cursor=first.cursor, limit=4)

    assert isinstance(second, Page)
    assert [9, 8, 7, 6, 5, 4, 3, 2] == [one.created_ms - NOON_MS for one in (*first.deliveries, *second.deliveries)]


async def test_a_delivery_is_shown_with_every_attempt_as_the_log_has_it(url: str) -> None:
    """Oldest first, fields of a newer relay too; a NUL in a reply's body is no matter."""
    said = [
        a_result(1, delivery=1, verdict="retry", at_ms=NOON_MS, response_body="a\0b", shelf=[7]),
        a_result(2, delivery=1, at_ms=NOON_MS + 5_000, attempt=2, response_body="ü" * 4096),
    ]
    async with history(url) as store:
        await project(store, [a_record(at, one) for at, one in enumerate(said)], at_once=1)

        detail = await store.delivery(said[0]["delivery_id"], account="acct-1")

        assert await store.delivery(said[0]["delivery_id"], account="acct-2") is None
        assert await store.delivery("dlv_none", account=None) is None
        assert await store.delivery("a\0b", account=None) is None
    assert detail is not None
    assert said == list(detail.attempts)
    assert (State.DELIVERED, 2) == (detail.delivery.state, detail.delivery.records)


async def test_all_of_a_listing_is_what_its_pages_are(url: str) -> None:
    """Of whoever asks, and of what is looked at row by row too; what is refused is told by field."""
    async with history(url) as store:
        await project(store, some_results(700))
        for account, search in ((None, Search()), ("acct-1", Search(state=State.GAVE_UP)), ("acct-2", Search())):
            assert [one async for one in store.every(search, account=account)] == await everything(
                store, search, account=account
            )
        with pytest.raises(Invalid, match="since_ms"):
            [one async for one in store.every(Search(verdict="retry"), account=None)]


async def test_what_was_ever_delivered_is_known_by_id(url: str) -> None:
    """Also what failed when it was sent again; of others, of none and of what could be no id it says nothing."""
    records = [
        a_record(0, a_result(1, delivery=1)),
        a_record(1, a_result(2, delivery=1, verdict="gave_up", at_ms=NOON_MS + 1)),
        a_record(2, a_result(3, delivery=3, verdict="retry")),
        a_record(3, a_result(4, delivery=4)),
    ]
    one, failed, unknown = (f"dlv_{number:032x}" for number in (1, 3, 9))
    async with history(url) as store:
        await project(store, records)

        assert await store.delivered([one, failed, unknown, "a\0b", ""]) == {one}
        assert await store.delivered([]) == set()


async def test_a_recent_event_is_none_of_a_test_and_none_of_anothers(url: str) -> None:
    """So that a filter is tried on what this account's subscriptions get."""
    of_test: dict[str, Any] = dict.fromkeys(("event_topic", "event_partition", "event_offset"))
    records = [
        a_record(0, a_result(1)),
        a_record(1, a_result(2, at_ms=NOON_MS + 2, subscription_account_id="acct-2")),
        a_record(2, a_result(3, at_ms=NOON_MS + 3, trigger="test", **of_test)),
    ]
    async with history(url) as store:
        assert await store.recent(account=None) is None
        await project(store, records)
        told = [await store.recent(account=account) for account in ("acct-1", None, "acct-3")]

    assert [None if one is None else one.delivery_id[-1] for one in told] == ["1", "2", None]


async def test_whether_there_is_a_history_is_told_without_making_one(url: str, tmp_path: Path) -> None:
    """A command that only asks leaves nothing behind."""
    asked = SqlHistory(url)
    assert not await asked.exists()
    assert not await asyncio.to_thread(lambda: list(tmp_path.iterdir()))
    async with history(url):
        assert await asked.exists()
    await asked.close()


async def test_an_account_sees_no_figure_of_anothers(url: str) -> None:
    """Not by naming its subscription, nor by having no name itself."""
    window = {"since_ms": NOON_MS, "until_ms": NOON_MS + HOUR_MS}
    async with history(url) as store:
        await project(store, [a_record(0, a_result(1)), a_record(1, b"no result")])

        for subscription_id in (None, "sub_1", "", "a\0b"):
            told = await store.overview(account="acct-2", subscription_id=subscription_id, **window)
            assert isinstance(told, Overview)
            assert (0, 0, 0) == (told.total.made, sum(told.standing.values()), told.unreadable)
        assert {"sub_1": ()} == await store.sparklines(["sub_1"], account="acct-2", since_ms=NOON_MS)
        with pytest.raises(ValueError, match="an account has a name"):
            await store.overview(account="", subscription_id=None, **window)


@pytest.mark.parametrize("account", [None, "acct-1"])
@pytest.mark.parametrize("subscription_id", [None, "sub_acct-1_1"])
@pytest.mark.parametrize("span_ms", [HOUR_MS, DAY_MS])
async def test_figures_are_those_of_the_attempts(
    url: str, account: str | None, subscription_id: str | None, span_ms: int
) -> None:
    """By minutes of an hour, by hours of a day; test sends are left out, and records that came twice."""
    records = some_results(500, span_ms=span_ms)
    made: dict[str, Delivery] = {}
    for record in records:
        row = read(place(0, record.partition, record.offset), record.value)
        if not isinstance(row, Unreadable) and row[1].trigger != "test":
            made.setdefault(row[0].attempt_id, row[1])
    mine = [
        one for one in made.values()
        if account in (None, one.account_id) and subscription_id in (None, one.subscription_id)
    ]  # fmt: skip
    step_ms = MINUTE_MS if span_ms == HOUR_MS else HOUR_MS
    async with history(url) as store:
        await project(store, records)

        told = await store.overview(
            account=account, subscription_id=subscription_id, since_ms=NOON_MS, until_ms=NOON_MS + span_ms
        )
        sparks = await store.sparklines(["sub_acct-1_1", "none"], account=account, since_ms=NOON_MS)

    assert isinstance(told, Overview)
    expected = Counter(one.verdict for one in mine)
    assert {name: expected[name] for name in VERDICTS} == told.total.verdicts
    assert Counter(one.created_ms // step_ms * step_ms for one in mine) == {
        one.since_ms: sum(one.verdicts.values()) for one in told.series
    }
    assert sum(one.elapsed_ms is not None for one in mine) == told.total.made
    median = sorted(one.elapsed_ms for one in mine if one.elapsed_ms is not None)[(told.total.made - 1) // 2]
    bucket = next(at for at, bound in enumerate((*BUCKETS_MS, 40_000)) if median <= bound)
    half = told.total.percentile_ms(0.5)
    assert half is not None
    assert (0, *BUCKETS_MS)[bucket] <= half <= (*BUCKETS_MS, BUCKETS_MS[-1])[bucket]
    assert sum(one.subscription_id == "sub_acct-1_1" for one in made.values()) == sum(
        sum(one.verdicts.values()) for one in sparks["sub_acct-1_1"]
    )
    assert () == sparks["none"]
    standing = Counter(
        one.state for one in deliveries_of(records)
        if account in (None, one.account_id) and subscription_id in (None, one.subscription_id)
    )  # fmt: skip
    assert {state: standing[state] for state in State} == told.standing


@pytest.mark.parametrize(("since_ms", "until_ms"), [(5, 5), (-1, 5), (0, 2**63)])
async def test_a_range_that_is_none_is_refused(url: str, since_ms: int, until_ms: int) -> None:
    async with history(url) as store:
        answer = await store.overview(account=None, subscription_id=None, since_ms=since_ms, until_ms=until_ms)

    assert isinstance(answer, Refused)


async def test_how_far_behind_it_is_goes_by_the_partition_that_is_furthest(url: str) -> None:
    """And what the log lost is told."""
    gap = Gap(partition=1, incarnation=0, first_offset=5, end_offset=9, kind="lost")
    moves = [
        (Position(partition=number), Position(partition=number, next_offset=9, as_of_ms=NOON_MS + number))
        for number in range(2)
    ]
    async with history(url) as store:
        assert (await store.age()).as_of_ms is None

        await store.write(TOPIC, Batch(moves=moves, gaps=[gap]))

        age = await store.age()
    assert (NOON_MS, (gap,)) == (age.as_of_ms, age.gaps)


async def test_pages_are_read_while_somebody_writes(url: str) -> None:
    """What was committed before; nobody waits."""
    async with history(url) as store:
        await project(store, [a_record(0, a_result(1))])
        database = Database(url)
        async with database.writing() as connection:
            await connection.execute(deliveries.delete())

            assert 1 == len(await everything(store, Search(), account=None))
        await database.close()


# what leaves


async def _standing_is_true(store: SqlHistory, url: str) -> None:
    """The counts of what stands are those of what is there, and every attempt has its delivery."""
    tables = await dump(url)
    told = await store.overview(account=None, subscription_id=None, since_ms=0, until_ms=1)
    assert isinstance(told, Overview)
    counted = Counter(Delivery(*row).state for row in tables["deliveries"])
    assert {state: counted[state] for state in State} == told.standing
    (total,) = [row for row in tables["standing"] if row[:2] == ("", "")]
    assert sum(Delivery(*row).bytes for row in tables["deliveries"]) == total[-1]
    assert {Delivery(*row).id for row in tables["deliveries"]} == {row[1] for row in tables["attempts"]}


async def test_what_is_too_old_leaves_and_the_rest_stays(url: str) -> None:
    """Attempts, deliveries, and the counts of its hours."""
    records = some_results(700, span_ms=10 * DAY_MS)
    before_ms = NOON_MS + 5 * DAY_MS
    stays = [one for one in deliveries_of(records) if one.created_ms >= before_ms]
    async with history(url) as store:
        await project(store, records)

        gone = 0
        while some := await store.prune(before_ms=before_ms, max_bytes=None):
            gone += some

        assert stays == await everything(store, Search(), account=None, limit=200)
        assert len(deliveries_of(records)) - len(stays) == gone > 0
        await _standing_is_true(store, url)
    assert all(row[3] >= before_ms - before_ms % row[0] for row in (await dump(url))["counts"])


async def test_what_takes_too_much_room_leaves_the_oldest_first(url: str) -> None:
    """Until it fits; not one more than that needs, give or take a batch's rounding."""
    records = [a_record(at, a_result(at, at_ms=NOON_MS + at)) for at in range(800)]
    size = len(records[0].value or b"") + ROW_BYTES
    async with history(url) as store:
        await project(store, records)

        while await store.prune(before_ms=0, max_bytes=size * 100):
            pass

        left = await everything(store, Search(), account=None, limit=200)
        await _standing_is_true(store, url)
    assert 95 <= len(left) <= 100
    assert [NOON_MS + 799 - at for at in range(len(left))] == [one.created_ms for one in left]


async def test_an_erased_lead_is_gone_and_no_other(url: str) -> None:
    """Everywhere."""
    records = some_results(300)
    async with history(url) as store:
        await project(store, records)

        erased = await store.erase("lead_7")

        assert [] == await everything(store, Search(lead_id="lead_7"), account=None)
        assert [one for one in deliveries_of(records) if one.lead_id != "lead_7"] == await everything(
            store, Search(), account=None, limit=200
        )
        assert erased > 0 == await store.erase("lead_7") == await store.erase("a\0b")
        await _standing_is_true(store, url)


# the database itself


async def test_of_an_erased_lead_no_byte_is_left_in_the_files(tmp_path: Path) -> None:
    """Not in pages that are free now, and not in SQLite's log; of PostgreSQL's files its own VACUUM is the master."""
    name = "lead_whom_nobody_shall_find"
    async with history(f"sqlite+aiosqlite:///{tmp_path / 'history.db'}") as store:
        await project(
            store, [a_record(number, a_result(number, lead_id=f"{name}_{number % 2}")) for number in range(80)]
        )

        def found() -> set[str]:
            raw = b"".join(path.read_bytes() for path in tmp_path.iterdir())
            return {one for one in ("0", "1") if f"{name}_{one}".encode() in raw}

        assert await asyncio.to_thread(found) == {"0", "1"}
        assert await store.erase(f"{name}_1") == 40
        assert await asyncio.to_thread(found) == {"0"}


async def test_the_migrations_make_the_tables_that_the_code_knows(url: str) -> None:
    """Column by column, index by index."""
    async with history(url):
        database = Database(url)
        async with database.reading() as connection:
            different = await connection.run_sync(
                lambda sync: compare_metadata(MigrationContext.configure(sync), metadata)
            )
        await database.close()

    assert [] == different


async def test_a_database_of_a_newer_relay_is_left_alone(url: str) -> None:
    """The message says what to do."""
    async with history(url) as store:
        database = Database(url)
        async with database.writing() as connection:
            await connection.execute(text("UPDATE alembic_version SET version_num = 'of the future'"))
        await database.close()

        with pytest.raises(HistoryProblem, match="drop it"):
            await store.prepare()


async def test_two_that_start_at_once_make_the_tables_once(url: str) -> None:
    """Whoever comes second finds them."""
    one, other = SqlHistory(url), SqlHistory(url)

    await asyncio.gather(one.prepare(), other.prepare())

    await project(one, [a_record(0, a_result(1))])
    assert 1 == len(await everything(other, Search(), account=None))
    await one.close()
    await other.close()


async def test_a_store_that_is_locked_is_unavailable_and_then_goes_on(url: str) -> None:
    """Nothing was written meanwhile, and pages are still shown."""
    async with history(url) as store:
        await project(store, [a_record(0, a_result(1))])
        database = Database(url)
        async with database.writing():
            with pytest.raises(Unavailable, match="does not answer"):
                await project(store, [a_record(1, a_result(2))])

            assert 1 == len(await everything(store, Search(), account=None))
        await database.close()

        await project(store, [a_record(1, a_result(2))])

        assert 2 == len(await everything(store, Search(), account=None))


@pytest.mark.parametrize("address", ["relay:hush@127.0.0.1:1/history", "127.0.0.1:1/history?user=relay&password=hush"])
async def test_a_password_is_in_no_message(address: str) -> None:
    """Nor is the statement, which holds people's data."""
    store = SqlHistory(f"postgresql+asyncpg://{address}")

    with pytest.raises(Unavailable) as raised:
        await store.age()

    assert "hush" not in str(raised.value)
    assert "127.0.0.1:1" in str(raised.value)
    await store.close()


@pytest.mark.parametrize("address", ["sqlite+aiosqlite:///", "sqlite+aiosqlite:///:memory:"])
def test_a_history_in_memory_is_none(address: str) -> None:
    """It would be gone with its process."""
    with pytest.raises(HistoryProblem, match="name a file"):
        SqlHistory(address)


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("postgresql+asyncpg://relay:hush@db:port/history", "no URL"),
        ("postgresql+asyncpg://relay:hush@127.0.0.1:1/history?bogus=hush", "options"),
        ("postgresql+asyncpg://relay:hush@127.0.0.1:1/history?prepared_statement_cache_size=hush", "options"),
        ("sqlite+aiosqlite:///x.db?timeout=hush", "options"),
    ],
)
async def test_a_url_that_leads_nowhere_is_told_by_its_setting(
    address: str, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before anything is asked where that can be seen, and else when it is; without a word of it."""
    monkeypatch.chdir(tmp_path)

    async def asked() -> None:
        store = SqlHistory(address)
        try:
            await store.prepare()
        finally:
            await store.close()

    with pytest.raises(HistoryProblem, match=f"RELAY_DATABASE_URL: .*{why}") as raised:
        await asked()

    assert "hush" not in str(raised.value)


async def test_a_disk_that_is_full_is_told_and_nothing_is_torn(tmp_path: Path) -> None:
    """SQLite's, by a bound on its pages: what was there is there, and it goes on once there is room."""
    url = f"sqlite+aiosqlite:///{tmp_path / 'full.db'}"
    async with history(url) as store:
        await project(store, [a_record(0, a_result(1))])
        async with store._database.writing() as connection:
            pages = (await connection.execute(text("PRAGMA page_count"))).scalar()
            await connection.execute(text(f"PRAGMA max_page_count = {pages}"))
        records = [a_record(at, a_result(at + 1)) for at in range(1, 400)]

        with pytest.raises(Unavailable, match="full"):
            await project(store, records)

        assert 1 == len(await everything(store, Search(), account=None))
        async with store._database.writing() as connection:
            await connection.execute(text("PRAGMA max_page_count = 1000000"))
        await project(store, records)
        assert 400 == len(await everything(store, Search(), account=None, limit=200))


async def test_a_file_that_is_no_database_is_told(tmp_path: Path) -> None:
    """And stays as it is."""
    path = tmp_path / "notes.txt"
    path.write_text("remember the milk " * 100)
    store = SqlHistory(f"sqlite+aiosqlite:///{path}")

    with pytest.raises(Unavailable, match="not a database"):
        await store.prepare()

    assert path.read_text().startswith("remember")
    await store.close()


async def test_a_file_that_was_removed_is_noticed(tmp_path: Path) -> None:
    """What is written to it then, nobody would find."""
    path = tmp_path / "gone.db"
    async with history(f"sqlite+aiosqlite:///{path}") as store:
        assert not store.replaced()
        path.unlink()
        assert store.replaced()

        await store.prepare()

        assert not store.replaced()
        with closing(sqlite3.connect(path)) as there:
            assert [(0,)] == there.execute("SELECT count(*) FROM attempts").fetchall()


async def test_a_server_that_went_away_is_unavailable_until_it_is_back(postgresql: Server) -> None:
    """PostgreSQL's: connections that broke are replaced."""
    url = postgresql.database(f"away_{os.getpid()}")
    async with history(url) as store:
        await project(store, [a_record(0, a_result(1))])
        await asyncio.to_thread(postgresql.end)
        with pytest.raises(Unavailable):
            await store.age()
        with pytest.raises(Unavailable):
            await project(store, [a_record(1, a_result(2))])
        await asyncio.to_thread(postgresql.begin)

        await project(store, [a_record(1, a_result(2))])

        assert 2 == len(await everything(store, Search(), account=None))
