"""What charts draw."""

from hypothesis import given
from hypothesis import strategies as st

from relay.console.pages import charts
from relay.store.history.values import BUCKETS_MS, HOUR_MS, MINUTE_MS, VERDICTS, Counts, step_of

NOON_MS = 1_559_908_800_000


def some(at_ms: int, delivered: int = 0, failed: int = 0) -> Counts:
    buckets = (delivered + failed, *(0 for _ in BUCKETS_MS))
    return Counts(
        since_ms=at_ms, verdicts=dict.fromkeys(VERDICTS, 0) | {"delivered": delivered, "retry": failed}, buckets=buckets
    )


def test_a_span_without_attempts_has_its_place() -> None:
    """A gap in the traffic is seen as one."""
    series = [some(NOON_MS, delivered=3), some(NOON_MS + 2 * MINUTE_MS, failed=1)]

    spans = charts.spans(series, since_ms=NOON_MS + 5, until_ms=NOON_MS + 3 * MINUTE_MS, step_ms=MINUTE_MS)

    assert [(0, 3, 0), (1, 0, 0), (2, 0, 1)] == [
        ((one.since_ms - NOON_MS) // MINUTE_MS, one.delivered, one.failed) for one in spans
    ]


def test_an_hour_is_told_by_the_minute_and_a_week_by_the_hour() -> None:
    """As the history counts them."""
    assert [MINUTE_MS, HOUR_MS, HOUR_MS] == [step_of(one) for one in charts.RANGES_MS.values()]


@given(st.lists(st.tuples(st.integers(0, 10_000_000), st.integers(0, 10_000_000)), min_size=24, max_size=24))
def test_no_bar_leaves_the_picture_and_no_failure_is_too_small_to_see(counts: list[tuple[int, int]]) -> None:
    """However different the hours are."""
    hour = NOON_MS - NOON_MS % HOUR_MS
    series = [some(hour - at * HOUR_MS, *one) for at, one in enumerate(counts)]

    bars = charts.bars(series, now_ms=hour + 1)

    assert len(bars) == charts.SPARK_HOURS
    for bar, (_, failed) in zip(bars, reversed(counts), strict=True):
        assert 0 <= bar.bad_y <= bar.good_y <= charts.HEIGHT
        assert bar.good + bar.bad <= charts.HEIGHT + 0.01
        assert (bar.bad >= 1) == bool(failed)
