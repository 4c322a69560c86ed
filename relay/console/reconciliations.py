"""How far a reconciliation is, and what came of it. Pure."""

from dataclasses import dataclass
from typing import Any

from relay.completeness.values import Report
from relay.pipeline.results import rfc3339


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciliation:
    """One of them. Times are epoch milliseconds."""

    since_ms: int
    until_ms: int | None  # None: up to when it was started
    by: str
    started_ms: int
    read: int = 0  # records so far
    due: int = 0  # records that are to be read, as far as that is known
    ended_ms: int | None = None  # None: it is under way
    report: Report | None = None
    problem: str | None = None  # why there is no report


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciliations:
    """What there is of them."""

    running: Reconciliation | None = None
    last: Reconciliation | None = None  # that came to a report
    failed: Reconciliation | None = None  # that came to none, where it was the newest


def shown(there: Reconciliations) -> dict[str, Any]:
    """How far the one that is under way is, and what came of the last."""
    all_of_them = {"running": there.running, "last": there.last, "failed": there.failed}
    return {name: None if one is None else _reconciliation(one) for name, one in all_of_them.items()}


def _reconciliation(one: Reconciliation) -> dict[str, Any]:
    return {
        "since": rfc3339(one.since_ms),
        "until": _time(one.until_ms),
        "by": one.by,
        "started_at": rfc3339(one.started_ms),
        "ended_at": _time(one.ended_ms),
        "read": one.read,
        "due": one.due,
        "report": one.report and one.report.shown(),
        "problem": one.problem,
    }


def _time(ms: int | None) -> str | None:
    return None if ms is None else rfc3339(ms)
