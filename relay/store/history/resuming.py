"""
Where a partition goes on, and what is told of it: by what the store has of it, and what the log holds now. Pure.

A topic that was deleted and made anew may be longer than the old one by the time that its reader comes back, and then
no offset is out of range. So the last record that was taken is looked up again: another log does not hold it.
"""

from dataclasses import replace
from zlib import crc32

from relay.model import Record
from relay.store.history.values import Gap, Mark, Position


def mark_of(record: Record) -> Mark:
    """What a log is known by."""
    return Mark(offset=record.offset, timestamp=record.timestamp, crc=crc32(record.value or b""))


def resume(at: Position, *, begin: int, end: int, found: Mark | None) -> tuple[Position, Gap | None]:
    """
    Where to go on.

    Args:
        at: What the store has.
        begin: The log's first offset, and
        end: the one that its next record gets.
        found: The record at the mark's offset, or the one that follows; None: the log begins behind it or ends before.
    """
    first = max(begin, 0)
    if at.mark is None and at.next_offset == 0:
        return replace(at, next_offset=first), None  # a history begins where its log does
    holds_mark = at.mark is not None and begin <= at.mark.offset
    if end < at.next_offset or (holds_mark and found != at.mark):
        incarnation = at.incarnation + 1
        told = Gap(
            partition=at.partition, incarnation=incarnation, first_offset=first, end_offset=first, kind="replaced"
        )
        return replace(at, incarnation=incarnation, next_offset=first, mark=None), told
    if begin > at.next_offset:
        told = Gap(
            partition=at.partition,
            incarnation=at.incarnation,
            first_offset=at.next_offset,
            end_offset=begin,
            kind="lost",
        )
        return replace(at, next_offset=begin), told
    return at, None
