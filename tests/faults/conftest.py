"""A Kafka of the suite's own needs Java and Maven; without them its tests are skipped, but not in CI."""

import shutil

import pytest

from tests.absent import without


@pytest.fixture
def java() -> None:
    missing = [program for program in ("java", "mvn") if shutil.which(program) is None]
    if missing:
        without(f"{missing}", f"{missing} not there: the cluster of the fault suite is its own")
