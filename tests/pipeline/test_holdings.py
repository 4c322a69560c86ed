"""The ledgers of a consumer's partitions through whatever its group does, beside a model of which may go on."""

from collections.abc import Iterable, Sequence

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from relay.pipeline.holdings import Found, Holdings, Partition
from relay.pipeline.ledger import NOTHING, Commit, Ledger
from relay.pipeline.phase import Phase
from relay.pipeline.settled import Print, Settled

PARTITIONS: Sequence[Partition] = [("leads.events", number) for number in range(3)]
FIRST = PARTITIONS[0]
WRITES = {
    Phase.OPEN,
    Phase.DRAINING,
    Phase.DOUBTED,
    Phase.SUSPENDED,
    Phase.CLOSING,
}  # retries too, at once or once its fate is known
UNKNOWN = -1  # the generation of a client whose session has ended


def same(one: Iterable[Ledger], other: Iterable[Ledger]) -> bool:
    """The same ledgers, in whatever order."""
    return sorted(map(id, one)) == sorted(map(id, other))


class Group(RuleBasedStateMachine):
    """
    One member of a group, through joins, drains, revocations, sessions that end, loads that come late, and its end.

    The model knows which ledger of each partition waits to go on, and what the broker may hold of it.
    """

    def __init__(self) -> None:
        super().__init__()
        self.holdings = Holdings()
        self.last = 0  # the group's generation
        self.generation = UNKNOWN  # ours, as the client says
        self.joined = False
        self.current: bool | None = None  # what drain said; None: there is no rebalance
        self.closed = False
        self.days = 0  # steps, before it may be told to stop
        self.found: dict[Partition, Ledger] = {}  # asked about at the broker, whose answer is on its way
        self.heirs: dict[Partition, Ledger] = {}  # suspended
        self.told: dict[Ledger, list[Commit]] = {}  # of each that was begun, what the broker may hold of it
        self.broker: dict[Partition, Commit] = dict.fromkeys(PARTITIONS, NOTHING)
        self.number = 0
        self.seen: list[Ledger] = []
        self.over: list[Ledger] = []  # told of as retired
        self.ended: set[Ledger] = set()

    def _next(self, whose: str) -> Commit:
        self.number += 1
        return Commit(self.number, whose)

    def _gone(self, retired: list[Ledger], expected: Iterable[Ledger]) -> None:
        """
        These are retired by that: of those that were ever read exactly the expected, and none for a second time.

        Nor is one told of whose partition has another that may go on: what is held in memory of a partition goes then.
        """
        assert same([one for one in retired if one in self.told], expected)
        assert all(one.retired for one in retired)
        assert not [one for one in retired if (one.topic, one.partition) in self.holdings.suspended]
        assert not [one for one in retired if any(one is before for before in self.over)]
        self.over += retired

    def _begun(self) -> list[Ledger]:
        return [one for one in self.holdings.ledgers.values() if one in self.told]

    # what the group does

    @initialize(days=st.integers(0, 60))
    def live(self, days: int) -> None:
        self.days = days

    @precondition(lambda self: not self.joined)
    @rule(step=st.sampled_from([1, 1, 1, 1, 2, 0]), partitions=st.sets(st.sampled_from(PARTITIONS), min_size=1))
    def join(self, step: int, partitions: set[Partition]) -> None:
        """We are a member; in between others may have been, without us."""
        self.last = self.generation = max(1, self.last + step)
        stay = {
            at: one for at, one in self.heirs.items() if at in partitions and self.generation - one.generation in {0, 1}
        }
        gone = [one for at, one in self.heirs.items() if at not in stay]

        retired = self.holdings.assigned(sorted(partitions), self.generation)

        self.joined, self.heirs = True, stay
        self._gone(retired, gone)
        assert set(self.holdings.ledgers) == partitions
        assert set(self.holdings.loading()) == (set() if self.closed else partitions)

    @precondition(lambda self: self.joined and self.current is None)
    @rule()
    def drain(self) -> None:
        current = self.holdings.drain(self.generation)

        assert current == all(one.generation == self.generation for one in self.holdings.ledgers.values())
        assert not current or not any(one.ready for one in self.holdings.ledgers.values())
        self.current = current

    @precondition(lambda self: self.current is not None)
    @rule()
    def revoke(self) -> None:
        held, heirs, gone = dict(self.holdings.ledgers), dict[Partition, Ledger](), list[Ledger]()
        for at, one in held.items():
            heir = self.heirs.pop(at, one if one.phase in {Phase.OPEN, Phase.DRAINING, Phase.DOUBTED} else None)
            if heir is not None and self.current:
                heirs[at] = heir
            elif heir is not None:
                gone.append(heir)
            elif one in self.told and not one.retired:
                gone.append(one)
        gone += self.heirs.values()

        retired = self.holdings.revoked(current=bool(self.current))

        self.joined, self.current, self.heirs = False, None, heirs
        self._gone(retired, gone)
        assert {} == self.holdings.ledgers
        assert all(heir.generation == held[at].generation for at, heir in heirs.items())

    @rule()
    def end_the_session(self) -> None:
        """The client has noticed; or has not yet, and the group went on without us."""
        self.generation = UNKNOWN

    @precondition(lambda self: not self.joined)
    @rule(at=st.sampled_from(PARTITIONS))
    def be_overtaken(self, at: Partition) -> None:
        """Somebody else commits."""
        self.broker[at] = self._next("another's")

    # what the worker does

    @rule()
    def ask(self) -> None:
        """Where they stand is asked of the broker."""
        self.found = dict(self.holdings.loading())

    @precondition(lambda self: self.found)
    @rule(data=st.data())
    def load(self, data: st.DataObject) -> None:
        """The answer is there; meanwhile everything may have happened."""
        at = data.draw(st.sampled_from(sorted(self.found)))
        loading = self.found.pop(at)
        if self.holdings.ledgers.get(at) is not loading:
            return
        held, heir = self.broker[at], self.heirs.pop(at, None)

        now, retired = self.holdings.begin(at, Found(held=held, start=max(held.offset, 0)))

        assert self.holdings.ledgers[at] is now
        assert now.ready
        assert now.generation == loading.generation
        if heir is not None and held in self.told[heir]:
            assert now is heir
            self._gone(retired, [])
        else:
            assert now is loading
            self.told[now] = [held]
            self._gone(retired, [heir] if heir is not None else [])

    @precondition(lambda self: any(one.ready or one.undecided for one in self.holdings.ledgers.values()))
    @rule(data=st.data(), reaches=st.booleans(), answered=st.booleans())
    def commit(self, data: st.DataObject, *, reaches: bool, answered: bool) -> None:
        """In the name of our generation only; we may not hear of it."""
        one = data.draw(st.sampled_from([one for one in self._begun() if not one.retired]))
        if one.generation == self.generation:
            commit = self._next("ours")
            one.sent(commit)
            self.told[one].append(commit)
            if reaches:
                self.broker[one.topic, one.partition] = commit
                if answered:
                    one.confirmed(commit)
                    self.told[one] = [commit]

    @precondition(lambda self: self._begun())
    @rule(data=st.data())
    def lose_the_place(self, data: st.DataObject) -> None:
        """What of the log is read next is gone from it."""
        one = data.draw(st.sampled_from(self._begun()))
        at = (one.topic, one.partition)
        going_down, was_over = self.closed, one.retired

        retired = self.holdings.start_over(at)

        if going_down:
            assert self.holdings.ledgers[at] is one
            self._gone(retired, [])
        else:
            assert not was_over
            self._gone(retired, [one])
            assert self.holdings.loading()[at].generation == one.generation

    @rule(partitions=st.sets(st.sampled_from(PARTITIONS), min_size=1), data=st.data())
    def go_round(self, partitions: set[Partition], data: st.DataObject) -> None:
        """As it is most of the time: a rebalance of which we hear, and what comes back is loaded."""
        if self.joined:
            if self.current is None:
                self.drain()
            self.revoke()
        self.join(1, partitions)
        self.ask()
        while self.found:
            self.load(data)

    @precondition(lambda self: self.joined and self.current is None)
    @rule(confirmed=st.booleans())
    def freeze(self, *, confirmed: bool) -> None:
        """For longer than a session: what was read stands still until the group confirms us, if it does."""
        ready = [one for one in self.holdings.ledgers.values() if one.ready]

        assert self.holdings.doubt() == bool(ready)
        assert not any(one.ready for one in self.holdings.ledgers.values())
        if confirmed:
            still = {at: one for at, one in self.holdings.ledgers.items() if one.phase is Phase.DOUBTED}
            mine = {at: one for at, one in still.items() if one.generation == self.generation}
            assert mine == self.holdings.trust(self.generation)
            assert all(one.ready == (at in mine) for at, one in still.items())

    @precondition(lambda self: self.days <= 0)
    @rule()
    def close(self) -> None:
        heirs, self.heirs, self.closed = self.heirs, {}, True
        doubted = [one for one in self.holdings.ledgers.values() if one.phase is Phase.DOUBTED]

        self._gone(self.holdings.close(), [*heirs.values(), *doubted])

        assert {} == self.holdings.suspended
        assert {} == self.holdings.loading()
        assert all(one.phase is Phase.CLOSING for one in self._begun() if not one.retired)

    # what is true at every moment

    @invariant()
    def it_grows_older(self) -> None:
        self.days -= 1

    @invariant()
    def they_are_where_the_model_has_them(self) -> None:
        assert self.heirs == self.holdings.suspended
        assert all(one.suspended for one in self.heirs.values())

    @invariant()
    def one_ledger_of_a_partition_may_write_what_its_next_owner_would_write_too(self) -> None:
        self.seen += [one for one in self.holdings.ledgers.values() if not any(one is other for other in self.seen)]
        writers = [(one.topic, one.partition) for one in self.seen if one.phase in WRITES]
        assert len(set(writers)) == len(writers)

    @invariant()
    def none_is_forgotten(self) -> None:
        """Whoever waits for the fate of a ledger hears of it: it is held, or waits, or its end was told."""
        for one in self.seen:
            at = (one.topic, one.partition)
            if one.phase is Phase.SUSPENDED:
                assert self.holdings.suspended[at] is one
            elif one.phase in WRITES:
                assert self.holdings.ledgers[at] is one
            elif one in self.told:
                assert sum(one is other for other in self.over) == 1

    @invariant()
    def what_is_over_is_over(self) -> None:
        assert all(one.retired for one in self.ended)
        self.ended |= {one for one in self.seen if one.retired}


