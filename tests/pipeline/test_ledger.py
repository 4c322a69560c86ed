"""One partition's ledger and what of it comes through a crash, beside a model of the log and of what is settled."""

from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from relay.completeness.folding import Ledgers
from relay.completeness.outcomes import Outcome, Outcomes, State
from relay.pipeline.covered import NO_RECORD, Covered, Run, Told
from relay.pipeline.fan import Fan, Part
from relay.pipeline.ledger import NOTHING, SENT, Commit, Ledger
from relay.pipeline.phase import Phase
from relay.pipeline.settled import CHARACTERS, Settled, Walked, decode, print_of
from tests.builders import Fetched

BATCH = 500  # records that an intake takes at once
IDS = ("a", "b", "c", "d")
MAY_COMMIT = {Phase.OPEN, Phase.DRAINING, Phase.CLOSING}


def records(offsets: Iterable[int]) -> list[Fetched]:
    """One at each of them, no two alike."""
    return [Fetched(value=b"value of %d" % offset, offset=offset) for offset in offsets]


def a_ledger(*taken: int, begin: int = 0) -> Ledger:
    ledger = Ledger("leads.events", 3, generation=7)
    ledger.begin(begin)
    ledger.take(records(taken))
    return ledger


def a_fan(ledger: Ledger, offset: int) -> Fan:
    return Fan(ledger, offset, size=0, read_ms=0, give=lambda _: None, closed=lambda _: None)


def snapshot(ledger: Ledger, characters: int = CHARACTERS) -> Commit:
    commit = ledger.snapshot(characters=characters)
    assert commit is not None
    return commit


def known(commit: Commit) -> Settled:
    """The map of a commit that has one."""
    settled = decode(commit.metadata, commit.offset)
    assert settled is not None
    return settled


def restarted(commit: Commit, *, log: Iterable[int] = ()) -> tuple[Ledger, list[int]]:
    """A worker's ledger after a crash, and what it takes of the log."""
    ledger = Ledger("leads.events", 3, generation=8)
    ledger.begin(commit.offset, commit, decode(commit.metadata, commit.offset))
    return ledger, [record.offset for record in ledger.take(records(one for one in log if one >= commit.offset))]


# in any order, beside a model


@dataclass(eq=False)
class Walk:
    """One record that is walked, with its fan and what the walk has still to come to."""

    fan: Fan
    wanted: list[str]
    parts: list[tuple[Part, list[int]]] = field(default_factory=list)  # begun; records not acknowledged
    waiting: list[Part] = field(default_factory=list)  # not begun
    walking: bool = True
    abandoned: bool = False


@dataclass(frozen=True)
class Held:
    """What the broker has of us: a commit, and what was settled when it was made."""

    commit: Commit
    settled: frozenset[tuple[int, str]] = frozenset()
    finished: frozenset[int] = frozenset()


