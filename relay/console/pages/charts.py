"""Counts -> what charts draw: every span of the range in its place, also those in which nothing was done. Pure."""

from collections.abc import Sequence
from typing import NamedTuple

from relay.store.history.values import HOUR_MS, Counts

RANGES_MS = {"1h": HOUR_MS, "24h": 24 * HOUR_MS, "7d": 168 * HOUR_MS}  # what people may ask for
SPARK_HOURS = 24
BAR, GAP, HEIGHT = 4, 1, 28  # of a sparkline: 24 bars in 120 by 28


class Span(NamedTuple):
    """What was done in a minute or an hour."""

    since_ms: int
    delivered: int
    failed: int  # tried again, or given up
    deferred: int  # put off, or dropped
    p95_ms: float | None


class Bar(NamedTuple):
    """A bar of a sparkline, in its own units: what was delivered stands on the base, what failed upon it."""

    x: int
    good_y: float
    good: float
    bad_y: float
    bad: float


def spans(series: Sequence[Counts], *, since_ms: int, until_ms: int, step_ms: int) -> list[Span]:
    """
    One for each step of the range, oldest first.

    Args:
        series: What is known; a span without attempts may be missing.
        since_ms: The range's begin: the step that holds it counts whole.
        until_ms: Its end.
        step_ms: A minute or an hour.
    """
    known = {one.since_ms: one for one in series}
    first = since_ms - since_ms % step_ms
    return [_span(at_ms, known.get(at_ms)) for at_ms in range(first, until_ms, step_ms)]


def bars(series: Sequence[Counts], *, now_ms: int) -> list[Bar]:
    """The last 24 hours, the present one among them; as high as the highest."""
    last = now_ms - now_ms % HOUR_MS + HOUR_MS
    there = spans(series, since_ms=last - SPARK_HOURS * HOUR_MS, until_ms=last, step_ms=HOUR_MS)
    most = max(one.delivered + one.failed for one in there)
    return [_bar(number * (BAR + GAP), one, most) for number, one in enumerate(there)]


def _span(at_ms: int, one: Counts | None) -> Span:
    if one is None:
        return Span(at_ms, 0, 0, 0, None)
    verdicts = one.verdicts
    return Span(
        since_ms=at_ms,
        delivered=verdicts["delivered"],
        failed=verdicts["retry"] + verdicts["gave_up"],
        deferred=verdicts["deferred"] + verdicts["dropped"],
        p95_ms=one.percentile_ms(0.95),
    )


def _bar(x: int, one: Span, most: int) -> Bar:
    def height(number: int) -> float:
        """At least a unit: one failure among thousands is seen."""
        return max(1.0, round((HEIGHT - 2) * number / most, 1)) if number else 0.0

    bad = height(one.failed)
    good = min(height(one.delivered), HEIGHT - bad)
    return Bar(x, round(HEIGHT - good, 1), good, round(HEIGHT - good - bad, 1), bad)
