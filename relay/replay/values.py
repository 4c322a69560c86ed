"""
Runs, what is asked of them, and what is told. Pure.

A place is a topic and a partition; positions are the next offset of each. Times are RFC 3339 UTC in what is stored, and
milliseconds since the epoch (`_ms`) in what is asked.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from relay.model import State, Subscription

Place = tuple[str, int]
Positions = Mapping[Place, int]

# Of one call, answered one by one while somebody waits: as many as a replay has in front of a test send.
MOST_AT_ONCE = 200


class Kind(StrEnum):
    """What a run sends again."""

    REDELIVERY = "redelivery"
    REPLAY = "replay"
    REQUEUE = "requeue"


class RunState(StrEnum):
    """How a run stands; all but the first are for good."""

    RUNNING = "running"
    DONE = "done"
    CANCELLED = "cancelled"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """Offsets that were asked for and that the log holds no more."""

    topic: str
    partition: int
    first: int | None  # None: how far back the time that was asked reaches, nobody can tell any more
    end: int  # the log's first


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """Something sent again, and how far it is."""

    id: str  # run_…; on each of its deliveries and their results
    kind: Kind
    subscription_id: str
    account_id: str  # the subscription's: who may see it
    incarnation: str  # the subscription's `created_at`: one made anew gets nothing of it
    by: str
    created_at: str
    updated_at: str
    state: RunState = RunState.RUNNING
    why: str | None = None  # it failed, was cancelled by somebody, or waits
    since_ms: int | None = None  # as asked
    from_offsets: Positions | None = None  # as asked
    undelivered: bool = False  # only what was not delivered yet
    starts: Positions = field(default_factory=dict)
    positions: Positions = field(default_factory=dict)
    until: Positions = field(default_factory=dict)  # the ends when it was started: what comes later is live traffic's
    lost: tuple[Lost, ...] = ()
    read: int = 0  # records
    matched: int = 0  # of them, events that its subscription wants
    skipped: int = 0  # of those: delivered already
    sent: int = 0  # and what remains
    worker: str | None = None  # who carries it on; None: whoever comes first

    @property
    def is_over(self) -> bool:
        """Nothing more is sent."""
        return self.state is not RunState.RUNNING

    @property
    def total(self) -> int:
        """Offsets from its starts to its ends, in all partitions."""
        return sum(max(0, end - self.starts.get(place, end)) for place, end in self.until.items())

    @property
    def done(self) -> int:
        """Of those, how many are behind it."""
        return sum(max(0, at - self.starts.get(place, at)) for place, at in self.positions.items())


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What to replay: from a time, or from offsets of some partitions."""

    since_ms: int | None = None
    from_offsets: Positions | None = None
    undelivered: bool = False  # only what was not delivered yet, by the history


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What a replay would be, said before it is one."""

    events: int  # offsets that it would read
    matched: int
    to_send: int
    lost: tuple[Lost, ...]
    exact: bool  # False: there are too many to count while somebody waits, and these are estimates from the first
    note: str | None = None  # what else whoever starts it should know


def forecast(subscription: Subscription) -> str | None:
    """What becomes of a delivery to it besides being sent, for people; None: nothing else."""
    if subscription.state is State.PAUSED:
        return (
            f"{subscription.id} is paused: single deliveries are put off, for up to RELAY_MAX_AGE, and a replay waits, "
            "until it is resumed"
        )
    if subscription.state is State.DISABLED:
        return f"{subscription.id} is disabled: what is sent to it would be dropped; resume it first"
    return None
