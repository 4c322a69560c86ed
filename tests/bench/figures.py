"""What the runs of an isolation case say together: ratios to all healthy, bounds, a line of the table. No I/O."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median

from tests.bench.cases import MEMORY, Case

MARGIN_MS = 20.0  # more than that a p99 may not grow by noise alone; issue: "at most that ratio, or 20 ms more"
NAME = 18  # characters; the widest case has 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One run, as the subscribers that are judged had it."""

    per_s: float  # deliveries, over the backlog
    p50_ms: float  # from append to request, paced; infinite where the event never came
    p99_ms: float
    peak_mb: float  # the worker's
    deferred: int
    late: int  # events that had not come when the run was over


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two runs, one after the other."""

    healthy: Seen
    bad: Seen


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """A figure against its bound; without one it is only told."""

    says: str
    holds: bool | None = None

    def __str__(self) -> str:
        return self.says + {True: " ok", False: " MISSED", None: ""}[self.holds]


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest that so large a share of the values does not exceed; infinite when there are none."""
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)] if values else math.inf


def per_s(arrivals_ns: Sequence[int], *, began_ns: int, limit_s: float, expected: int) -> float:
    """
    Deliveries a second.

    Args:
        arrivals_ns: Of those that are judged.
        began_ns: The first request of all.
        limit_s: What a backlog took of which not everything came.
        expected: How many should have come.
    """
    if len(arrivals_ns) < expected:
        return len(arrivals_ns) / limit_s
    return expected * 1e9 / (max(arrivals_ns) - began_ns)


def checks(case: Case, pairs: Sequence[Pair]) -> Iterator[Check]:
    """Everything that is bounded, in the table's order: of each the median of its ratios, pair by pair."""
    many = median(pair.bad.per_s / pair.healthy.per_s for pair in pairs)
    yield Check(
        says=f"{many:.2f} >= {case.throughput}" if case.throughput else "not compared",
        holds=many >= case.throughput if case.throughput else None,
    )
    slow = median(pair.bad.p99_ms / pair.healthy.p99_ms for pair in pairs)
    more_ms = median(pair.bad.p99_ms - pair.healthy.p99_ms for pair in pairs)
    yield Check(
        says=f"{slow:.2f}" + (f" <= {case.p99}" if case.p99 else ""),
        holds=slow <= case.p99 or more_ms <= MARGIN_MS if case.p99 else None,
    )
    memory = median(pair.bad.peak_mb / pair.healthy.peak_mb for pair in pairs)
    yield Check(says=f"{memory:.2f} <= {MEMORY}", holds=memory <= MEMORY)
    deferred = sum(pair.bad.deferred + pair.healthy.deferred for pair in pairs)
    late = sum(pair.bad.late + pair.healthy.late for pair in pairs)
    yield Check(says=f"{deferred:,} = 0", holds=deferred == 0 and late == 0)  # what never came may be deferred yet


def head() -> str:
    """All healthy's median comes first, then the bad one's, then the median of the ratios and its bound."""
    return f"{'medians':{NAME}}{'deliveries/s':38}{'p50, ms':16}{'p99, ms':42}{'peak, MB':32}{'healthy ones deferred'}"


def line(case: Case, pairs: Sequence[Pair]) -> str:
    """The case, in the table."""
    many, slow, memory, deferred = (str(one) for one in checks(case, pairs))
    late = sum(pair.bad.late + pair.healthy.late for pair in pairs)
    return (
        f"{case.says:{NAME}}"
        f"{_both(pairs, 'per_s', 0) + '  ' + many:38}"
        f"{_both(pairs, 'p50_ms', 1):16}"
        f"{_both(pairs, 'p99_ms', 1) + '  ' + slow:42}"
        f"{_both(pairs, 'peak_mb', 0) + '  ' + memory:32}"
        f"{deferred}" + (f"; {late:,} had not come in time" if late else "")
    )


def told(seen: Seen) -> str:
    """One run, while they go on."""
    return (
        f"{seen.per_s:,.0f}/s, p50 {seen.p50_ms:.1f} ms, p99 {seen.p99_ms:.1f} ms, {seen.peak_mb:.0f} MB,"
        f" {seen.deferred:,} deferred" + (f", {seen.late:,} had not come in time" if seen.late else "")
    )


def _both(pairs: Sequence[Pair], name: str, digits: int) -> str:
    healthy = median(getattr(pair.healthy, name) for pair in pairs)
    bad = median(getattr(pair.bad, name) for pair in pairs)
    return f"{healthy:,.{digits}f} → {bad:,.{digits}f}"
