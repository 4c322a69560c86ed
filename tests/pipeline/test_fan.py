from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.pipeline.fan import NOBODY, RECORD_BYTES, Fan, Part, size_in_memory
from relay.pipeline.ledger import Commit, Ledger
from relay.pipeline.settled import Settled, Walked, decode, print_of
from tests.builders import Fetched

OFFSET = 42
IDS = tuple("abcdefgh")


@dataclass
class Told:
    """Hears what a fan has to say."""

    given: int = 0  # bytes
    closed: list[Ledger] = field(default_factory=list)  # once a part

    def give(self, size: int) -> None:
        self.given += size

    def close(self, ledger: Ledger) -> None:
        self.closed.append(ledger)


def a_ledger(walked: Walked | None = None) -> Ledger:
    """One that has taken one record, of which an earlier walk got so far."""
    record = Fetched(value=b"", offset=OFFSET)
    ledger = Ledger("leads.events", 0, generation=1)
    known: Mapping[int, Walked] = {OFFSET: walked} if walked is not None else {}
    settled = Settled(base=OFFSET, top=OFFSET, print=print_of(record), open=(OFFSET,), walked=known)
    ledger.begin(OFFSET, settled=settled if walked is not None else None)
    ledger.take([record])
    return ledger


def a_fan(told: Told | None = None, ledger: Ledger | None = None, *, size: int = 1_000) -> Fan:
    told = told or Told()
    return Fan(ledger or a_ledger(), OFFSET, size=size, read_ms=0, give=told.give, closed=told.close)


def is_settled(ledger: Ledger) -> bool:
    """Whether the record is."""
    return ledger.snapshot() == Commit(OFFSET + 1)


def known(fan: Fan) -> Walked:
    """What a restart would know of it, by the map."""
    commit = fan.ledger.snapshot()
    assert commit is not None
    settled = decode(commit.metadata, commit.offset)
    assert settled is not None
    assert fan.walked() == settled.walked[OFFSET]
    return settled.walked[OFFSET]


@dataclass
class Steps:
    """
    What happens in one fan-out, each thing only once what leads to it has happened.

    The walk makes part after part and is over; an attempt begins, expects its records and closes; each record is
    acknowledged. Or the walk is broken off after so many parts.
    """

    fan: Fan
    deliveries: list[list[int]]  # of each the sizes of the records that tell it; none: it is abandoned
    breaks_off: bool = False
    walked: int = 0
    walking: bool = True
    waiting: list[tuple[Part, list[int]]] = field(default_factory=list)
    attempts: list[tuple[Part, list[int]]] = field(default_factory=list)
    records: list[tuple[Part, int]] = field(default_factory=list)
    settled: set[str] = field(default_factory=set)

    def possible(self) -> list[str]:
        """What may happen next."""
        kinds = {"walk": self.walking, "begin": self.waiting, "attempt": self.attempts, "record": self.records}
        return [name for name, ready in kinds.items() if ready]

    def happen(self, name: str, which: int) -> None:
        """The which-th of what may happen under this name."""
        if name == "walk":
            self._walk()
        elif name == "begin":
            part, records = self.waiting.pop(which % len(self.waiting))
            part.begin()
            self.attempts.append((part, records))
        elif name == "attempt":
            self._attempt(*self.attempts.pop(which % len(self.attempts)))
        else:
            part, size = self.records.pop(which % len(self.records))
            part.acknowledged(size)
            self._note(part)

    def _walk(self) -> None:
        if self.walked < len(self.deliveries):
            part, records = self.fan.part(IDS[self.walked]), self.deliveries[self.walked]
            self.walked += 1
            if records:
                self.waiting.append((part, records))
            else:
                part.abandon()
        else:
            self.walking = False
            self.fan.over(whole=not self.breaks_off)

    def _attempt(self, part: Part, records: list[int]) -> None:
        for size in records:
            part.expect()
            self.records.append((part, size))
        part.close()
        self._note(part)

    def _note(self, part: Part) -> None:
        busy = [one for one, _ in [*self.waiting, *self.attempts, *self.records]]
        if part not in busy:
            self.settled.add(part.subscription_id)

    @property
    def begun(self) -> int:
        return len({id(part) for part, _ in [*self.attempts, *self.records]})


fan_outs = st.lists(st.lists(st.integers(0, 5_000), max_size=3), max_size=8)


