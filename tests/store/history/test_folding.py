"""Attempts make deliveries and counts, the same ones in whatever order and batches they come."""

from collections import Counter
from collections.abc import Sequence
from itertools import permutations
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.store.history.folding import Folded, Holder, Span, fold, merged
from relay.store.history.values import HOUR_MS, MINUTE_MS, VERDICTS, Attempt, Delivery, State
from tests.store.history.results import NOON_MS, a_row

Row = tuple[Attempt, Delivery]


class Store:
    """What a database does with what is folded."""

    def __init__(self) -> None:
        self.attempts: dict[int, Attempt] = {}
        self.deliveries: dict[str, Delivery] = {}
        self.counts: Counter[tuple[Span, int]] = Counter()
        self.standing: Counter[tuple[Holder, int]] = Counter()

    def take(self, rows: Sequence[Row]) -> Folded:
        idents = {alone.delivery_id for _, alone in rows}
        there = [one for ident, one in self.deliveries.items() if ident in idents]
        ids = {one.id for one in there}
        known = [(one.delivery, one.attempt_id) for one in self.attempts.values() if one.delivery in ids]
        folded = fold(rows, there=there, known=known)
        for before, after in folded.moved:
            self.attempts = {
                id_: one._replace(delivery=after if one.delivery == before else one.delivery)
                for id_, one in self.attempts.items()
            }
        self.attempts |= {one.id: one for one in folded.attempts}
        self.deliveries |= {one.delivery_id: one for one in folded.deliveries}
        for span, line in folded.counts.items():
            self.counts.update({(span, at): count for at, count in enumerate(line) if count})
        for holder, line in folded.standing.items():
            self.standing.update({(holder, at): count for at, count in enumerate(line)})
        return folded

    def told(self) -> tuple[object, ...]:
        standing = {key: count for key, count in self.standing.items() if count}
        return self.attempts, self.deliveries, dict(self.counts), standing


def test_a_delivery_is_told_by_its_newest_attempt_and_begins_with_its_first() -> None:
    """Two failures and a success."""
    rows = [
        a_row(1, delivery=1, verdict="retry", at_ms=NOON_MS),
        a_row(2, delivery=1, verdict="retry", at_ms=NOON_MS + 5_000, attempt=2),
        a_row(3, delivery=1, at_ms=NOON_MS + 35_000, attempt=3),
    ]
    store = Store()

    store.take(rows)

    (delivery,) = store.deliveries.values()
    assert (NOON_MS, 3, State.DELIVERED, 3) == (delivery.created_ms, delivery.records, delivery.state, delivery.attempt)
    assert NOON_MS + 35_000 == delivery.delivered_ms
    assert delivery.next_attempt_ms is None
    assert {delivery.id} == {one.delivery for one in store.attempts.values()}


def test_the_last_turn_is_the_newest_whatever_the_clocks_of_its_workers_say() -> None:
    """The first attempt's worker is 6 s ahead of the second's; and the results may come in any order."""
    retry = a_row(1, delivery=1, verdict="retry", at_ms=NOON_MS + 6_000)
    deferred = a_row(2, delivery=1, verdict="deferred", at_ms=NOON_MS + 4_000, attempt=2)
    delivered = a_row(3, delivery=1, at_ms=NOON_MS + 5_000, attempt=2, deferrals=1)
    stores = [Store() for _ in range(6)]

    for store, rows in zip(stores, permutations([retry, deferred, delivered]), strict=True):
        for row in rows:
            store.take([row])

    assert {State.DELIVERED} == {one.state for store in stores for one in store.deliveries.values()}


def test_a_run_that_begins_later_is_newer_whatever_its_turn() -> None:
    store = Store()
    store.take([a_row(1, delivery=1, verdict="gave_up", attempt=10)])

    store.take([a_row(2, delivery=1, at_ms=NOON_MS + 1, trigger="redelivery", run_id="run_1")])

    assert [State.DELIVERED] == [one.state for one in store.deliveries.values()]


def test_a_copy_that_was_superseded_says_nothing_of_how_the_delivery_stands() -> None:
    """Another copy of the retry goes on."""
    store = Store()
    store.take([a_row(1, delivery=1, verdict="retry")])

    store.take([a_row(2, delivery=1, verdict="dropped", reason="superseded", at_ms=NOON_MS + 5_000)])

    (delivery,) = store.deliveries.values()
    assert (State.PENDING, "retry", 2) == (delivery.state, delivery.verdict, delivery.records)