def test_whatever_a_group_does() -> None:
    """
    A ledger goes on only in the next generation or the same, and if the broker holds what it sent.

    Every other is retired, once; never do two of a partition write retries.
    """
    run_state_machine_as_test(
        Group, settings=settings(max_examples=max(180, settings().max_examples // 2), stateful_step_count=80)
    )


# one after another


def loaded(held: Commit = NOTHING, generation: int = 5) -> tuple[Holdings, Ledger]:
    """Holdings of one partition, which is read."""
    holdings = Holdings()
    holdings.assigned([FIRST], generation)
    ledger, _ = holdings.begin(FIRST, Found(held=held, start=max(held.offset, 0)))
    return holdings, ledger


def rebalanced(holdings: Holdings, generation: int, *, before: int = 5) -> list[Ledger]:
    """Through one rebalance, and with it again; what is retired by that."""
    retired = holdings.revoked(current=holdings.drain(before))
    return retired + holdings.assigned([FIRST], generation)


@pytest.mark.parametrize(("generation", "expected"), [(5, True), (6, True), (7, False), (4, False), (-1, False)])
def test_a_partition_that_comes_back(generation: int, *, expected: bool) -> None:
    """It goes on only in the next generation, or the same: in any other somebody else may have had it."""
    holdings, ledger = loaded()

    retired = rebalanced(holdings, generation)
    now, _ = holdings.begin(FIRST, Found(held=NOTHING, start=0))

    assert expected == (now is ledger)
    assert ([] if expected else [ledger]) == retired
    assert now.ready
    assert now.generation == generation


@pytest.mark.parametrize(
    ("held", "expected"),
    [
        (Commit(9, "sent"), True),
        (Commit(7, "found"), True),
        (Commit(9, "another's"), False),
        (Commit(9), False),
        (Commit(8, "sent"), False),
        (NOTHING, False),
    ],
)
def test_what_the_broker_holds_when_it_comes_back(held: Commit, *, expected: bool) -> None:
    """It goes on only if that is what it sent or began with; else it starts from what is committed."""
    holdings, ledger = loaded(Commit(7, "found"))
    ledger.sent(Commit(9, "sent"))
    rebalanced(holdings, 6)

    now, retired = holdings.begin(FIRST, Found(held=held, start=3))

    assert expected == (now is ledger)
    assert ([] if expected else [ledger]) == retired
    assert (7 if expected else 3) == now.position


def test_a_map_that_comes_with_a_partition() -> None:
    """Its ledger begins with it."""
    holdings = Holdings()
    holdings.assigned([FIRST], 5)
    settled = Settled(base=3, top=9, print=Print(0, 0, 0), open=(3, 4), walked={})

    ledger, _ = holdings.begin(FIRST, Found(held=Commit(3, "map"), start=3, settled=settled))

    assert (2, 3) == (ledger.open, ledger.position)


def test_a_partition_that_is_taken_away_again_before_it_was_loaded() -> None:
    """Its ledger keeps its chance: nobody else had it."""
    holdings, ledger = loaded()

    retired = rebalanced(holdings, 6) + rebalanced(holdings, 7, before=6)
    now, _ = holdings.begin(FIRST, Found(held=NOTHING, start=0))

    assert [] == retired
    assert now is ledger
    assert now.generation == 7


def test_a_session_that_ends_before_a_partition_that_came_back_was_loaded() -> None:
    """Its ledger is retired: whoever waits for its fate hears of it, and its retries are not held for ever."""
    holdings, ledger = loaded()
    rebalanced(holdings, 6)

    retired = holdings.revoked(current=holdings.drain(UNKNOWN))

    assert ledger in retired
    assert ledger.retired


def test_a_partition_that_went_elsewhere() -> None:
    """Its ledger is retired as soon as that is known."""
    holdings, ledger = loaded()
    assert [] == holdings.revoked(current=holdings.drain(5))
    assert ledger.suspended

    assert [ledger] == holdings.assigned(PARTITIONS[1:], 6)


def test_a_worker_that_was_frozen_past_its_session() -> None:
    """It neither drains nor commits: its ledgers are retired at once."""
    holdings, ledger = loaded()

    current = holdings.drain(6)

    assert not current
    assert ledger.ready
    assert [ledger] == holdings.revoked(current=current)


def test_a_partition_that_is_loaded_while_the_others_drain() -> None:
    """It is suspended as they are, and goes on as they do."""
    holdings = Holdings()
    holdings.assigned([FIRST], 5)
    current = holdings.drain(5)
    ledger, _ = holdings.begin(FIRST, Found(held=NOTHING, start=0))

    assert [] == holdings.revoked(current=current)
    assert ledger.suspended


def test_a_partition_whose_place_in_the_log_is_gone() -> None:
    """It is loaded again, in the same generation; one that is not held is not."""
    holdings, ledger = loaded()

    assert [ledger] == holdings.start_over(FIRST)
    assert [] == holdings.start_over(PARTITIONS[1])
    assert 5 == holdings.loading()[FIRST].generation


def test_a_worker_that_goes_down_while_a_partition_is_loaded() -> None:
    """It is never begun: the answer that comes later finds no ledger for it."""
    holdings = Holdings()
    holdings.assigned([FIRST], 5)
    [loading] = holdings.loading().values()

    holdings.close()

    assert holdings.ledgers.get(FIRST) is not loading
    assert loading.retired


def test_a_worker_that_goes_down_in_a_rebalance() -> None:
    """What waits for its fate has it: nobody waits any longer."""
    holdings, ledger = loaded()
    holdings.revoked(current=holdings.drain(5))

    assert [ledger] == holdings.close()
    assert ledger.retired
    assert [] == holdings.close()


def test_what_a_drain_waits_for() -> None:
    """Attempts of what is held, not of what is suspended."""
    holdings, ledger = loaded()
    assert not holdings.active

    ledger.active = 1
    assert holdings.active
    holdings.revoked(current=holdings.drain(5))
    assert not holdings.active