@given(deliveries=fan_outs, breaks_off=st.booleans(), size=st.integers(0, 10_000), data=st.data())
def test_whatever_order_its_parts_close_in(
    deliveries: list[list[int]], size: int, data: st.DataObject, *, breaks_off: bool
) -> None:
    """
    A record is closed once, with its last part, and gives back every byte.

    It is settled unless a part was abandoned or its walk broken off; a drain waits for what was begun and for no more.
    """
    told, ledger = Told(), a_ledger()
    steps = Steps(a_fan(told, ledger, size=size), deliveries, breaks_off)
    acknowledged = 0

    while possible := steps.possible():
        assert told.given == acknowledged - sum(one for _, one in steps.records), "closed with a part still open"
        assert not is_settled(ledger)
        before = sum(one for _, one in steps.records)
        steps.happen(data.draw(st.sampled_from(possible)), data.draw(st.integers(0, 9)))
        acknowledged += max(0, sum(one for _, one in steps.records) - before)
        assert ledger.active == steps.begun

    assert size + sum(map(sum, deliveries)) == told.given
    assert [ledger] * len(deliveries) == told.closed
    assert is_settled(ledger) == (all(deliveries) and not breaks_off)
    assert ledger.active == 0


@given(deliveries=fan_outs, breaks_off=st.booleans(), data=st.data())
def test_how_far_it_got(deliveries: list[list[int]], data: st.DataObject, *, breaks_off: bool) -> None:
    """At every moment a restart would know of exactly what is settled, and pass over what nobody wanted in between."""
    ledger = a_ledger()
    steps = Steps(a_fan(ledger=ledger), deliveries, breaks_off)

    while possible := steps.possible():
        steps.happen(data.draw(st.sampled_from(possible)), data.draw(st.integers(0, 9)))
        walked = steps.fan.walked()
        if walked is None:
            assert not steps.settled
        else:
            assert steps.settled == {one for one in IDS[: len(deliveries)] if walked.covers(one)}
            assert walked.covers("zz") == (not steps.walking and not breaks_off)
            assert list(walked.open) == sorted(walked.open)
            for form in (walked, walked.cut()):
                before = [sum(one < open_ for one in steps.settled) for open_ in form.open]
                matches = sum(form.covers(one) for one in IDS[: len(deliveries)])
                assert form.done == ((*before, matches) if matches else ())


@given(st.sets(st.sampled_from(IDS)), st.sampled_from([None, *IDS]), st.sets(st.sampled_from(IDS)), st.data())
def test_a_walk_that_goes_on_after_a_restart(
    wanted: set[str], through: str | None, open_: set[str], data: st.DataObject
) -> None:
    """It does what an earlier one left open, and those that it had not come to; the rest is not sent again."""
    left_open = tuple(sorted(one for one in open_ if through is None or one <= through))
    matched = [one for one in data.draw(st.sets(st.sampled_from(IDS))) if Walked(through, left_open).covers(one)]
    done = (*(sum(one < other for one in matched) for other in left_open), len(matched))
    walked = Walked(through, left_open, done if matched else ())
    ledger = a_ledger(walked)
    fan = a_fan(ledger=ledger)
    left = [one for one in sorted(wanted) if not fan.covers(one)]
    assert [one for one in sorted(wanted) if not walked.covers(one)] == left
    assert walked == known(fan)

    parts = [fan.part(one) for one in left]
    for part in data.draw(st.permutations(parts)):
        part.begin()
        assert all(known(fan).covers(one) for one in IDS if walked.covers(one)), "less is known than before"
        assert not known(fan).covers(part.subscription_id)
        part.close()
        assert known(fan).covers(part.subscription_id)
    fan.over()

    assert is_settled(ledger)
    assert len(matched) + len(left) == fan.matches


def test_a_record_that_nobody_wants() -> None:
    """It is settled as soon as it was walked."""
    told, ledger = Told(), a_ledger()

    a_fan(told, ledger).over()

    assert is_settled(ledger)
    assert told.given == 1_000


def test_several_records_of_one_delivery() -> None:
    """All of them must be acknowledged."""
    told, ledger = Told(), a_ledger()
    part = a_fan(told, ledger).part("a")
    part.fan.over()
    part.begin()
    part.expect()
    part.expect()
    part.close()
    part.acknowledged(10)

    assert ([], 10, 1) == (told.closed, told.given, ledger.active)

    part.acknowledged(10)

    assert ([ledger], 1_020, 0) == (told.closed, told.given, ledger.active)
    assert is_settled(ledger)


def test_an_attempt_that_begins() -> None:
    """A drain waits for it, and not for what only waits its turn."""
    ledger = a_ledger()
    fan = a_fan(ledger=ledger)
    fan.part("a").begin()
    fan.part("b")

    assert ledger.active == 1