def test_what_was_delivered_once_stays_known_as_delivered_when_a_redelivery_fails() -> None:
    """`delivered_ms` is the first success; the state is the newest word."""
    store = Store()
    store.take([a_row(1, delivery=1)])

    store.take([a_row(2, delivery=1, verdict="retry", at_ms=NOON_MS + 1, trigger="redelivery", run_id="run_1")])

    (delivery,) = store.deliveries.values()
    assert (State.PENDING, NOON_MS, "run_1") == (delivery.state, delivery.delivered_ms, delivery.run_id)


def test_a_record_that_was_produced_twice_is_one_record() -> None:
    """In one batch, or in two, at whatever place the second stands."""
    first, again = a_row(1, delivery=1, verdict="retry"), a_row(9, delivery=1, verdict="retry")
    again = (again[0]._replace(attempt_id=first[0].attempt_id), again[1])
    once, twice, later = Store(), Store(), Store()

    once.take([first])
    twice.take([first, again])
    later.take([first])
    later.take([again])

    assert once.told() == twice.told() == later.told()


def test_counts_are_by_minute_and_hour_of_subscription_account_and_all() -> None:
    """Test sends are nobody's figures."""
    store = Store()

    store.take([a_row(1), a_row(2, verdict="deferred", at_ms=NOON_MS + 60_000), a_row(3, trigger="test")])

    everything = {span: count for (span, at), count in store.counts.items() if VERDICTS[at : at + 1] == ("delivered",)}
    assert {
        Span(step, subscription, account, NOON_MS): 1
        for step in (MINUTE_MS, HOUR_MS)
        for subscription, account in (("sub_1", "acct-1"), ("", "acct-1"), ("", ""))
    } == everything
    assert 2 == sum(
        count for (span, at), count in store.counts.items() if span == Span(HOUR_MS, "", "", NOON_MS) and at < 6
    )


def test_what_stands_is_counted_once_however_often_it_changes() -> None:
    """Pending, then delivered: one delivery."""
    store = Store()

    store.take([a_row(1, delivery=1, verdict="retry")])
    store.take([a_row(2, delivery=1, at_ms=NOON_MS + 5_000)])

    holders = (Holder("sub_1", "acct-1"), Holder("", "acct-1"), Holder("", ""))
    assert {(holder, State.DELIVERED.value): 1 for holder in holders} == {
        key: count for key, count in store.standing.items() if count and key[1] < len(State)
    }


attempts_of_one = st.lists(
    st.tuples(
        st.sampled_from(["delivered", "retry", "gave_up", "deferred", "dropped", "parked"]),
        st.integers(0, 3),  # seconds: several begin at once
        st.integers(0, 2),  # partitions, as after somebody added some
    ),
    min_size=1,
    max_size=4,
)


@given(said=attempts_of_one)
def test_deliveries_merge_to_the_same_in_every_order(said: list[tuple[str, int, int]]) -> None:
    """Associative and commutative, or a database that is made anew would tell something else."""
    each = [
        a_row(number, partition=partition, delivery=1, verdict=verdict, at_ms=NOON_MS + at * 1000)[1]
        for number, (verdict, at, partition) in enumerate(said)
    ]

    folds = set()
    for order in permutations(each):
        one = order[0]
        for other in order[1:]:
            one = merged(one, other)
        folds.add(one)

    assert 1 == len(folds)


@given(seed=st.integers(0, 2**32), size=st.integers(1, 30), at_once=st.integers(1, 30))
def test_batches_of_any_size_with_partitions_in_any_order_come_to_the_same(seed: int, size: int, at_once: int) -> None:
    """Row by row, counts and standing too: what a rebuilt database is compared by."""
    random = Random(seed)
    rows = [
        a_row(
            number,
            partition=random.randrange(3),
            delivery=random.randrange(8),
            verdict=random.choice(["delivered", "retry", "gave_up", "deferred"]),
            at_ms=NOON_MS + random.randrange(10_000_000),
        )
        for number in range(size)
    ]
    shuffled = random.sample(rows, len(rows))
    whole, parts = Store(), Store()

    whole.take(rows)
    for some in _batches(shuffled, at_once):
        parts.take(some)

    assert whole.told() == parts.told()


def _batches(rows: Sequence[Row], size: int) -> Sequence[Sequence[Row]]:
    return [rows[begin : begin + size] for begin in range(0, len(rows), size)]


@pytest.mark.parametrize("order", [1, -1])
def test_a_delivery_moves_to_its_first_place_with_all_its_attempts(order: int) -> None:
    """The later place was read first: from a partition that was added since."""
    store = Store()
    early, late = a_row(1, partition=0, delivery=1, verdict="retry"), a_row(1, partition=1, delivery=1, attempt=2)
    late = (late[0]._replace(attempt_id="att_late"), late[1])

    for row in (early, late)[::order]:
        store.take([row])

    assert (
        {early[0].id}
        == {one.delivery for one in store.attempts.values()}
        == {store.deliveries[early[1].delivery_id].id}
    )
