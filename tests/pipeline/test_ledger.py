from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from relay.pipeline.ledger import Commit, Ledger


def a_ledger(*taken: int, begin: int = 0) -> Ledger:
    ledger = Ledger("leads.events", 3, generation=7)
    ledger.begin(begin)
    ledger.take(taken)
    return ledger


class Assignment(RuleBasedStateMachine):
    """
    One partition through one assignment, beside a model that knows of every offset what has become of it.

    Whatever is done to the ledger is what a worker may do, in any order; the log has gaps.
    """

    def __init__(self) -> None:
        super().__init__()
        self.ledger = Ledger("leads.events", 0, generation=1)
        self.log: list[int] = []  # the offsets that hold a record
        self.position = 0
        self.taken: set[int] = set()  # and not settled
        self.started: set[int] = set()  # and neither settled nor abandoned
        self.committed = 0

    @initialize(begin=st.integers(0, 5), gaps=st.lists(st.integers(1, 4), max_size=40))
    def load(self, begin: int, gaps: list[int]) -> None:
        at = begin
        for gap in gaps:
            self.log.append(at)
            at += gap
        self.ledger.begin(begin)
        self.position = self.committed = begin

    @rule(count=st.integers(0, 6))
    def take(self, count: int) -> None:
        batch = [offset for offset in self.log if offset >= self.position][:count]
        self.ledger.take(batch)
        self.taken.update(batch)
        self.position = max([self.position, *(offset + 1 for offset in batch)])

    @rule(data=st.data())
    def read_over_a_gap(self, data: st.DataObject) -> None:
        unread = min((offset for offset in self.log if offset >= self.position), default=self.position + 5)
        to = data.draw(st.integers(0, unread))
        self.ledger.advance(to)
        self.position = max(self.position, to)

    @precondition(lambda self: self.taken - self.started)
    @rule(data=st.data())
    def start(self, data: st.DataObject) -> None:
        offset = data.draw(st.sampled_from(sorted(self.taken - self.started)))
        self.ledger.start(offset)
        self.started.add(offset)

    @precondition(lambda self: self.started)
    @rule(data=st.data(), times=st.integers(1, 2))
    def settle(self, data: st.DataObject, times: int) -> None:
        offset = data.draw(st.sampled_from(sorted(self.started)))
        for _ in range(times):
            self.ledger.settle(offset)
        self.started.discard(offset)
        self.taken.discard(offset)

    @precondition(lambda self: self.started)
    @rule(data=st.data())
    def abandon(self, data: st.DataObject) -> None:
        offset = data.draw(st.sampled_from(sorted(self.started)))
        self.ledger.abandon(offset)
        self.started.discard(offset)

    @precondition(lambda self: self.taken and max(self.taken) not in self.started)
    @rule(data=st.data())
    def put_back(self, data: st.DataObject) -> None:
        free = [offset for offset in self.taken if offset > max(self.started, default=-1)]
        offset = data.draw(st.sampled_from(sorted(free)))
        self.ledger.put_back(offset)
        self.taken = {held for held in self.taken if held < offset}
        self.position = offset

    @invariant()
    def nothing_unsettled_is_committed(self) -> None:
        commit = self.ledger.snapshot()

        assert commit is not None
        unread = {offset for offset in self.log if offset >= self.position}
        assert not [offset for offset in self.taken | unread if offset < commit.offset]

    @invariant()
    def everything_settled_is_committed(self) -> None:
        commit = self.ledger.snapshot()

        assert commit == Commit(min(self.taken, default=self.position))

    @invariant()
    def commits_only_rise(self) -> None:
        commit = self.ledger.snapshot()

        assert commit is not None
        assert commit.offset >= self.committed
        self.committed = commit.offset

    @invariant()
    def it_counts_what_is_open_and_what_a_drain_waits_for(self) -> None:
        assert (len(self.taken), len(self.started)) == (self.ledger.open, self.ledger.in_flight)

    def teardown(self) -> None:
        """However far it came: once retired, nothing of it is committed, and what comes late changes nothing."""
        self.ledger.retire()
        assert self.ledger.in_flight == 0
        for offset in self.log:
            self.ledger.start(offset)
            self.ledger.settle(offset)
            self.ledger.abandon(offset)

        assert self.ledger.snapshot() is None
        assert (self.ledger.open, self.ledger.in_flight) == (0, 0)


def test_whatever_order_records_settle_in() -> None:
    """What is committed is the lowest offset that is not settled, or the position; and it only rises."""
    run_state_machine_as_test(Assignment)


def test_while_loading() -> None:
    """Nothing is committable: where the partition stands is not known yet."""
    ledger = Ledger("leads.events", 0, generation=1)

    assert ledger.snapshot() is None
    assert not ledger.ready


def test_a_record_that_settles_before_those_below_it() -> None:
    """It is committed once they are settled too."""
    ledger = a_ledger(10, 11, 12, begin=10)
    ledger.settle(12)
    ledger.settle(11)

    assert Commit(10) == ledger.snapshot()

    ledger.settle(10)

    assert Commit(13) == ledger.snapshot()


def test_offsets_that_hold_no_record() -> None:
    """Compaction leaves gaps: nothing waits for what is not there."""
    ledger = a_ledger(4, 90, 3_000)
    ledger.settle(4)

    assert Commit(90) == ledger.snapshot()


def test_markers_at_the_end_of_the_log() -> None:
    """When nothing is open the consumer's position is committed, so that they do not count as lag."""
    ledger = a_ledger(0, 1)
    ledger.settle(0)
    ledger.settle(1)
    ledger.advance(9)

    assert Commit(9) == ledger.snapshot()


def test_a_position_beyond_what_is_open() -> None:
    """It commits nothing that is not settled, and a lower one moves nothing back."""
    ledger = a_ledger(0, 1)
    ledger.settle(0)
    ledger.advance(9)
    ledger.advance(5)

    assert Commit(1) == ledger.snapshot()

    ledger.settle(1)

    assert Commit(9) == ledger.snapshot()


def test_an_abandoned_record() -> None:
    """A drain does not wait for it, and nothing at or above it is committed."""
    ledger = a_ledger(0, 1, 2)
    for offset in (0, 1, 2):
        ledger.start(offset)
    ledger.settle(0)
    ledger.settle(2)
    ledger.abandon(1)

    assert ledger.in_flight == 0
    assert Commit(1) == ledger.snapshot()


def test_records_that_are_put_back() -> None:
    """They are no longer held, are not committed, and may be taken again."""
    ledger = a_ledger(0, 1, 2, 3)
    ledger.start(0)
    ledger.settle(0)
    ledger.put_back(2)

    assert ledger.open == 1
    ledger.settle(1)
    assert Commit(2) == ledger.snapshot()

    ledger.take([2, 3])

    assert ledger.open == 2


def test_what_settles_after_the_assignment_is_over() -> None:
    """It lands in a retired ledger and moves nothing."""
    ledger = a_ledger(0)
    ledger.start(0)
    ledger.retire()
    ledger.settle(0)

    assert ledger.snapshot() is None
    assert not ledger.ready
    assert ledger.stopping


def test_a_ledger_that_drains() -> None:
    """Nothing new is started, and what settles meanwhile is still committed."""
    ledger = a_ledger(0)
    ledger.start(0)
    ledger.draining = True
    ledger.settle(0)

    assert ledger.stopping
    assert Commit(1) == ledger.snapshot()
