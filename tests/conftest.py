"""What every test may use: coroutine tests, Hypothesis profiles, a real Kafka, a real PostgreSQL."""

import asyncio
import inspect
import os
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import structlog
import uvloop
from hypothesis import HealthCheck, settings

from tests.absent import without
from tests.contracts import postgresql as databases
from tests.kafka.server import NoKafka, Server

UNIT_S = 60  # of a coroutine test; the slowest takes a few seconds, a shared machine may need ten times that
KAFKA_S = 240  # of one that drives real processes and a real broker

# Shared machines make single examples slow for no reason of ours, so no deadline an example; the test has one.
settings.register_profile("fast", max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("deep", max_examples=2_000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fast"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that take minutes begin first, so that what runs side by side ends together."""

    def turn(item: pytest.Item) -> int:
        return 0 if "faults" in item.path.parts else 1 if item.get_closest_marker("kafka") else 2

    items.sort(key=turn)


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
        without("real Kafka", reason)
    with one:
        yield one


@pytest.fixture(scope="session")
def postgresql() -> Iterator[databases.Server]:
    """A real PostgreSQL, one for the whole run."""
    try:
        one = databases.Server.start()
    except databases.NoPostgreSQL as reason:
        without("real PostgreSQL", reason)
    with one:
        yield one


@pytest.fixture(params=["sqlite", "postgresql"])
def new_url(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], str]:
    """The URL of an empty database, a new one each time."""
    numbers = iter(range(1_000))

    def url() -> str:
        name = f"h{abs(hash(tmp_path)):x}_{next(numbers)}"
        if request.param == "sqlite":
            return f"sqlite+aiosqlite:///{tmp_path / name}.db"
        server: databases.Server = request.getfixturevalue("postgresql")
        return server.database(name)

    return url


@pytest.fixture
def kafka(server: Server) -> str:
    """The bootstrap servers of a real Kafka."""
    return server.bootstrap


@pytest.fixture
def prefix() -> str:
    """A topic prefix that no other test has."""
    return f"t{uuid.uuid4().hex[:10]}"
