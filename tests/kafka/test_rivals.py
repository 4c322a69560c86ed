"""Two workers that were given one RELAY_INSTANCE_ID."""

from pathlib import Path

import pytest

from tests.kafka.driver import Relay, an_event, until
from tests.kafka.journal import Journal

pytestmark = pytest.mark.kafka

NOTICED_S = 40  # three times a second or two, once both have started


async def test_of_two_workers_with_one_id_one_ends_and_says_why_and_the_other_goes_on(
    kafka: str, prefix: str, tmp_path: Path
) -> None:
    """The group would give the place of each to the other for ever, and every delivery be sent by both."""
    async with Journal() as journal:
        with Relay(kafka, prefix, tmp_path, RELAY_INSTANCE_ID="box-1") as relay:
            await relay.prepare()
            await relay.subscribe("one", journal.url("ok/a"))
            workers = [relay.worker(), relay.worker()]

            await until(lambda: any(worker.poll() is not None for worker in workers), NOTICED_S)
            gone = [worker for worker in workers if worker.poll() is not None]
            await relay.emit([an_event("lead-1")])
            await until(lambda: relay.lag_is(0))

            assert [2] == [worker.returncode for worker in gone]
            assert "RELAY_INSTANCE_ID=box-1 is another running worker" in relay.raw_logs()
            assert journal.of("ok/a")
