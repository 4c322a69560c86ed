"""A Kafka of the suite's own needs Java and Maven; without them its tests are skipped, but not in CI."""

import os
import shutil

import pytest


@pytest.fixture
def java() -> None:
    missing = [program for program in ("java", "mvn") if shutil.which(program) is None]
    if missing and os.environ.get("CI") == "true":
        pytest.fail(f"CI=true and no {missing}")
    if missing:
        pytest.skip(f"{missing} not there: the cluster of the fault suite is its own")
