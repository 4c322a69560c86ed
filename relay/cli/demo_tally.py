"""
What the results topic has told so far, as rows of a table. Pure: whoever reads the topic says when.

A delivery is settled by its last result: delivered, gave up or dropped. Until then the newest one says that it waits.
"""

import math
from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

WAITING = ("retry", "deferred")  # verdicts after which another attempt will be made
RATE_OVER_S = 5.0  # as long as a look at the screen
LATENCIES_KEPT = 2_000  # of late; enough for a p95, and sorted at every look


@dataclass(slots=True)
class Row:
    """One subscription."""

    name: str
    verdicts: Counter[str] = field(default_factory=Counter)  # one a result
    waiting: int = 0  # deliveries whose next attempt is not due yet, or under way


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """All subscriptions together."""

    attempts: int  # requests that were made
    settled: int  # deliveries with their last result
    waiting: int
    retries: int
    gave_up: int
    dropped: int
    rate: float  # results a second, of late
    p50_ms: float | None  # of late first attempts: event read to the receiver's answer
    p95_ms: float | None


class Tally:
    """Results in, rows and figures out."""

    def __init__(self, names: Mapping[str, str]) -> None:
        """
        Nothing was told yet.

        Args:
            names: Subscription id -> how it is shown, in the order of the rows.
        """
        self._rows = {key: Row(name) for key, name in names.items()}
        self._newest: dict[str, str] = {}  # delivery id -> its last verdict
        self._latencies: deque[int] = deque(maxlen=LATENCIES_KEPT)
        self._times: deque[float] = deque()
        self._attempts = 0

    def add(self, result: Mapping[str, Any], *, now_s: float) -> None:
        """
        One more result.

        Args:
            result: As on the results topic (DESIGN.md section 6).
            now_s: On a clock that is never set.
        """
        row = self._rows[result["subscription_id"]]
        verdict, delivery = result["verdict"], result["delivery_id"]
        before = self._newest.get(delivery)
        self._newest[delivery] = verdict
        row.verdicts[verdict] += 1
        row.waiting += (verdict in WAITING) - (before in WAITING)
        self._times.append(now_s)
        if result["elapsed_ms"] is not None:
            self._attempts += 1
            if result["attempt"] == 1:
                self._latencies.append(result["queued_ms"] + result["elapsed_ms"])

    @property
    def attempts(self) -> int:
        """Requests that were made."""
        return self._attempts

    @property
    def settled(self) -> int:
        """Deliveries with their last result."""
        return len(self._newest) - sum(row.waiting for row in self._rows.values())

    @property
    def rows(self) -> Sequence[Row]:
        return tuple(self._rows.values())

    def figures(self, now_s: float) -> Figures:
        """The sums, and the rate over the last seconds before `now_s`."""
        while self._times and self._times[0] <= now_s - RATE_OVER_S:
            self._times.popleft()
        verdicts = sum((row.verdicts for row in self.rows), Counter[str]())
        return Figures(
            attempts=self.attempts,
            settled=self.settled,
            waiting=sum(row.waiting for row in self.rows),
            retries=verdicts["retry"],
            gave_up=verdicts["gave_up"],
            dropped=verdicts["dropped"],
            rate=len(self._times) / RATE_OVER_S,
            p50_ms=quantile(self._latencies, 0.50),
            p95_ms=quantile(self._latencies, 0.95),
        )


@dataclass(slots=True, kw_only=True)
class Progress:
    """How far a demo has come: what went in, what the results told, what the receivers saw."""

    tally: Tally
    wanted: int | None  # events that were asked for; None: until interrupted
    produced: int = 0
    expected: int = 0  # deliveries that these make
    verified: int = 0  # requests whose signatures hold
    unverified: int = 0
    trouble: str | None = None  # why it had to end early

    @property
    def complete(self) -> bool:
        """Everything that was asked for has its last result."""
        return self.produced == self.wanted and self.tally.settled >= self.expected

    @property
    def faults(self) -> tuple[str, ...]:
        """What is wrong with a demo that has ended, for people; of one that was interrupted, nothing is missing."""
        missing = self.expected - self.tally.settled
        unseen = self.tally.attempts - self.verified - self.unverified
        said = (
            (self.trouble is not None, str(self.trouble)),
            (self.unverified > 0, f"{self.unverified} requests did not verify"),
            (unseen > 0, f"{unseen} results tell of a request that no receiver saw"),
            (self.wanted is not None and not self.complete, f"{missing} of {self.expected} deliveries have no outcome"),
            (self.wanted is not None and self.produced < self.wanted, f"only {self.produced} events were produced"),
        )
        return tuple(fault for holds, fault in said if holds)


def quantile(values: Iterable[int], share: float) -> float | None:
    """
    The least value that at least this share of all do not exceed; None of none.

    >>> quantile([4, 1, 3, 2], 0.5), quantile([7], 0.95), quantile([], 0.5)
    (2, 7, None)
    """
    ordered = sorted(values)
    return ordered[max(math.ceil(share * len(ordered)), 1) - 1] if ordered else None
