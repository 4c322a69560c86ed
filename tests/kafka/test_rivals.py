"""Two workers that were given one RELAY_INSTANCE_ID."""

from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError

from relay.pipeline.client import fenced
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


async def test_what_a_group_answers_whose_place_is_another_s_is_known_as_that(kafka: str, prefix: str) -> None:
    """A member that asks to join as what it was; the client has no word for the answer, and joins as that for ever."""
    async with AsyncExitStack() as stack:

        async def member() -> AIOKafkaConsumer:
            consumer = AIOKafkaConsumer(
                f"{prefix}.events",
                bootstrap_servers=kafka,
                group_id=f"{prefix}.group",
                group_instance_id="box-1",
                enable_auto_commit=False,
                heartbeat_interval_ms=60_000,  # its refusal would be heard first, and mean less
                session_timeout_ms=90_000,
            )
            await consumer.start()
            stack.push_async_callback(consumer.stop)
            return consumer

        first, _ = await member(), await member()
        first._coordinator.request_rejoin()  # as a topic that has grown would have it

        with pytest.raises(KafkaError) as told:
            await first.getmany(timeout_ms=20_000)

    assert fenced(told.value)
    assert not fenced(KafkaError("UnknownError()"))