class Partition(RuleBasedStateMachine):
    """
    One partition through any number of assignments and crashes; the log has gaps, and compaction makes more.

    Whatever is done is what a worker may do, in any order. Beside it the model knows of every delivery whether it is
    settled, as far as this ledger can know of it: what it was told itself, and what the map said that it began with.
    """

    def __init__(self) -> None:
        super().__init__()
        self.log: dict[int, Fetched] = {}
        self.ever: dict[int, Fetched] = {}  # and what compaction has removed
        self.end = 0
        self.wants: dict[int, tuple[str, ...]] = {}  # whom each record is for
        self.there = set(IDS)  # subscriptions
        self.nonce = 0
        self.generation = 0
        self.progress = Ledgers()  # of all assignments, as their commits told
        self.outcomes: set[tuple[int, str]] = set()  # that were ever written, by whomever
        self.broker = Held(Commit(0))
        self.ghosts: list[Walk] = []  # of ledgers that are retired
        self.walks: dict[int, Walk] = {}
        self._load()

    def _load(self) -> None:
        """The partition is read from what is committed, with the map if the record at its top is there still."""
        held = self.broker
        settled = decode(held.commit.metadata, held.commit.offset)
        if settled is not None and (settled.top not in self.log or print_of(self.log[settled.top]) != settled.print):
            settled = None
        self.ghosts += self.walks.values()
        self.walks = {}
        self.generation += 2
        self.ledger = Ledger("leads.events", 0, generation=self.generation, covered=Covered())
        self.matches: dict[int, int] = {}  # of what this ledger has settled
        self.told: dict[int, int] = {}  # by it
        self.untold: list[Run] = []  # since its last commit
        assert self.ledger.snapshot() is None
        self.ledger.begin(held.commit.offset, held.commit, settled)
        base = held.commit.offset
        self.position = self.lowest = base
        self.taken: set[int] = set()  # and not settled
        self.unread = set(settled.open) if settled else set()  # the map has them as open
        self.mapped = settled.top if settled else -1
        self.parted = set(settled.walked) if settled else set()  # of these it is known how far they got
        if settled:
            self.settled, self.finished = set(held.settled), set(held.finished)
        else:
            self.settled = {one for one in held.settled if one[0] < base}
            self.finished = {one for one in held.finished if one < base}

    @property
    def free(self) -> list[int]:
        """Taken, and not walked yet."""
        return sorted(self.taken - self.walks.keys())

    def _chosen(self, data: st.DataObject, matching: Callable[[Walk], object]) -> Walk:
        return data.draw(st.sampled_from([walk for walk in self.walks.values() if matching(walk)]))

    def _any(self, matching: Callable[[Walk], object]) -> bool:
        return any(matching(walk) for walk in self.walks.values())

    # what happens in the log

    @initialize(records=st.lists(st.tuples(st.integers(1, 3), st.sets(st.sampled_from(IDS))), max_size=25))
    def fill(self, records: list[tuple[int, set[str]]]) -> None:
        for gap, wants in records:
            self.publish(gap, wants)

    @rule(gap=st.integers(1, 4), wants=st.sets(st.sampled_from(IDS)))
    def publish(self, gap: int, wants: set[str]) -> None:
        offset = self.end + gap - 1
        [self.ever[offset]] = [self.log[offset]] = records([offset])
        self.wants[offset] = tuple(sorted(wants))
        self.end = offset + 1

    @precondition(lambda self: self.log)
    @rule(data=st.data())
    def compact(self, data: st.DataObject) -> None:
        """One record is gone, whether it was read or not."""
        del self.log[data.draw(st.sampled_from(sorted(self.log)))]

    @precondition(lambda self: len(self.there) > 1)
    @rule(data=st.data())
    def unsubscribe(self, data: st.DataObject) -> None:
        self.there.discard(data.draw(st.sampled_from(sorted(self.there))))

    # what an intake does

    @precondition(lambda self: self.ledger.ready)
    @rule(count=st.integers(0, 8))
    def fetch(self, count: int) -> None:
        batch = [record for offset, record in sorted(self.log.items()) if offset >= self.position][:count]

        taken = [record.offset for record in self.ledger.take(batch)]

        offsets = [record.offset for record in batch]
        passed = set(offsets) - set(taken)
        assert passed <= self.finished, "passed over what is not settled"
        assert not self.finished & set(taken), "settled, known, and taken again"
        if offsets:
            self.position = offsets[-1] + 1
        self.taken |= set(taken)
        self._read_up_to_position()

    @precondition(lambda self: self.ledger.ready)
    @rule(data=st.data())
    def read_over_a_gap(self, data: st.DataObject) -> None:
        unread = min((offset for offset in self.log if offset >= self.position), default=self.position + 3)
        to = data.draw(st.integers(0, unread))
        self.ledger.advance(to)
        self.position = max(self.position, to)
        self.end = max(self.end, self.position)  # a marker of a transaction stood there
        self._read_up_to_position()

    def _read_up_to_position(self) -> None:
        gone = {offset for offset in self.unread if offset < self.position}
        self.unread -= gone
        self.parted -= gone - self.taken

    @precondition(lambda self: self.ledger.ready and self.free and self.free[-1] > max(self.walks, default=-1))
    @rule(data=st.data())
    def put_back(self, data: st.DataObject) -> None:
        offset = data.draw(st.sampled_from([one for one in self.free if one > max(self.walks, default=-1)]))
        self.ledger.put_back(offset)
        back = {taken for taken in self.taken if taken >= offset}
        self.taken -= back
        self.unread |= {one for one in back if one <= self._top_settled()}
        self.position = offset

    def _top_settled(self) -> int:
        return max([self.mapped, *self.finished])

    # what walks and attempts do

    @precondition(lambda self: self.ledger.ready and self.free)
    @rule(data=st.data())
    def start(self, data: st.DataObject) -> None:
        offset = data.draw(st.sampled_from(self.free))
        wanted = [one for one in self.wants[offset] if one in self.there]
        self.walks[offset] = Walk(a_fan(self.ledger, offset), wanted)
        for one in wanted:
            again = not self.walks[offset].fan.covers(one)
            assert again == ((offset, one) not in self.settled), "skipped, or sent twice"

    @precondition(lambda self: self.ledger.ready and self._any(lambda walk: walk.walking))
    @rule(data=st.data(), steps=st.integers(1, 5))
    def walk(self, data: st.DataObject, steps: int) -> None:
        walk = self._chosen(data, lambda walk: walk.walking)
        for _ in range(steps):
            if not walk.wanted:
                self._over(walk)
                return
            one = walk.wanted.pop(0)
            if not walk.fan.covers(one):
                walk.waiting.append(walk.fan.part(one))

    def _over(self, walk: Walk, *, whole: bool = True) -> None:
        walk.walking = False
        walk.abandoned |= not whole
        walk.fan.over(whole=whole)
        self._finish(walk)

    @precondition(lambda self: self.ledger.ready and self._any(lambda walk: walk.waiting))
    @rule(data=st.data(), acknowledgements=st.integers(0, 2))
    def attempt(self, data: st.DataObject, acknowledgements: int) -> None:
        """It is begun, and so many records are sent for it."""
        walk = self._chosen(data, lambda walk: walk.waiting)
        part = walk.waiting.pop(data.draw(st.integers(0, len(walk.waiting) - 1)))
        part.begin()
        for _ in range(acknowledgements):
            part.expect()
        walk.parts.append((part, [10] * acknowledgements))

    @precondition(lambda self: self._any(lambda walk: walk.parts))
    @rule(data=st.data(), steps=st.integers(1, 3))
    def acknowledge(self, data: st.DataObject, steps: int) -> None:
        """Records are acknowledged, and then the attempt is over; whatever phase the ledger is in."""
        walk = self._chosen(data, lambda walk: walk.parts)
        place = data.draw(st.integers(0, len(walk.parts) - 1))
        part, left = walk.parts[place]
        for _ in range(steps):
            if left:
                part.acknowledged(left.pop())
                continue
            del walk.parts[place]
            self._settled(walk, part)
            self._finish(walk)
            return

    def _settled(self, walk: Walk, part: Part) -> None:
        self.outcomes.add((walk.fan.offset, part.subscription_id))
        part.close()
        self.settled.add((walk.fan.offset, part.subscription_id))
        self.parted.add(walk.fan.offset)

    def _finish(self, walk: Walk) -> None:
        if walk.walking or walk.parts or walk.waiting or walk.abandoned:
            return
        offset = walk.fan.offset
        del self.walks[offset]
        if not self.ledger.retired:
            self.taken.discard(offset)
            self.parted.discard(offset)
            self.finished.add(offset)
            self.matches[offset] = sum(one[0] == offset for one in self.settled)

    @precondition(lambda self: self.ledger.ready)
    @rule(data=st.data(), count=st.integers(1, 6))
    def deliver(self, data: st.DataObject, count: int) -> None:
        """As it is most of the time: some records are fetched, and of some a few deliveries are settled, or all."""
        self.fetch(count)
        for offset in data.draw(st.lists(st.sampled_from(self.free), unique=True)) if self.free else ():
            wanted = [one for one in self.wants[offset] if one in self.there]
            walk = self.walks[offset] = Walk(a_fan(self.ledger, offset), wanted)
            whole = data.draw(st.booleans())
            for _ in range(len(wanted) if whole else data.draw(st.integers(0, len(wanted)))):
                one = wanted.pop(0)
                if walk.fan.covers(one):
                    continue
                part = walk.fan.part(one)
                part.begin()
                if whole or data.draw(st.booleans()):
                    self._settled(walk, part)
                else:
                    walk.parts.append((part, []))
            if whole:
                self._over(walk)

    @precondition(lambda self: self.ghosts)
    @rule(data=st.data())
    def settle_too_late(self, data: st.DataObject) -> None:
        """In a ledger that is retired: nothing of it may be noticed in the one that followed."""
        walk = self.ghosts.pop(data.draw(st.integers(0, len(self.ghosts) - 1)))
        for part, left in walk.parts:
            for size in left:
                part.acknowledged(size)
            part.close()
            self.outcomes.add((walk.fan.offset, part.subscription_id))
        for part in walk.waiting:
            part.abandon()
        if walk.walking:
            walk.fan.over(whole=False)
        assert (walk.fan.ledger.snapshot(), walk.fan.ledger.open) == (None, 0)

    # what becomes of the assignment

    @precondition(lambda self: self.ledger.phase in MAY_COMMIT)
    @rule(
        reaches=st.booleans(),
        answered=st.booleans(),
        characters=st.sampled_from([CHARACTERS, CHARACTERS, CHARACTERS, 120, 90, 0]),
    )
    def commit(self, *, reaches: bool, answered: bool, characters: int) -> None:
        """It reaches the broker or does not; and if it does, we may hear of it or not."""
        self.nonce += 1
        commit = self.ledger.snapshot(self.nonce.to_bytes(8, "big"), characters)
        assert commit is not None
        self._tell(commit)
        self.ledger.sent(commit)
        if reaches:
            self.broker = Held(commit, *self._told(commit))
            if answered:
                self.ledger.confirmed(commit)
        assert self.ledger.recognises(self.broker.commit)

    def _tell(self, commit: Commit) -> None:
        """Acknowledged before anything is committed."""
        self.what_is_told_is_what_was_settled()
        if self.untold:
            told = Told(
                topic="leads.events", partition=0, generation=self.ledger.generation, base=commit.offset,
                end=self.ledger.end, began_ms=0, runs=tuple(self.untold),
            )  # fmt: skip
            self.progress.add(told)
            self.untold = []

    def _told(self, commit: Commit) -> tuple[frozenset[tuple[int, str]], frozenset[int]]:
        """What a restart knows by this commit: nothing that is not settled."""
        told = decode(commit.metadata, commit.offset)
        assert (told is None) == (commit.metadata == "")

        def says(offset: int, one: str | None = None) -> bool:
            if told is None or offset > told.top or offset < told.base:
                return offset < commit.offset
            if offset not in told.open:
                return True
            return one is not None and offset in told.walked and told.walked[offset].covers(one)

        for offset in [*self.taken, *self.unread]:
            assert not says(offset)
            unsettled = [one for one in self.wants[offset] if one in self.there and (offset, one) not in self.settled]
            assert not any(says(offset, one) for one in unsettled)
        settled = frozenset(one for one in self.settled if says(*one))
        return settled, frozenset(one for one in self.finished if says(one))

    @precondition(lambda self: self.ledger.phase in {Phase.OPEN, Phase.DOUBTED})
    @rule()
    def drain(self) -> None:
        self.ledger.drain()
        assert (self.ledger.ready, self.ledger.undecided, self.ledger.suspended) == (False, True, False)

    @rule()
    def doubt(self) -> None:
        """The process was frozen: what would be written for others too is held back, and nothing is committed."""
        phase = self.ledger.phase
        assert self.ledger.doubt() == (phase is Phase.OPEN)
        if phase is Phase.OPEN:
            assert (self.ledger.ready, self.ledger.undecided, self.ledger.suspended) == (False, True, True)
            assert self.ledger.snapshot() is None

    @rule()
    def reopen(self) -> None:
        """It is still ours: it goes on, if that was in doubt."""
        phase = self.ledger.phase
        assert self.ledger.reopen() == (phase is Phase.DOUBTED)
        assert self.ledger.phase is (Phase.OPEN if phase is Phase.DOUBTED else phase)

    @precondition(lambda self: self.ledger.phase in {Phase.OPEN, Phase.DRAINING, Phase.DOUBTED})
    @rule()
    def suspend(self) -> None:
        self.ledger.suspend()
        assert (self.ledger.ready, self.ledger.undecided, self.ledger.suspended) == (False, True, True)

    @precondition(lambda self: self.ledger.phase is Phase.SUSPENDED)
    @rule()
    def resume(self) -> None:
        """It came back: reading goes on at the next that was not taken."""
        self.generation += 1
        assert self.ledger.recognises(self.broker.commit)
        self.ledger.resume(self.generation)
        assert (self.ledger.ready, self.ledger.generation) == (True, self.generation)
        assert self.position == self.ledger.position

    @precondition(lambda self: self.ledger.phase in MAY_COMMIT)
    @rule(data=st.data())
    def close(self, data: st.DataObject) -> None:
        """The worker goes down: walks are broken off, and what was not begun is given up, here or there."""
        self.ledger.close()
        assert (self.ledger.ready, self.ledger.undecided, self.ledger.suspended) == (False, False, False)
        for walk in list(self.walks.values()):
            give_up, break_off = data.draw(st.booleans()), data.draw(st.booleans())
            if walk.waiting and give_up:
                walk.abandoned = True
                walk.waiting.pop().abandon()
            if walk.walking and break_off:
                self._over(walk, whole=False)

    @rule()
    def crash(self) -> None:
        self.walks = {}
        self._load()

    @precondition(lambda self: self.ledger.phase in MAY_COMMIT)
    @rule(count=st.integers(0, 8), data=st.data())
    def crash_behind_a_commit(self, count: int, data: st.DataObject) -> None:
        """And reading goes on: the way that most of what is found here takes."""
        self.commit(reaches=True, answered=True, characters=CHARACTERS)
        self.crash()
        self.fetch(count)
        for _ in range(min(3, len(self.free))):
            self.start(data)

    @rule()
    def lose(self) -> None:
        """The partition went elsewhere and comes back: what was in flight settles too late."""
        self.ledger.retire()
        assert self.ledger.retired
        assert (self.ledger.snapshot(), self.ledger.open) == (None, 0)
        self._load()

    # what is true at every moment

    @invariant()
    def what_is_committed_is_what_the_model_says(self) -> None:
        if self.ledger.phase not in MAY_COMMIT:
            assert self.ledger.snapshot() is None
            return
        commit, open_ = snapshot(self.ledger), self.taken | self.unread
        assert commit.offset >= self.lowest, "an offset went back"
        self.lowest = commit.offset
        top = max([self._top_settled(), *(offset for offset in self.parted if offset in open_)])
        assert commit.offset == (min(open_) if open_ else max(self.position, top + 1))
        assert (commit.metadata != "") == (bool(open_) and top >= commit.offset)
        if commit.metadata:
            settled = known(commit)
            assert (top, sorted(one for one in open_ if one <= top)) == (settled.top, list(settled.open))
            assert print_of(self.ever[top]) == settled.print
            for offset in settled.open:
                walked = settled.walked.get(offset, Walked(""))
                for one in self.wants[offset]:
                    if one in self.there:
                        assert walked.covers(one) == ((offset, one) in self.settled)

    @invariant()
    def nothing_unsettled_is_committed(self) -> None:
        if self.ledger.phase in MAY_COMMIT:
            unread = {offset for offset in self.log if offset >= self.position} - self.finished
            assert not [offset for offset in self.taken | unread if offset < snapshot(self.ledger).offset]

    @invariant()
    def what_is_told_is_what_was_settled(self) -> None:
        """Of each record once, with its matches, those included that an earlier walk had settled by the map."""
        runs, _ = self.ledger.covered.taken()
        self.untold += runs
        for first, count, matches in runs:
            for offset in range(first, first + count):
                if matches == NO_RECORD:
                    assert offset not in self.log
                else:
                    assert offset not in self.told
                    self.told[offset] = matches
        assert self.matches == self.told

    @invariant()
    def it_counts_what_is_open_and_what_a_drain_waits_for(self) -> None:
        assert (len(self.taken | self.unread), self.position) == (self.ledger.open, self.ledger.position)
        assert sum(len(walk.parts) for walk in self.walks.values()) == self.ledger.active

    def teardown(self) -> None:
        """However far it came: after a crash all that is not settled is offered, nothing else, and then committed."""
        self.crash()
        log = [record for offset, record in sorted(self.log.items()) if offset >= self.position]
        wanted = {(record.offset, one) for record in log for one in self.wants[record.offset] if one in self.there}
        offered = set()
        for record in self.ledger.take(log):
            fan = a_fan(self.ledger, record.offset)
            for one in self.wants[record.offset]:
                if one in self.there and not fan.covers(one):
                    offered.add((record.offset, one))
                    self.outcomes.add((record.offset, one))
                    fan.part(one).close()
            fan.over()
            self.matches[record.offset] = sum(one[0] == record.offset for one in self.settled | offered)
        self.ledger.advance(self.end)

        assert wanted - self.settled == offered
        assert Commit(self.end) == self.ledger.snapshot()
        self._reconcile()

    def _reconcile(self) -> None:
        """Nothing that is told of is missing, and nothing committed is unknown; without one outcome, that one is."""
        self._tell(Commit(self.end))
        chosen = sorted(offset for offset, count in self.matches.items() if count)
        assert [] == self._missing(self.outcomes)
        if chosen:
            last = max(one for one in self.outcomes if one[0] == chosen[-1])
            left_out = self._missing(self.outcomes - {last})
            extra = sum(one[0] == last[0] for one in self.outcomes) > self.matches[last[0]]
            assert ([] if extra else [last[0]]) == left_out

    def _missing(self, outcomes: Iterable[tuple[int, str]]) -> list[int]:
        came = Outcomes()
        for offset, one in outcomes:
            ident = f"dlv_{ord(one):016x}"
            came.add(Outcome("leads.events", 0, offset, ident, State.DELIVERED, 1, 0, event=True, run=False))
        ranges = self.progress.ranges({("leads.events", 0): came})
        assert not any(one.unknown for one in ranges)
        return [gap.offset for one in ranges for gap in one.missing]


