import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.pipeline.start import start_offset

offsets = st.integers(0, 2**63 - 1)


@pytest.mark.parametrize(
    ("committed", "expected"),
    [
        (None, 10),  # a new partition of a known group
        (0, 10),  # retention passed it, long ago
        (9, 10),  # and by one
        (10, 10),
        (15, 15),
        (20, 20),  # everything was read
        (21, 10),  # the log was cut, or made anew, by one
        (500, 10),
    ],
)
def test_a_partition_that_holds_10_to_19(committed: int | None, expected: int) -> None:
    """Reading begins where the group stood if the log still has that place, else at what is left of it."""
    assert expected == start_offset(committed, begin=10, end=20)


@given(st.none() | offsets, st.tuples(offsets, offsets).map(sorted))
def test_wherever_reading_begins(committed: int | None, log: list[int]) -> None:
    """The log holds that place, and no record that is there and was not committed is passed over."""
    begin, end = log

    start = start_offset(committed, begin=begin, end=end)

    assert begin <= start <= end
    assert start in {begin, committed}


@given(st.tuples(offsets, offsets, offsets).map(sorted))
def test_a_committed_place_that_the_log_holds(places: list[int]) -> None:
    """It is taken as it is: nothing settled is sent again."""
    begin, committed, end = places

    assert committed == start_offset(committed, begin=begin, end=end)


@given(st.none() | offsets, offsets)
def test_a_log_without_records(committed: int | None, end: int) -> None:
    """It is read from its end, which is its beginning."""
    assert end == start_offset(committed, begin=end, end=end)
