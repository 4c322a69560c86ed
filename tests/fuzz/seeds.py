"""The seeds of each target: a line of base64 each, in `seeds/<target>.txt`; what a run finds is kept there too."""

from base64 import b64decode, b64encode
from collections.abc import Iterable
from pathlib import Path

SEEDS = Path(__file__).parent / "seeds"
KEPT = 300  # of a target: enough to start well, and replayed within a second
KEPT_BYTES = 1024  # of a seed; a larger one says nothing that a smaller could not


def read(target: str) -> list[bytes]:
    """In the order of the file."""
    return [b64decode(line, validate=True) for line in (SEEDS / f"{target}.txt").read_text("ascii").split()]


def keep(target: str, found: Iterable[bytes]) -> int:
    """The seeds that there are, and of those found the smallest, as many as there is room for; how many were added."""
    there = read(target)
    new = sorted({one for one in found if len(one) <= KEPT_BYTES} - set(there), key=lambda one: (len(one), one))
    new = new[: max(0, KEPT - len(there))]
    lines = [b64encode(one).decode() for one in (*there, *new)]
    (SEEDS / f"{target}.txt").write_text("".join(f"{line}\n" for line in lines), "ascii")
    return len(new)
