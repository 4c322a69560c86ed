"""
The tables of a history. `migrations` make them; a test compares the two.

What each index is for stands beside it. Inserts dominate, so the rest is left out: of a new delivery only two indexes
are entered at a random place (`delivery_id`, `lead_id`), the others at their ends, and those of troubled deliveries by
the few that are.
"""

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Index,
    Integer,
    MetaData,
    SmallInteger,
    Table,
    Text,
    literal_column,
)

from relay.store.history.values import BUCKETS_MS, VERDICTS, State

metadata = MetaData()

# SQLite's row id is an INTEGER PRIMARY KEY and nothing else; PostgreSQL's INTEGER has 32 bits.
_Id = BigInteger().with_variant(Integer(), "sqlite")
# Ids are compared as bytes, never by the rules of a language.
_Word = Text().with_variant(Text(collation="C"), "postgresql")

attempts = Table(
    "attempts",
    metadata,
    Column("id", _Id, primary_key=True, autoincrement=False),
    Column("delivery", BigInteger, nullable=False),
    Column("attempt_id", _Word, nullable=False),
    Column("started_ms", BigInteger, nullable=False),
    Column("result", Text, nullable=False),
    Index("attempts_of_delivery", "delivery"),  # a delivery's page; whether a record came twice
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("id", _Id, primary_key=True, autoincrement=False),
    Column("delivery_id", _Word, nullable=False),
    Column("subscription_id", _Word, nullable=False),
    Column("account_id", _Word, nullable=False),
    Column("lead_account_id", _Word, nullable=False),
    Column("lead_id", _Word, nullable=False),
    Column("event_type", _Word, nullable=False),
    Column("event_topic", _Word),
    Column("event_partition", BigInteger),
    Column("event_offset", BigInteger),
    Column("created_ms", BigInteger, nullable=False),
    Column("records", BigInteger, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("delivered_ms", BigInteger),
    Column("newest_ms", BigInteger, nullable=False),
    Column("newest_id", BigInteger, nullable=False),
    Column("state", SmallInteger, nullable=False),
    Column("verdict", _Word, nullable=False),
    Column("reason", _Word, nullable=False),
    Column("ended_by", _Word),
    Column("status", BigInteger),
    Column("trigger", _Word, nullable=False),
    Column("run_id", _Word),
    Column("attempt", BigInteger, nullable=False),
    Column("deferrals", BigInteger, nullable=False),
    Column("elapsed_ms", BigInteger),
    Column("next_attempt_ms", BigInteger),
)

# Most deliveries are delivered, and a listing of those finds them without help: an index of all the others is small.
# A query says it in the same words, or SQLite does not see that the index serves it.
TROUBLED: ColumnElement[bool] = literal_column(f"state <> {State.DELIVERED.value}")
NEWEST_FIRST = ("created_ms", "id")

INDEXES = {
    "deliveries_by_id": ("delivery_id",),  # the page of one; every record of the log asks whether there is one
    "deliveries_by_time": (*NEWEST_FIRST,),  # an operator's listing; retention
    "deliveries_of_account": ("account_id", *NEWEST_FIRST),  # a customer's listing
    "deliveries_of_subscription": ("subscription_id", "account_id", *NEWEST_FIRST),
    "deliveries_of_lead": ("lead_id", "account_id", *NEWEST_FIRST),  # also to erase one
}
TROUBLED_INDEXES = {
    "troubled_by_time": ("state", *NEWEST_FIRST),
    "troubled_of_account": ("account_id", "state", *NEWEST_FIRST),
    "troubled_of_subscription": ("subscription_id", "account_id", "state", *NEWEST_FIRST),
}
for name, columns in INDEXES.items():
    Index(name, *(deliveries.c[one] for one in columns), unique=columns == ("delivery_id",))
for name, columns in TROUBLED_INDEXES.items():
    Index(name, *(deliveries.c[one] for one in columns), sqlite_where=TROUBLED, postgresql_where=TROUBLED)

COUNTED = (*VERDICTS, *(f"ms_{bound}" for bound in (*BUCKETS_MS, "more")))
counts = Table(  # what was done, by minute and by hour; `values.ALL` for all subscriptions, or all accounts
    "counts",
    metadata,
    Column("step_ms", Integer, primary_key=True, autoincrement=False),
    Column("subscription_id", _Word, primary_key=True),
    Column("account_id", _Word, primary_key=True),
    Column("since_ms", BigInteger, primary_key=True, autoincrement=False),
    *(Column(name, Integer, nullable=False) for name in COUNTED),  # an hour at 10,000 a second is 36 million
    sqlite_with_rowid=False,
)

STANDING = tuple(state.name.lower() for state in State)
standing = Table(  # how many deliveries there are of each state, now, and the bytes of their records
    "standing",
    metadata,
    Column("subscription_id", _Word, primary_key=True),
    Column("account_id", _Word, primary_key=True),
    *(Column(name, BigInteger, nullable=False) for name in (*STANDING, "bytes")),
    sqlite_with_rowid=False,
)

partitions = Table(  # how far the log is in here
    "partitions",
    metadata,
    Column("partition", Integer, primary_key=True, autoincrement=False),
    Column("topic", _Word, nullable=False),
    Column("incarnation", Integer, nullable=False),
    Column("next_offset", BigInteger, nullable=False),
    Column("mark_offset", BigInteger),
    Column("mark_timestamp", BigInteger),
    Column("mark_crc", BigInteger),
    Column("as_of_ms", BigInteger, nullable=False),
    Column("unreadable", BigInteger, nullable=False),
)

gaps = Table(
    "gaps",
    metadata,
    Column("partition", Integer, primary_key=True, autoincrement=False),
    Column("incarnation", Integer, primary_key=True, autoincrement=False),
    Column("first_offset", BigInteger, primary_key=True, autoincrement=False),
    Column("end_offset", BigInteger, nullable=False),
    Column("kind", _Word, nullable=False),
)

unreadable = Table(
    "unreadable",
    metadata,
    Column("id", _Id, primary_key=True, autoincrement=False),
    Column("reason", Text, nullable=False),
    Column("bytes", BigInteger, nullable=False),
)
