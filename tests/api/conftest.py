"""A console on an embedded broker, one for all tests of a file."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from relay.embedded import EmbeddedBroker
from tests.api.driver import Console, run


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Console]:
    folder: Path = tmp_path_factory.mktemp("console")
    with EmbeddedBroker() as broker, Console(folder, broker.bootstrap, f"t{uuid.uuid4().hex[:10]}") as one:
        run(one.make_topics())
        one.start()
        run(one.ready())
        yield one