def test_a_walk_that_was_broken_off() -> None:
    """It is known how far it got, and the record is left to whoever reads it next."""
    told, ledger = Told(), a_ledger()
    fan = a_fan(told, ledger)
    fan.part("a").close()
    fan.part("b").close()
    fan.over(whole=False)

    assert Walked("b", done=(2,)) == fan.walked()
    assert not is_settled(ledger)
    assert told.given == 1_000


def test_a_delivery_that_was_abandoned() -> None:
    """It is open for whoever reads the record next; the others are not sent again."""
    ledger = a_ledger()
    fan = a_fan(ledger=ledger)
    for one in "abc":
        (fan.part(one).abandon if one == "b" else fan.part(one).close)()
    fan.over()

    assert Walked(None, ("b",), (1, 2)) == fan.walked()
    assert not is_settled(ledger)


def test_a_walk_of_which_nothing_is_settled() -> None:
    """There is nothing to know of it, wherever it is."""
    fan = a_fan()
    fan.part("a")
    fan.part("b").abandon()
    fan.over()

    assert fan.walked() is None


def test_a_subscription_that_matches_no_more_is_told_by_the_walk_that_did_not_come_to_it() -> None:
    """So that it has its outcome too."""
    fan = a_fan(ledger=a_ledger(Walked("d", ("a", "c"))))
    fan.part("c")

    assert ["a"] == list(fan.missed())
    assert [] == list(a_fan().missed())


def test_a_record_that_cannot_be_read_any_more_waits_for_nobody() -> None:
    """The map has it as open, nothing is walked."""
    ledger = a_ledger(Walked("d", ("a", "c"), (0, 1, 2)))
    fan = a_fan(ledger=ledger)
    assert Walked("d", ("a", "c"), (0, 1, 2)) == fan.walked()

    part = fan.part(NOBODY)  # of its dead letter, which is for none
    fan.over()

    assert Walked(None, (NOBODY,), (0, 2)) == fan.walked()
    part.close()
    assert is_settled(ledger)
    assert fan.matches == 2


def test_one_that_was_open_and_does_not_come_again() -> None:
    """It was no match: nothing is counted for it, and those behind it have one less before them."""
    fan = a_fan(ledger=a_ledger(Walked("d", ("a", "c"), (0, 1, 2))))

    fan.part("c")
    fan.over()

    assert Walked(None, ("c",), (1, 2)) == fan.walked()
    assert fan.matches == 3


def test_a_walk_that_goes_on_and_is_broken_off_before_it_comes_to_what_is_open() -> None:
    """What an earlier one left open stays open."""
    fan = a_fan(ledger=a_ledger(Walked("d", ("b", "d"))))
    fan.part("b").close()
    fan.over(whole=False)

    assert Walked("d", ("d",), (1, 1)) == fan.walked()


def test_a_part_of_a_partition_on_its_way_to_another_owner() -> None:
    """While its fate is open its retries are held back; once it is gone there are none."""
    ledger = a_ledger()
    part = a_fan(ledger=ledger).part("a")
    assert (part.suspended, part.retired) == (False, False)

    ledger.drain()
    assert (part.suspended, part.retired) == (False, False)

    ledger.suspend()
    assert (part.suspended, part.retired) == (True, False)

    ledger.retire()
    assert (part.suspended, part.retired) == (False, True)


def test_what_settles_after_the_assignment_is_over() -> None:
    """Every byte is given back and no drain waits any more; nothing else moves."""
    told, ledger = Told(), a_ledger()
    part = a_fan(told, ledger).part("a")
    part.fan.over()
    part.begin()
    part.expect()
    ledger.retire()
    part.close()
    part.acknowledged(7)

    assert (1_007, 0, [ledger]) == (told.given, ledger.active, told.closed)
    assert ledger.snapshot() is None


@pytest.mark.parametrize(("value", "expected"), [(None, 0), (b"", 0), (b"x" * 700, 700)])
def test_what_a_record_costs(value: bytes | None, expected: int) -> None:
    """Its value, and what is held besides."""
    assert expected + RECORD_BYTES == size_in_memory(Fetched(value=value))


@pytest.mark.parametrize(
    ("walked", "began_ms"), [(None, 5_000), (Walked("d", ("a",)), 1_000)], ids=["the first walk", "a later one"]
)
def test_when_the_first_outcome_of_a_record_may_have_been_written(walked: Walked | None, began_ms: int) -> None:
    """Not before it was read; or before, where an earlier walk had begun, but not before it was in the log."""
    fan = Fan(
        a_ledger(walked), OFFSET, size=0, read_ms=5_000, written_ms=1_000, give=lambda _: None, closed=lambda _: None
    )

    assert began_ms == fan.began_ms
