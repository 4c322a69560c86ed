"""
Attempts -> deliveries, counts by minute and hour, counts of what stands. Pure.

The same whatever the order in which partitions are read: the first of two is the one at the smaller place, the newest
the one that began later, counts are sums. The attempts of a delivery are in one partition, until somebody adds
partitions; then a delivery may be known by a later place than its first one, and moves there when that is read.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

from relay.store.history.values import ALL, BUCKETS_MS, HOUR_MS, MINUTE_MS, VERDICTS, Attempt, Delivery, State

K = TypeVar("K")

STATES = len(State)
TEST = "test"  # somebody tries an endpoint out: no figure of how well it does
_VERDICT = {name: at for at, name in enumerate(VERDICTS)}
_OTHER = _VERDICT["other"]
_WIDTH = len(VERDICTS) + len(BUCKETS_MS) + 1
_NEWEST = Delivery._fields.index("newest_ms")


class Span(NamedTuple):
    """A line of counts."""

    step_ms: int  # a minute or an hour
    subscription_id: str
    account_id: str
    since_ms: int


class Holder(NamedTuple):
    """Whose deliveries are counted as they stand."""

    subscription_id: str
    account_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Folded:
    """What a batch changes."""

    attempts: Sequence[Attempt]  # to be added
    deliveries: Sequence[Delivery]  # as they are now
    moved: Sequence[tuple[int, int]]  # ids of deliveries: known so far by, from now on
    counts: Mapping[Span, Sequence[int]]  # to be added: VERDICTS, then buckets
    standing: Mapping[Holder, Sequence[int]]  # to be added: State, then bytes


def fold(
    read: Iterable[tuple[Attempt, Delivery]], *, there: Iterable[Delivery], known: Iterable[tuple[int, str]]
) -> Folded:
    """
    A batch, added to what there is.

    Args:
        read: Each attempt with the delivery that it alone would make.
        there: Deliveries of these that the store has.
        known: Of each attempt that the store has of those, the delivery's id and its own: a record may come twice.
    """
    before = {one.delivery_id: one for one in there}
    now = dict(before)
    attempts: list[tuple[Attempt, str]] = []
    names = {one.id: one.delivery_id for one in before.values()}
    seen = {(names[id_], attempt_id) for id_, attempt_id in known}
    minutes: dict[Span, list[int]] = {}
    for attempt, alone in read:
        if (alone.delivery_id, attempt.attempt_id) in seen:
            continue
        seen.add((alone.delivery_id, attempt.attempt_id))
        attempts.append((attempt, alone.delivery_id))
        old = now.get(alone.delivery_id)
        now[alone.delivery_id] = alone if old is None else merged(old, alone)
        if alone.trigger != TEST:
            _count(minutes, alone)
    changed = [one for ident, one in now.items() if before.get(ident) is not one]
    return Folded(
        attempts=[attempt._replace(delivery=now[ident].id) for attempt, ident in attempts],
        deliveries=changed,
        moved=[(before[one.delivery_id].id, one.id) for one in changed if _moves(before.get(one.delivery_id), one)],
        counts=_levels(minutes),
        standing=standing((before.get(one.delivery_id), one) for one in changed),
    )


def merged(one: Delivery, other: Delivery) -> Delivery:
    """A delivery of all the attempts that both were made of, in whatever order they are given."""
    first = one if one.id < other.id else other
    newest = one if _newness(one, other) > _newness(other, one) else other
    delivered = [at for at in (one.delivered_ms, other.delivered_ms) if at is not None]
    both: tuple[Any, ...] = (*first[:_NEWEST], *newest[_NEWEST:])
    return Delivery(*both)._replace(
        created_ms=min(one.created_ms, other.created_ms),
        records=one.records + other.records,
        bytes=one.bytes + other.bytes,
        delivered_ms=min(delivered, default=None),
    )


def _newness(one: Delivery, other: Delivery) -> tuple[int, ...]:
    """
    Within a run the turn tells which is newer: each turn may be another worker's, whose clock is another. Beside
    another run it is time that tells; a copy that was superseded is older than anything.
    """
    turns = one.run_id == other.run_id and one.newest_ms and other.newest_ms
    return (one.attempt + one.deferrals if turns else 0, one.newest_ms, one.newest_id)


def standing(changes: Iterable[tuple[Delivery | None, Delivery | None]]) -> dict[Holder, list[int]]:
    """How the counts of what stands change when each of these was, and now is; None: it was, or is, not there."""
    sums: dict[Holder, list[int]] = {}
    for before, now in changes:
        for one, sign in ((before, -1), (now, 1)):
            if one is not None:
                line = sums.setdefault(Holder(one.subscription_id, one.account_id), [0] * (STATES + 1))
                line[one.state] += sign
                line[STATES] += sign * one.bytes
    return _summed((level, line) for holder, line in sums.items() for level in _above(holder))


def _moves(before: Delivery | None, now: Delivery) -> bool:
    return before is not None and before.id != now.id


def _count(minutes: dict[Span, list[int]], alone: Delivery) -> None:
    since_ms = alone.created_ms - alone.created_ms % MINUTE_MS
    span = Span(MINUTE_MS, alone.subscription_id, alone.account_id, since_ms)
    line = minutes.get(span)
    if line is None:
        line = minutes[span] = [0] * _WIDTH
    line[_VERDICT.get(alone.verdict, _OTHER)] += 1
    if alone.elapsed_ms is not None:
        line[len(VERDICTS) + bisect_left(BUCKETS_MS, alone.elapsed_ms)] += 1


def _levels(minutes: Mapping[Span, Sequence[int]]) -> dict[Span, list[int]]:
    """By minute and hour, of each subscription, of each account, of all."""
    hours = _summed(
        (span._replace(step_ms=HOUR_MS, since_ms=span.since_ms - span.since_ms % HOUR_MS), line)
        for span, line in minutes.items()
    )
    return _summed(
        (Span(span.step_ms, holder.subscription_id, holder.account_id, span.since_ms), line)
        for spans in (minutes, hours)
        for span, line in spans.items()
        for holder in _above(Holder(span.subscription_id, span.account_id))
    )


def _above(holder: Holder) -> Iterator[Holder]:
    """A subscription of one account, its account's whole, and everything; the last two are asked for on every page."""
    yield holder
    yield Holder(ALL, holder.account_id)
    yield Holder(ALL, ALL)


def _summed(lines: Iterable[tuple[K, Sequence[int]]]) -> dict[K, list[int]]:
    sums: dict[K, list[int]] = {}
    for key, line in lines:
        there = sums.get(key)
        sums[key] = list(line) if there is None else [a + b for a, b in zip(there, line, strict=True)]
    return sums
