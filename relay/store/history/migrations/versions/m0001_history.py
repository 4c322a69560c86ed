"""Attempts, deliveries, counts, and how far the log is in here."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
WORD = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
BIG = sa.BigInteger
TROUBLED = sa.text("state <> 1")
COUNTED = (
    *("delivered", "retry", "gave_up", "deferred", "dropped", "other"),
    *("ms_5", "ms_10", "ms_25", "ms_50", "ms_100", "ms_250", "ms_500", "ms_1000"),
    *("ms_2500", "ms_5000", "ms_10000", "ms_15000", "ms_30000", "ms_more"),
)
STANDING = ("pending", "delivered", "gave_up", "dropped", "other", "bytes")


def word(name: str, *, null: bool = False) -> sa.Column[str]:
    return sa.Column(name, WORD, nullable=null)


def figure(name: str, *, null: bool = False) -> sa.Column[int]:
    return sa.Column(name, BIG, nullable=null)


def key(name: str, kind: sa.types.TypeEngine[int]) -> sa.Column[int]:
    return sa.Column(name, kind, primary_key=True, autoincrement=False)


def upgrade() -> None:
    _attempts()
    _deliveries()
    _counts()
    _log()


def _attempts() -> None:
    op.create_table(
        "attempts",
        key("id", ID),
        figure("delivery"),
        word("attempt_id"),
        figure("started_ms"),
        sa.Column("result", sa.Text, nullable=False),
    )
    op.create_index("attempts_of_delivery", "attempts", ["delivery"])


def _deliveries() -> None:
    op.create_table(
        "deliveries",
        key("id", ID),
        *(word(name) for name in ("delivery_id", "subscription_id", "account_id", "lead_account_id", "lead_id")),
        word("event_type"),
        word("event_topic", null=True),
        figure("event_partition", null=True),
        figure("event_offset", null=True),
        *(figure(name) for name in ("created_ms", "records", "bytes")),
        figure("delivered_ms", null=True),
        *(figure(name) for name in ("newest_ms", "newest_id")),
        sa.Column("state", sa.SmallInteger, nullable=False),
        *(word("verdict"), word("reason"), word("ended_by", null=True)),
        figure("status", null=True),
        *(word("trigger"), word("run_id", null=True)),
        *(figure("attempt"), figure("deferrals")),
        *(figure("elapsed_ms", null=True), figure("next_attempt_ms", null=True)),
    )
    newest = ["created_ms", "id"]
    for name, columns in {
        "deliveries_by_time": newest,
        "deliveries_of_account": ["account_id", *newest],
        "deliveries_of_subscription": ["subscription_id", "account_id", *newest],
        "deliveries_of_lead": ["lead_id", "account_id", *newest],
    }.items():
        op.create_index(name, "deliveries", columns)
    op.create_index("deliveries_by_id", "deliveries", ["delivery_id"], unique=True)
    for name, columns in {
        "troubled_by_time": ["state", *newest],
        "troubled_of_account": ["account_id", "state", *newest],
        "troubled_of_subscription": ["subscription_id", "account_id", "state", *newest],
    }.items():
        op.create_index(name, "deliveries", columns, sqlite_where=TROUBLED, postgresql_where=TROUBLED)


def _counts() -> None:
    words = [sa.Column(name, WORD, primary_key=True) for name in ("subscription_id", "account_id")]
    op.create_table(
        "counts",
        key("step_ms", sa.Integer()),
        *words,
        key("since_ms", BIG()),
        *(sa.Column(name, sa.Integer, nullable=False) for name in COUNTED),
        sqlite_with_rowid=False,
    )
    words = [sa.Column(name, WORD, primary_key=True) for name in ("subscription_id", "account_id")]
    op.create_table("standing", *words, *(figure(name) for name in STANDING), sqlite_with_rowid=False)


def _log() -> None:
    op.create_table(
        "partitions",
        key("partition", sa.Integer()),
        word("topic"),
        sa.Column("incarnation", sa.Integer, nullable=False),
        figure("next_offset"),
        *(figure(name, null=True) for name in ("mark_offset", "mark_timestamp", "mark_crc")),
        *(figure(name) for name in ("as_of_ms", "unreadable")),
    )
    op.create_table(
        "gaps",
        *(key("partition", sa.Integer()), key("incarnation", sa.Integer()), key("first_offset", BIG())),
        figure("end_offset"),
        word("kind"),
    )
    op.create_table("unreadable", key("id", ID), sa.Column("reason", sa.Text, nullable=False), figure("bytes"))
