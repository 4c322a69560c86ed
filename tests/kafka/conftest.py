"""A broker of a test's own."""

from collections.abc import Iterator

import pytest

from tests.kafka.server import Server


@pytest.fixture
def broker(server: Server) -> Iterator[Server]:
    """One that a test may kill or stop; `server` says whether there can be one."""
    if server.process is None:
        pytest.skip("RELAY_TEST_KAFKA names one that is not ours to kill")
    with Server.start() as one:
        yield one
