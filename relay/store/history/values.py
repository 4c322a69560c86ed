"""
Delivery History as values: what is stored, what is asked, what is told. Pure.

Times are milliseconds since the epoch (`_ms`), UTC. Rows are tuples, for they are made by the ten thousand a second and
go into statements as they are; their fields are the columns of their tables, in that order.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, NamedTuple

from relay.errors import Problem, RelayError

# Upper ends of the buckets of `elapsed_ms`, as of the worker's relay_attempt_seconds; one more is beyond the last.
BUCKETS_MS = (5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 15_000, 30_000)
VERDICTS = ("delivered", "retry", "gave_up", "deferred", "dropped", "other")  # other: of a newer relay
MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
ALL = ""  # in a key of counts: of all subscriptions, or of all accounts


def step_of(range_ms: int) -> int:
    """As a range of this length is told: by the minute up to two hours, 120 bars; else by the hour, 168 of a week."""
    return MINUTE_MS if range_ms <= 2 * HOUR_MS else HOUR_MS


class HistoryProblem(RelayError):
    """The history cannot be kept like this; the message says what to do."""


class Unavailable(RelayError):
    """The store does not answer: locked, full, gone. What it holds is as it was; try again."""


class State(IntEnum):
    """Of a delivery, by its newest attempt; small integers, for each is in several indexes."""

    PENDING = 0  # another attempt, or look at it, will be made
    DELIVERED = 1
    GAVE_UP = 2
    DROPPED = 3
    OTHER = 4  # of a newer relay, and nothing follows


class Attempt(NamedTuple):
    """One record of the results topic."""

    id: int  # where it stands: `place`
    delivery: int  # its delivery's `id`
    attempt_id: str
    started_ms: int
    result: str  # the record as it was written: a newer relay's fields are kept, and shown


class Delivery(NamedTuple):
    """One event to one subscription, in whatever many attempts: what is told of the newest is of the newest."""

    id: int  # the first place in the log that tells of it
    delivery_id: str
    subscription_id: str
    account_id: str  # the subscription's: who may see it
    lead_account_id: str
    lead_id: str
    event_type: str
    event_topic: str | None  # with partition and offset: where the event stands; None: a test send
    event_partition: int | None
    event_offset: int | None
    created_ms: int  # its first attempt
    records: int  # attempts, deferrals and drops
    bytes: int  # of those records
    delivered_ms: int | None  # when it was first delivered, whatever came then
    newest_ms: int  # the newest attempt, and where it stands
    newest_id: int
    state: int
    verdict: str
    reason: str
    ended_by: str | None
    status: int | None
    trigger: str
    run_id: str | None
    attempt: int
    deferrals: int
    elapsed_ms: int | None
    next_attempt_ms: int | None


class Unreadable(NamedTuple):
    """A record that is no result: counted, and found in the log by its place."""

    id: int
    reason: str
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """The last record that was taken of a partition: a log that does not hold it is another log."""

    offset: int
    timestamp: int
    crc: int  # CRC32 of its value


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """How far a partition of the results topic is in the store."""

    partition: int
    incarnation: int = 0  # how often the topic was made anew while we followed it
    next_offset: int = 0
    mark: Mark | None = None  # None: nothing was read yet
    as_of_ms: int = 0  # whatever was written before is in the store
    unreadable: int = 0  # records, so far


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """Records that left the log before they were read, or another log in the place of the one that was read."""

    partition: int
    incarnation: int
    first_offset: int
    end_offset: int  # the first that was not lost; of a log that was replaced, as `first_offset`
    kind: str  # lost | replaced


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What was read in one go: rows, and how far each partition is then."""

    moves: Sequence[tuple[Position, Position]]  # from, to; a partition at most once
    attempts: Sequence[tuple[Attempt, Delivery]] = ()  # each attempt with the delivery that it alone would make
    unreadable: Sequence[Unreadable] = ()
    gaps: Sequence[Gap] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """Which deliveries; all conditions hold together. What is None is not asked."""

    subscription_id: str | None = None
    lead_id: str | None = None
    state: State | None = None
    verdict: str | None = None  # of the newest attempt
    reason: str | None = None
    status: int | None = None  # of the newest attempt: 503; or 5 for all of 500 to 599
    event_type: str | None = None
    trigger: str | None = None
    since_ms: int | None = None  # the first attempt was then or later
    until_ms: int | None = None  # and before


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Part of a listing, newest first."""

    deliveries: tuple[Delivery, ...]
    cursor: str | None  # asks for what follows; None: this is the end
    searched_to_ms: int | None = None  # the search was cut short here to bound its cost: the cursor goes on


@dataclass(frozen=True, slots=True)
class Refused:
    """The question cannot be answered as it was put."""

    problem: Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Detail:
    """A delivery, and every record of it, oldest first, as the log has them."""

    delivery: Delivery
    attempts: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """What was done in a span of time; test sends do not count."""

    since_ms: int
    verdicts: Mapping[str, int]  # by VERDICTS
    buckets: tuple[int, ...]  # attempts made, by `elapsed_ms`: BUCKETS_MS and one beyond

    @property
    def made(self) -> int:
        """Attempts that were made; a deferral is none."""
        return sum(self.buckets)

    @property
    def success(self) -> float | None:
        """The share of attempts made that delivered; None when there were none."""
        return self.verdicts["delivered"] / self.made if self.made else None

    def percentile_ms(self, share: float) -> float | None:
        """What so large a share of attempts took at most, by the buckets; None when there were none."""
        rank, below = share * self.made, 0
        for count, low, high in zip(self.buckets, (0, *BUCKETS_MS), (*BUCKETS_MS, BUCKETS_MS[-1]), strict=True):
            if count and below + count >= rank:
                return low + (high - low) * max(0.0, rank - below) / count
            below += count
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """Figures of a time range, and what stands now."""

    total: Counts
    series: tuple[Counts, ...]  # by minute or hour; spans without attempts are left out
    standing: Mapping[State, int]  # deliveries, now
    unreadable: int  # records; 0 for whoever may see one account only


@dataclass(frozen=True, slots=True, kw_only=True)
class Age:
    """How far behind the log the store is."""

    as_of_ms: int | None  # everything written before is in the store; None: nothing was read yet
    gaps: tuple[Gap, ...]  # what the log lost


def place(incarnation: int, partition: int, offset: int) -> int:
    """
    Where a record of the results topic stands, in 63 bits: 8, 13 and 42 of them; in one partition it rises.

    >>> place(0, 3, 1042)
    13194139534354

    Raises:
        HistoryProblem: They do not fit: 256 topics, or 8,192 partitions, or 14 years at 10,000 records a second.
    """
    if not (incarnation < 1 << 8 and partition < 1 << 13 and 0 <= offset < 1 << 42):
        raise HistoryProblem(
            f"incarnation {incarnation}, partition {partition}, offset {offset} is more than the history can tell "
            "apart: drop its database, and it is read from the results topic again"
        )
    return incarnation << 55 | partition << 42 | offset


def partition_of(id_: int) -> int:
    """
    The partition in which a record stands.

    >>> partition_of(place(0, 3, 1042))
    3
    """
    return id_ >> 42 & (1 << 13) - 1
