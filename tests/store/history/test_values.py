"""Counts tell rates and percentiles; a place in the log is one number."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.store.history.values import BUCKETS_MS, VERDICTS, Counts, HistoryProblem, partition_of, place


def counted(delivered: int = 0, retry: int = 0, **buckets: int) -> Counts:
    verdicts = dict.fromkeys(VERDICTS, 0) | {"delivered": delivered, "retry": retry}
    bounds = [f"ms_{one}" for one in (*BUCKETS_MS, "more")]
    return Counts(since_ms=0, verdicts=verdicts, buckets=tuple(buckets.get(one, 0) for one in bounds))


def test_the_rate_of_success_is_of_attempts_that_were_made() -> None:
    """Deferrals are none."""
    assert 0.75 == counted(delivered=3, retry=1, ms_50=4).success


def test_nothing_has_no_rate_and_no_percentile() -> None:
    """Not zero."""
    assert counted().success is None
    assert counted().percentile_ms(0.5) is None


def test_a_percentile_lies_within_its_bucket_by_share() -> None:
    """A hundred between 25 and 50 ms: the median is taken for the middle."""
    assert 37.5 == counted(ms_50=100).percentile_ms(0.5)
    assert 25 + 25 * 0.95 == counted(ms_50=100).percentile_ms(0.95)


def test_beyond_the_last_bucket_nothing_is_known_but_that() -> None:
    """So the last bound is told."""
    assert BUCKETS_MS[-1] == counted(ms_more=5).percentile_ms(0.5)


@given(
    values=st.lists(st.integers(1, BUCKETS_MS[-1]), min_size=1, max_size=50),
    share=st.floats(0.01, 1),
)
def test_a_percentile_is_in_the_bucket_of_the_true_one(values: list[int], share: float) -> None:
    """However they are spread."""
    buckets = [0] * (len(BUCKETS_MS) + 1)
    for value in values:
        buckets[next(at for at, bound in enumerate(BUCKETS_MS) if value <= bound)] += 1
    counts = Counts(since_ms=0, verdicts=dict.fromkeys(VERDICTS, 0), buckets=tuple(buckets))
    true = sorted(values)[max(0, -(-round(share * len(values) * 1e9) // 10**9) - 1)]
    low, high = next((low, high) for low, high in zip((0, *BUCKETS_MS), BUCKETS_MS, strict=False) if true <= high)

    told = counts.percentile_ms(share)

    assert told is not None
    assert low <= told <= high


@given(
    places=st.lists(
        st.tuples(st.integers(0, 255), st.integers(0, 8191), st.integers(0, 2**42 - 1)), min_size=2, max_size=2
    )
)
def test_places_are_ordered_as_the_log_is(places: list[tuple[int, int, int]]) -> None:
    """Of one partition by offset, the topic made anew behind; and in 63 bits."""
    one, other = places

    assert (one < other) == (place(*one) < place(*other))
    assert place(*one) < 2**63
    assert one[1] == partition_of(place(*one))


@pytest.mark.parametrize("beyond", [(256, 0, 0), (0, 8192, 0), (0, 0, 2**42)])
def test_a_place_beyond_all_that_is_told(beyond: tuple[int, int, int]) -> None:
    """With what to do."""
    with pytest.raises(HistoryProblem, match="drop its database"):
        place(*beyond)
