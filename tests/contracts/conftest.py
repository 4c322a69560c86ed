"""The broker that every suite here has beside the real one."""

from collections.abc import Iterator

import pytest

from relay.embedded import EmbeddedBroker


@pytest.fixture(scope="module")
def embedded() -> Iterator[str]:
    """The bootstrap servers of an embedded broker."""
    with EmbeddedBroker() as broker:
        yield broker.bootstrap
