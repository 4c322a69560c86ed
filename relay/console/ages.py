"""How old the history is, in words where that matters. Pure."""

from dataclasses import dataclass

from relay.store.history import values
from relay.store.history.values import Gap

UNREAD = "nothing was read yet"
SILENT = "the history's database does not answer"
LATE_S = 15.0  # the projector looks each 2 s where the log ends: later than this, something holds it up


@dataclass(frozen=True, slots=True, kw_only=True)
class Age:
    """How old what is shown is."""

    as_of_ms: int | None  # everything written before is in the history; None: nothing was read yet
    behind_s: float | None
    trouble: str | None  # in words, where it is late or cannot be told; None: it is as it should be
    gaps: tuple[Gap, ...] = ()


def aged(age: values.Age, now_ms: int) -> Age:
    """
    What it comes to.

    >>> aged(values.Age(as_of_ms=1_000, gaps=()), 61_000).trouble
    'it is 60 s behind the log'
    """
    if age.as_of_ms is None:
        return Age(as_of_ms=None, behind_s=None, trouble=UNREAD, gaps=age.gaps)
    behind_s = max(0.0, (now_ms - age.as_of_ms) / 1000)
    trouble = f"it is {behind_s:.0f} s behind the log" if behind_s > LATE_S else None
    return Age(as_of_ms=age.as_of_ms, behind_s=behind_s, trouble=trouble, gaps=age.gaps)