def test_whatever_order_records_settle_in_and_however_often_it_crashes() -> None:
    """
    Nothing unsettled is ever skipped, nothing settled that a commit knew of is ever sent again.

    What is committed is the lowest offset that is not settled, or the position; within an assignment it only rises.
    """
    run_state_machine_as_test(
        Partition, settings=settings(max_examples=max(120, settings().max_examples // 2), stateful_step_count=100)
    )


# where it stands


def test_while_loading() -> None:
    """Nothing is committable: where the partition stands is not known yet."""
    ledger = Ledger("leads.events", 0, generation=1)

    assert ledger.snapshot() is None
    assert not ledger.ready


def test_a_record_that_settles_before_those_below_it() -> None:
    """It is in the map, and committed once they are settled too."""
    ledger = a_ledger(10, 11, 12, begin=10)
    ledger.settle(12)
    ledger.settle(11)

    assert snapshot(ledger).offset == 10
    assert (12, (10,)) == (known(snapshot(ledger)).top, known(snapshot(ledger)).open)

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
    """A drain does not wait for it, and nothing at or above it is committed but in the map."""
    ledger = a_ledger(0, 1, 2)
    parts = [a_fan(ledger, offset).part("a") for offset in (0, 1, 2)]
    for part in parts:
        part.fan.over()
        part.begin()
    ledger.close()
    parts[0].close()
    parts[2].close()
    parts[1].abandon()

    assert ledger.active == 0
    assert snapshot(ledger).offset == 1
    assert (2, (1,)) == (known(snapshot(ledger)).top, known(snapshot(ledger)).open)


def test_records_that_are_put_back() -> None:
    """They are no longer held, are not committed, and may be taken again."""
    ledger = a_ledger(0, 1, 2, 3)
    ledger.settle(0)
    ledger.put_back(2)

    assert (1, 2) == (ledger.open, ledger.position)
    ledger.settle(1)
    assert Commit(2) == ledger.snapshot()

    assert records([2, 3]) == ledger.take(records([2, 3]))
    assert ledger.open == 2


def test_records_that_are_put_back_below_one_that_is_settled() -> None:
    """They stay open, for the map; what is settled among them is not taken again."""
    ledger = a_ledger(0, 1, 2, 3)
    ledger.settle(2)
    ledger.settle(0)
    ledger.put_back(1)

    assert (2, (1,)) == (known(snapshot(ledger)).top, known(snapshot(ledger)).open)
    assert records([1, 3]) == ledger.take(records([1, 2, 3]))


def test_what_is_put_back_while_it_is_under_way() -> None:
    """A fault of ours: it would be done twice."""
    ledger = a_ledger(0, 1, 2)
    a_fan(ledger, 2)

    with pytest.raises(AssertionError, match="under way"):
        ledger.put_back(1)


def test_a_record_that_was_read_already() -> None:
    """A fault of ours: it would be open twice."""
    ledger = a_ledger(0, 1)

    with pytest.raises(AssertionError, match="1 was read already"):
        ledger.take(records([1]))


# what a restart knows


def test_a_restart_behind_one_slow_record() -> None:
    """20,000 settled behind it are passed over; it alone is taken."""
    ledger = a_ledger(*range(20_000))
    for offset in range(1, 20_000):
        ledger.settle(offset)

    again, taken = restarted(snapshot(ledger), log=range(20_010))

    assert [0, *range(20_000, 20_010)] == taken
    assert (20_010, 11) == (again.position, again.open)


def test_a_span_far_over_20000_with_few_open() -> None:
    """15 s at 3,000 events a second behind a few that hang: the map fits, and the partition is not paused."""
    hanging = {0, 17, 18, 30_000, 44_000}
    ledger = a_ledger(*range(45_000))
    for offset in range(45_000):
        if offset not in hanging:
            ledger.settle(offset)

    assert not ledger.crowded(BATCH)
    assert len(snapshot(ledger).metadata) <= CHARACTERS
    assert sorted(hanging) == restarted(snapshot(ledger), log=range(45_000))[1]


def test_a_span_over_20000_with_many_open() -> None:
    """The map does not fit: the partition is crowded; less is known after a restart, and nothing is lost."""
    ledger = a_ledger(*range(40_000))
    for offset in range(1, 40_000, 2):
        ledger.settle(offset)

    assert ledger.crowded(BATCH)
    _, taken = restarted(snapshot(ledger), log=range(40_000))
    assert set(range(0, 40_000, 2)) <= set(taken)
    assert 20_000 < len(taken) < 40_000


@pytest.mark.parametrize("open_every", [1, 2])
def test_when_a_partition_is_crowded(open_every: int) -> None:
    """Before one more batch could make a map that does not fit, and not sooner."""
    ledger, at = a_ledger(0), 1
    while not ledger.crowded(BATCH):
        ledger.take(records(range(at, at + BATCH)))
        for offset in range(at, at + BATCH):
            if offset % open_every:
                ledger.settle(offset)
        at += BATCH

    assert 20_000 - BATCH < at <= 20_000
    ledger.settle(at - 1)
    assert at - 1 == known(snapshot(ledger)).top


def test_a_partition_without_anything_open() -> None:
    """It is not crowded, however far it has come."""
    ledger = a_ledger(begin=10**9)

    assert not ledger.crowded(10**9)


@pytest.mark.parametrize("characters", [CHARACTERS, CHARACTERS // 2, 400, 120, 80, 60, 0])
def test_a_broker_that_takes_less_metadata(characters: int) -> None:
    """Less is known after a restart, in what room there is, and nothing is lost."""
    ledger = a_ledger(*range(300))
    for offset in range(300):
        if offset % 3:
            ledger.settle(offset)
    commit = snapshot(ledger, characters)

    _, taken = restarted(commit, log=range(300))

    assert len(commit.metadata) <= characters
    assert (commit.metadata == "") == (characters < 80)
    assert set(range(0, 300, 3)) <= set(taken)
    assert (len(taken) == 300) == (characters < 80)


def test_open_records_that_compaction_has_removed() -> None:
    """The base moves on over what the map has as open and the log no longer holds."""
    ledger = a_ledger(0, 1, 2, 3, 4)
    ledger.settle(1)
    ledger.settle(4)

    again, taken = restarted(snapshot(ledger), log=[1, 3, 4])

    assert [3] == taken
    assert (1, 3) == (again.open, snapshot(again).offset)
    again.settle(3)
    assert Commit(5) == again.snapshot()


def test_open_records_that_compaction_has_removed_before_anything_else_is_read() -> None:
    """The consumer's position is behind them: what is settled by the map is committed."""
    ledger = a_ledger(0, 1, 2)
    ledger.settle(2)

    again, _ = restarted(snapshot(ledger))
    again.advance(2)

    assert Commit(3) == again.snapshot()


def test_a_restart_before_anything_is_read_again() -> None:
    """The same map is committed as was found."""
    ledger = a_ledger(0, 1, 2, 3)
    part = a_fan(ledger, 1).part("a")
    part.fan.part("b")
    part.close()
    ledger.settle(3)

    again, _ = restarted(snapshot(ledger))

    assert known(snapshot(ledger)) == known(snapshot(again))
    assert {1: Walked("b", ("b",), (1, 1))} == known(snapshot(again)).walked


def test_a_fan_out_that_is_part_done_at_the_top() -> None:
    """It is known how far it got, though nothing at or above it is settled."""
    ledger = a_ledger(0, 1)
    fan = a_fan(ledger, 1)
    fan.part("a").close()
    fan.part("b")

    again, taken = restarted(snapshot(ledger), log=[0, 1])

    assert [0, 1] == taken
    there = a_fan(again, 1)
    assert [True, False, False] == [there.covers(one) for one in "abc"]


def test_a_fan_out_of_which_nothing_is_settled() -> None:
    """There is nothing to know of it."""
    ledger = a_ledger(0, 1)
    a_fan(ledger, 0).part("a")

    assert Commit(0) == ledger.snapshot()


# doubt about the map


@given(st.sets(st.integers(1, 60)), st.integers(0), st.integers(1, 255))
def test_a_map_that_was_damaged(settled: set[int], place: int, flip: int) -> None:
    """Replay from the base: every record is taken again, whichever byte it was."""
    ledger = a_ledger(*range(62))
    for offset in [*settled, 61]:
        ledger.settle(offset)
    commit = snapshot(ledger)
    raw = bytearray(b64decode(commit.metadata))
    raw[place % len(raw)] ^= flip
    damaged = Commit(commit.offset, b64encode(raw).decode())

    again, taken = restarted(damaged, log=range(70))

    assert list(range(70)) == taken
    assert Commit(0) == again.snapshot()
    assert [0, *sorted(set(range(1, 61)) - settled), *range(62, 70)] == restarted(commit, log=range(70))[1]


def test_a_map_with_another_offset() -> None:
    """Somebody set the group's offset by hand: replay from there."""
    ledger = a_ledger(0, 1, 2, 3)
    ledger.settle(3)

    assert [1, 2, 3] == restarted(Commit(1, snapshot(ledger).metadata), log=range(4))[1]


# whose commit it is


def test_commits_that_are_recognised() -> None:
    """What it began with, until one of its own is confirmed; and all that were sent, heard of or not."""
    found, first, second = Commit(5, "found"), Commit(6, "first"), Commit(7, "second")
    ledger = Ledger("leads.events", 0, generation=1)
    ledger.begin(5, found)

    assert ledger.recognises(found)
    assert not ledger.recognises(first)
    assert not ledger.recognises(NOTHING)
    ledger.sent(first)
    ledger.sent(second)
    assert all(map(ledger.recognises, [found, first, second]))
    ledger.confirmed(first)
    ledger.sent(second)
    assert [False, True, True] == [ledger.recognises(one) for one in (found, first, second)]
    assert not ledger.recognises(Commit(6, "another's"))
    assert not ledger.recognises(Commit(7, "first"))


def test_a_group_without_a_commit() -> None:
    """That nothing is committed is recognised too."""
    ledger = a_ledger()

    assert ledger.recognises(NOTHING)


def test_commits_without_an_answer() -> None:
    """However many: the one that the broker held and the last are recognised, and memory is bounded."""
    ledger = a_ledger()
    ledger.confirmed(Commit(0, "confirmed"))
    for number in range(1_000):
        ledger.sent(Commit(0, str(number)))

    assert ledger.recognises(Commit(0, "confirmed"))
    assert all(ledger.recognises(Commit(0, str(number))) for number in range(1_001 - SENT, 1_000))
    assert not ledger.recognises(Commit(0, "0"))
    assert len(ledger._sent) == SENT


def test_news_for_a_commit() -> None:
    """The revision rises with whatever changes what would be committed."""
    ledger = a_ledger(0, 1, 2)
    fan = a_fan(ledger, 0)
    parts = [fan.part(one) for one in "ab"]
    fan.over()
    news = []
    for step in (
        parts[0].close,
        parts[1].close,
        lambda: ledger.settle(2),
        lambda: ledger.advance(9),
        lambda: ledger.advance(9),
        lambda: ledger.settle(2),
    ):
        before = ledger.revision
        step()
        news.append(ledger.revision > before)

    assert [True, True, True, True, False, False] == news


# how an assignment ends


def test_what_settles_after_the_assignment_is_over() -> None:
    """It lands in a retired ledger and moves nothing."""
    ledger = a_ledger(0)
    fan = a_fan(ledger, 0)
    part = fan.part("a")
    part.begin()
    ledger.retire()
    part.close()
    fan.over()
    a_fan(ledger, 0).over()

    assert ledger.snapshot() is None
    assert not ledger.ready
    assert ledger.retired
    assert (0, 0) == (ledger.open, ledger.active)


def test_a_ledger_that_drains() -> None:
    """Nothing new is started, and what settles meanwhile is still committed."""
    ledger = a_ledger(0)
    a_fan(ledger, 0)
    ledger.drain()
    ledger.settle(0)

    assert ledger.undecided
    assert not ledger.ready
    assert Commit(1) == ledger.snapshot()


def test_what_settles_while_its_fate_is_open() -> None:
    """It is not committed, for the partition may be another's; and it is once it came back."""
    ledger = a_ledger(0)
    ledger.drain()
    ledger.suspend()
    ledger.settle(0)

    assert ledger.snapshot() is None
    ledger.resume(8)
    assert Commit(1) == ledger.snapshot()
