"""
`relay worker` as the fault suite starts it, sound or with one deliberate break: can the oracle see?

`RELAY_TEST_BREAK=no-map` commits offsets without what is settled above them; `commit-early` commits what was read
rather than what has its outcome. Production code knows of neither.
"""

import os
import sys
from collections.abc import Sequence
from dataclasses import replace

from relay.cli.app import main
from relay.model import Record
from relay.pipeline.ledger import Commit, Ledger
from relay.pipeline.settled import CHARACTERS

_snapshot, _take = Ledger.snapshot, Ledger.take


def _no_map(ledger: Ledger, nonce: bytes = bytes(8), characters: int = CHARACTERS) -> Commit | None:
    commit = _snapshot(ledger, nonce, characters)
    return commit and replace(commit, metadata="")


def _settle_what_is_taken(ledger: Ledger, records: Sequence[Record]) -> list[Record]:
    taken = _take(ledger, records)
    for record in taken:
        ledger.settle(record.offset)
    return taken


def broken(name: str) -> None:
    """Break what the name says; nothing when there is none."""
    match name:
        case "no-map":
            Ledger.snapshot = _no_map  # type: ignore[assignment, method-assign]
        case "commit-early":
            Ledger.take = _settle_what_is_taken  # type: ignore[assignment, method-assign]


if __name__ == "__main__":
    broken(os.environ.get("RELAY_TEST_BREAK", ""))
    sys.exit(main(["worker"]))
