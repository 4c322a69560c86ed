"""kill -9 in the middle of 20,000 events, and a restart: nothing lost, repeats carry the same id (P1, P3)."""

import asyncio
import signal
from collections import Counter
from pathlib import Path

import pytest

from tests.kafka.driver import Relay, an_event, until
from tests.kafka.journal import Journal

pytestmark = pytest.mark.kafka

EVENTS = 20_000
# A commit a second; on a busy machine it waits a second for what it covers to be told, and is on its way for two.
COMMITTED_S = 4.0


async def test_no_delivery_is_lost_when_the_worker_is_killed_and_repeats_have_equal_ids(
    kafka: str, prefix: str, tmp_path: Path
) -> None:
    """Counted at the receiver and in the results; what is sent again is within what was not yet committed."""
    async with Journal() as journal:
        with Relay(kafka, prefix, tmp_path) as relay:
            await relay.prepare()
            await relay.subscribe("ok", journal.url("ok/a"))
            await relay.emit(an_event(f"lead-{n}") for n in range(EVENTS))
            worker = relay.worker()
            await until(lambda: len(journal.calls) >= EVENTS // 2, 60)

            await relay.end(worker, signal.SIGKILL)
            before = len(journal.calls)
            recent = sum(call.at > asyncio.get_running_loop().time() - COMMITTED_S for call in journal.calls)
            worker = relay.worker()
            await until(lambda: len({call.event["resource_id"] for call in journal.calls}) == EVENTS, 120)
            await until(lambda: relay.lag_is(0))
            assert await relay.end(worker) == 0

            by_lead: dict[str, set[str]] = {}
            for call in journal.calls:
                by_lead.setdefault(call.event["resource_id"], set()).add(call.id)
            assert len(by_lead) == EVENTS
            assert all(len(ids) == 1 for ids in by_lead.values())
            assert len({call.id for call in journal.calls}) == EVENTS
            told = Counter(row["delivery_id"] for row in await relay.results() if row["verdict"] == "delivered")
            assert set(told) == {call.id for call in journal.calls}
            repeats = len(journal.calls) - EVENTS
            print(f"killed after {before} of {EVENTS}; lost 0, sent twice {repeats} of {recent} within {COMMITTED_S} s")
            assert repeats <= min(recent, before * 4 // 5)  # on a quiet machine all of it is recent, and most committed
