"""
relay's own worker but for its patience with endpoints, in a process of its own: `python -m tests.kafka.hasty KIND`.

It takes a second for relay's minute of 410s (`gone`), or two for its hour of failures (`failing`).
"""

import sys

from relay.cli.app import main
from relay.pipeline import wiring

GONE_OVER_S = 1.0
FAILING_AFTER_S = 2.0


if __name__ == "__main__":
    if sys.argv[1] == "gone":
        wiring.GONE_OVER_S = GONE_OVER_S  # type: ignore[attr-defined]
    else:
        wiring.FAILING_AFTER_S = FAILING_AFTER_S  # type: ignore[attr-defined]
    sys.exit(main(["worker"]))
