"""What a test needs and the machine does not have."""

import os
from typing import NoReturn

import pytest


def without(what: str, reason: object) -> NoReturn:
    """The test is skipped; with CI=true, where everything must be there, it fails."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"CI=true and no {what}: {reason}")
    pytest.skip(str(reason))
