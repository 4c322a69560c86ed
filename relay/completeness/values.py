"""What came of a reconciliation. Pure."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

LISTED = 1_000  # of what is missing, offsets that are listed in one range; all are counted


@dataclass(frozen=True, slots=True)
class Missing:
    """Matches of one event that have no outcome."""

    offset: int
    count: int
    replayed: int = 0  # deliveries of it that only a redelivery or replay has made: they may stand in for it


@dataclass(frozen=True, slots=True)
class Extra:
    """Deliveries of one event beyond what matched when it was last read: an earlier reading had others."""

    offset: int
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """
    Offsets of one partition of an events topic, from `first` to before `end`.

    Of what is covered: delivered + pending + gave_up + dropped = matches - missed + surplus. Pending is what is to be
    tried again, or was put off.
    """

    topic: str
    partition: int
    first: int
    end: int
    events: int = 0  # records that were read, also those that matched nothing or could not be read
    matches: int = 0
    delivered: int = 0
    pending: int = 0
    gave_up: int = 0
    dropped: int = 0
    missed: int = 0  # matches without an outcome
    surplus: int = 0  # deliveries beyond the matches
    replayed: int = 0  # deliveries that only redeliveries and replays have made: not among the others
    missing: tuple[Missing, ...] = ()  # by offset, the first of them
    extra: tuple[Extra, ...] = ()  # likewise
    lost: bool = False  # retention took them before they were read
    unknown: bool = False  # they were committed, and nobody told what they matched; or results of then are gone


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Everything that was told of between two times."""

    since_ms: int
    until_ms: int
    ranges: tuple[Range, ...]
    unreadable: int = 0  # records of relay.progress or relay.results that are none of relay's

    def total(self, name: str) -> int:
        """Of one count of `Range`, in all ranges."""
        return sum(getattr(one, name) for one in self.ranges)

    @property
    def lost(self) -> int:
        """Offsets that retention took."""
        return sum(one.end - one.first for one in self.ranges if one.lost)

    @property
    def unknown(self) -> int:
        """Offsets of which nothing can be proved."""
        return sum(one.end - one.first for one in self.ranges if one.unknown)

    @property
    def ok(self) -> bool:
        """Nothing is missing and nothing was lost. What is unknown is no fault that could be shown."""
        return not any(one.missed or one.lost for one in self.ranges)

    def shown(self) -> Mapping[str, Any]:
        """As JSON has it."""
        counts = ("events", "matches", "delivered", "pending", "gave_up", "dropped", "missed", "surplus", "replayed")
        return {
            "ok": self.ok,
            "since_ms": self.since_ms,
            "until_ms": self.until_ms,
            "totals": {name: self.total(name) for name in counts} | {"lost": self.lost, "unknown": self.unknown},
            "unreadable": self.unreadable,
            "ranges": [asdict(one) for one in self.ranges],
        }
