"""Where a partition goes on: behind what the store has, or where its log begins; another log is read from there."""

from dataclasses import replace

import pytest

from relay.store.history.resuming import mark_of, resume
from relay.store.history.values import Gap, Mark, Position
from tests.store.history.results import a_record, a_result

MARK = Mark(offset=9, timestamp=7, crc=5)
AT = Position(partition=3, next_offset=10, mark=MARK, as_of_ms=99, unreadable=2)


@pytest.mark.parametrize("begin", [0, 17])
def test_a_history_begins_where_its_log_does(begin: int) -> None:
    """What was gone before is no gap of ours."""
    new = Position(partition=3)

    assert (replace(new, next_offset=begin), None) == resume(new, begin=begin, end=20, found=None)


def test_the_same_log_goes_on_behind_its_mark() -> None:
    """Its last record that was taken is still there."""
    assert (AT, None) == resume(AT, begin=0, end=20, found=MARK)


def test_a_log_whose_records_were_all_read_and_then_removed_is_the_same() -> None:
    """An idle topic, after its retention."""
    assert (AT, None) == resume(AT, begin=10, end=10, found=None)


def test_records_that_left_before_they_were_read_are_told_by_range() -> None:
    """And it goes on at what is left."""
    assert (
        replace(AT, next_offset=15),
        Gap(partition=3, incarnation=0, first_offset=10, end_offset=15, kind="lost"),
    ) == resume(AT, begin=15, end=20, found=None)


@pytest.mark.parametrize(
    ("end", "found"),
    [
        (20, replace(MARK, crc=6)),  # as long as the old one by now, or longer
        (20, replace(MARK, timestamp=8)),
        (20, replace(MARK, offset=11)),
        (20, None),
        (4, None),  # shorter
    ],
)
def test_a_topic_that_was_made_anew_is_read_from_its_beginning(end: int, found: Mark | None) -> None:
    """Its records are told apart from those of the old one; what is known of the past stays."""
    assert (
        Position(partition=3, incarnation=1, next_offset=0, mark=None, as_of_ms=99, unreadable=2),
        Gap(partition=3, incarnation=1, first_offset=0, end_offset=0, kind="replaced"),
    ) == resume(AT, begin=0, end=end, found=found)


def test_a_mark_tells_records_apart_by_where_when_and_what() -> None:
    """Three ways for two logs to differ."""
    record = a_record(7, a_result(1))
    others = [a_record(8, a_result(1)), a_record(7, a_result(2)), replace(record, timestamp=1)]

    assert mark_of(record) == mark_of(a_record(7, a_result(1)))
    assert mark_of(record) not in [mark_of(one) for one in others]
