"""How much of a partition is not settled, by what its group has committed."""

from hypothesis import given
from hypothesis import strategies as st

from relay.pipeline.settled import Print, Settled, encode
from relay.replay.backlog import standing

PRINT = Print(1, 2, 3)


def test_what_is_settled_above_the_committed_offset_does_not_count() -> None:
    """One slow receiver at the head of a partition makes nothing behind it look undelivered."""
    settled = Settled(base=10, top=109, print=PRINT, open=(10, 50), walked={})

    assert 2 == standing(10, encode(settled, b"12345678"), first=0, end=110).count
    assert 2 + 5 == standing(10, encode(settled, b"12345678"), first=0, end=115).count


@given(st.integers(-1, 40), st.integers(0, 20), st.integers(0, 30), st.text(max_size=20))
def test_without_a_map_all_from_the_committed_offset_counts(offset: int, first: int, more: int, map_: str) -> None:
    """From the log's beginning, where nothing was committed or retention was faster."""
    end = first + more

    assert len([at for at in range(first, end) if at >= offset]) == standing(offset, map_, first=first, end=end).count


def test_a_map_of_another_log_does_not_count() -> None:
    """One that reaches beyond the end, or lies before the beginning."""
    settled = encode(Settled(base=10, top=109, print=PRINT, open=(10,), walked={}), b"12345678")

    assert 40 == standing(10, settled, first=0, end=50).count
    assert 20 == standing(10, settled, first=30, end=50).count


@given(st.integers(0, 20), st.sets(st.integers(10, 30)), st.integers(0, 20))
def test_what_counts_is_what_is_held(first: int, open_: set[int], more: int) -> None:
    """And what was written since it was looked at is held too."""
    settled = Settled(base=10, top=30, print=PRINT, open=tuple(sorted(open_ | {10})), walked={})

    now = standing(10, encode(settled, b"12345678"), first=first, end=31 + more)

    assert now.count == sum(now.holds(at) for at in range(first, now.end))
    assert now.holds(now.end + 5)
