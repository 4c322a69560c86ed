"""
relay's own worker but for its patience with endpoints, in a process of its own: `python -m tests.kafka.hasty`.

It takes a second for relay's minute of 410s, and two for its hour of failures.
"""

import sys

from relay.cli.app import main
from relay.pipeline import wiring

GONE_OVER_S = 1.0
FAILING_AFTER_S = 2.0


if __name__ == "__main__":
    wiring.GONE_OVER_S = GONE_OVER_S  # type: ignore[attr-defined]
    wiring.FAILING_AFTER_S = FAILING_AFTER_S  # type: ignore[attr-defined]
    sys.exit(main(["worker"]))
