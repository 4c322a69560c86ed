"""What a history does not know yet, or any more, is said before it is taken for not delivered."""

import pytest

from relay.replay.hindsight import LATE_MS, unknown, waits
from relay.store.history.values import Age, Gap
from tests.builders import NOON_MS
from tests.replay.made import a_run

RUN = a_run(created_at="2019-06-07T12:00:00.000Z")  # noon
MONTH_S = 30 * 86_400


@pytest.mark.parametrize(
    ("as_of_ms", "said"),
    [(None, "read nothing yet"), (NOON_MS - 1, "as of 2019-06-07T11:59:59.999Z"), (NOON_MS, None), (NOON_MS + 1, None)],
)
def test_a_replay_waits_for_a_history_that_is_older_than_it(as_of_ms: int | None, said: str | None) -> None:
    """What was delivered a moment before is not in there yet, and would be sent again."""
    why = waits(Age(as_of_ms=as_of_ms, gaps=()), RUN)

    assert (why is None) == (said is None)
    assert (said or "") in (why or "")


def test_what_a_history_cannot_tell_is_said_before() -> None:
    """How far back it reaches, that its log has lost some, and how late it is where that matters."""
    gap = Gap(partition=0, incarnation=0, first_offset=1, end_offset=5, kind="lost")
    fine = unknown(Age(as_of_ms=NOON_MS - LATE_MS, gaps=()), RUN, retention_s=MONTH_S)
    late = unknown(Age(as_of_ms=NOON_MS - LATE_MS - 1, gaps=(gap,)), RUN, retention_s=MONTH_S)

    assert ("more than 720h ago, or was erased" in fine, "waits" in fine) == (True, False)
    assert "its log lost" in late
    assert "waits until it is known: it is as of" in late
