from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.model import Headers
from relay.pipeline.fan import RECORD_BYTES, Fan, size_in_memory
from relay.pipeline.ledger import Ledger

OFFSET = 42


@dataclass(frozen=True)
class Fetched:
    """A record as far as its size goes."""

    value: bytes | None
    topic: str = "leads.events"
    partition: int = 0
    offset: int = OFFSET
    timestamp: int = 0
    key: bytes | None = b"a key"
    headers: Headers = ()


@dataclass
class Told:
    """Hears what a fan has to say."""

    given: int = 0  # bytes
    closed: list[tuple[Ledger, int, bool]] = field(default_factory=list)

    def give(self, size: int) -> None:
        self.given += size

    def close(self, ledger: Ledger, offset: int, *, settled: bool) -> None:
        self.closed.append((ledger, offset, settled))


def a_ledger() -> Ledger:
    ledger = Ledger("leads.events", 0, generation=1)
    ledger.begin(OFFSET)
    ledger.take([OFFSET])
    return ledger


def a_fan(told: Told, ledger: Ledger | None = None, *, size: int = 1_000) -> Fan:
    return Fan(ledger or a_ledger(), OFFSET, size=size, read_ms=0, give=told.give, closed=told.close)


@dataclass
class Steps:
    """
    What happens in one fan-out, each thing only once what leads to it has happened.

    The walk expects delivery after delivery and closes; an attempt expects its records and closes; each record is
    acknowledged.
    """

    fan: Fan
    deliveries: list[list[int]]  # of each the sizes of the records that tell it; none: it is abandoned
    walked: int = 0
    walking: bool = True
    attempts: list[list[int]] = field(default_factory=list)
    records: list[int] = field(default_factory=list)

    def possible(self) -> list[str]:
        """What may happen next."""
        kinds = {"walk": self.walking, "attempt": self.attempts, "record": self.records}
        return [name for name, ready in kinds.items() if ready]

    def happen(self, name: str, which: int) -> None:
        """The which-th of what may happen under this name."""
        if name == "walk":
            self._walk()
        elif name == "attempt":
            self._attempt(self.attempts.pop(which % len(self.attempts)))
        else:
            self.fan.acknowledged(self.records.pop(which % len(self.records)))

    def _walk(self) -> None:
        if self.walked < len(self.deliveries):
            self.fan.expect()
            self.attempts.append(self.deliveries[self.walked])
            self.walked += 1
        else:
            self.walking = False
            self.fan.close()

    def _attempt(self, records: list[int]) -> None:
        if not records:
            self.fan.abandon()
            return
        for size in records:
            self.fan.expect()
            self.records.append(size)
        self.fan.close()


@given(
    st.lists(st.lists(st.integers(0, 5_000), max_size=3), max_size=8),
    st.integers(0, 10_000),
    st.data(),
)
def test_whatever_order_its_parts_close_in(deliveries: list[list[int]], size: int, data: st.DataObject) -> None:
    """A record is closed once, with its last part, and gives back every byte; settled unless a part was abandoned."""
    told, ledger = Told(), a_ledger()
    steps = Steps(a_fan(told, ledger, size=size), deliveries)

    while possible := steps.possible():
        assert told.closed == [], "closed with a part still open"
        steps.happen(data.draw(st.sampled_from(possible)), data.draw(st.integers(0, 9)))

    assert [(ledger, OFFSET, all(deliveries))] == told.closed
    assert size + sum(map(sum, deliveries)) == told.given


def test_a_record_that_nobody_wants() -> None:
    """It is settled as soon as it was walked."""
    told, ledger = Told(), a_ledger()

    a_fan(told, ledger).close()

    assert [(ledger, OFFSET, True)] == told.closed
    assert told.given == 1_000


def test_several_parts_expected_at_once() -> None:
    """All of them must close."""
    told = Told()
    fan = a_fan(told)
    fan.expect(2)
    fan.close()
    fan.acknowledged(10)

    assert told.closed == []

    fan.acknowledged(10)

    assert len(told.closed) == 1


def test_a_walk_that_begins() -> None:
    """Its record is under way: a drain waits for it."""
    ledger = a_ledger()

    a_fan(Told(), ledger)

    assert ledger.in_flight == 1


def test_a_partition_on_its_way_to_another_owner() -> None:
    """Its fans start nothing more; once it is gone they write no retries either."""
    ledger = a_ledger()
    fan = a_fan(Told(), ledger)
    assert (fan.stopping, fan.retired) == (False, False)

    ledger.draining = True
    assert (fan.stopping, fan.retired) == (True, False)

    ledger.retire()
    assert (fan.stopping, fan.retired) == (True, True)


@pytest.mark.parametrize(("value", "expected"), [(None, 0), (b"", 0), (b"x" * 700, 700)])
def test_what_a_record_costs(value: bytes | None, expected: int) -> None:
    """Its value, and what is held besides."""
    assert expected + RECORD_BYTES == size_in_memory(Fetched(value))
