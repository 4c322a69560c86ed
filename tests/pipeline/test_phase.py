"""The life of an assignment, step by step."""

from collections.abc import Callable

import pytest

from relay.pipeline.ledger import Ledger
from relay.pipeline.phase import COMMITTABLE, HELD_BACK, UNDECIDED, Phase


def phased(phase: Phase) -> Ledger:
    """One in this phase."""
    ledger = Ledger("leads.events", 0, generation=1)
    if phase is not Phase.LOADING:
        ledger.begin(0)
    steps: dict[Phase, Callable[[], object]] = {
        Phase.DRAINING: ledger.drain,
        Phase.DOUBTED: ledger.doubt,
        Phase.SUSPENDED: ledger.suspend,
        Phase.CLOSING: ledger.close,
        Phase.RETIRED: ledger.retire,
    }
    steps.get(phase, lambda: None)()
    assert ledger.phase is phase
    return ledger


@pytest.mark.parametrize(
    ("phase", "drained", "suspended", "closed"),
    [
        (Phase.LOADING, Phase.LOADING, Phase.RETIRED, Phase.RETIRED),
        (Phase.OPEN, Phase.DRAINING, Phase.SUSPENDED, Phase.CLOSING),
        (Phase.DRAINING, Phase.DRAINING, Phase.SUSPENDED, Phase.CLOSING),
        (Phase.DOUBTED, Phase.DRAINING, Phase.SUSPENDED, Phase.RETIRED),
        (Phase.SUSPENDED, Phase.SUSPENDED, None, Phase.RETIRED),
        (Phase.CLOSING, Phase.CLOSING, Phase.RETIRED, Phase.CLOSING),
        (Phase.RETIRED, Phase.RETIRED, Phase.RETIRED, Phase.RETIRED),
    ],
)
def test_a_step_of_its_life(phase: Phase, drained: Phase, suspended: Phase | None, closed: Phase) -> None:
    """A retired one is never anything else again; one that was not read, or goes down, is never suspended."""
    one, other, third = (phased(phase) for _ in range(3))

    one.drain()
    assert drained is one.phase
    if suspended is not None:
        other.suspend()
        assert suspended is other.phase
    third.close()
    assert closed is third.phase


def test_nothing_is_started_or_committed_where_it_may_be_anothers() -> None:
    """What is held back is undecided, and none of it may be committed."""
    assert HELD_BACK < UNDECIDED
    assert not HELD_BACK & COMMITTABLE
