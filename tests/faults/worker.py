"""
`relay worker` as the fault suite starts it, sound or with one deliberate break: can the oracle see?

`RELAY_TEST_BREAK=no-map` commits offsets without what is settled above them; `commit-early` commits what was read
rather than what has its outcome. By `RELAY_TEST_CLOCK`, a file, its wall clock goes wrong. Production code knows of
none of these.
"""

import mmap
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from relay.cli.app import main
from relay.clock import SystemClock
from relay.model import Record
from relay.pipeline.ledger import Commit, Ledger
from relay.pipeline.settled import CHARACTERS

CLOCK_BYTES = 8  # milliseconds, signed, little-endian
_now_ms = SystemClock.now_ms
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


def stepped(file: Path) -> None:
    """The wall clock is wrong by what stands in the file, as it stands there whenever it is asked."""
    with file.open("rb") as opened:
        wrong = mmap.mmap(opened.fileno(), CLOCK_BYTES, access=mmap.ACCESS_READ)

    def now_ms(self: SystemClock) -> int:
        return _now_ms(self) + int.from_bytes(wrong[:], "little", signed=True)

    SystemClock.now_ms = now_ms  # type: ignore[method-assign]


if __name__ == "__main__":
    broken(os.environ.get("RELAY_TEST_BREAK", ""))
    if "RELAY_TEST_CLOCK" in os.environ:
        stepped(Path(os.environ["RELAY_TEST_CLOCK"]))
    sys.exit(main(["worker"]))
