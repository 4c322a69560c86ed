"""What every test may use: coroutine tests, Hypothesis profiles, a real Kafka, the embedded broker."""

import asyncio
import inspect
import os
import uuid
from collections.abc import Iterator

import pytest
import structlog
import uvloop
from hypothesis import HealthCheck, settings

from tests.kafka.server import NoKafka, Server

UNIT_S = 60  # of a coroutine test; the slowest takes a few seconds, a shared machine may need ten times that
KAFKA_S = 240  # of one that drives real processes and a real broker

# Shared machines make single examples slow for no reason of ours, so no deadline an example; the test has one.
settings.register_profile("fast", max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("deep", max_examples=2_000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fast"))


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """A coroutine test runs on uvloop, as relay does, in a loop of its own."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    arguments = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}
    seconds = KAFKA_S if pyfuncitem.get_closest_marker("kafka") else UNIT_S

    async def bounded() -> None:
        async with asyncio.timeout(seconds):
            await pyfuncitem.obj(**arguments)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(bounded())
    return True


@pytest.fixture(autouse=True)
def plain_log() -> None:
    """Whatever a command that ran in this process has made of the log."""
    structlog.reset_defaults()


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """A real Apache Kafka, one for the whole run."""
    try:
        one = Server.start(log_cleaner_backoff_ms="500")  # compaction within a second, where a test asks for it
    except NoKafka as reason:
        if os.environ.get("CI") == "true":
            pytest.fail(f"CI=true and no real Kafka: {reason}")
        pytest.skip(str(reason))
    with one:
        yield one


@pytest.fixture
def kafka(server: Server) -> str:
    """The bootstrap servers of a real Kafka."""
    return server.bootstrap


@pytest.fixture
def prefix() -> str:
    """A topic prefix that no other test has."""
    return f"t{uuid.uuid4().hex[:10]}"
