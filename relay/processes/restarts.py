"""
What follows when one of several workers has ended, and with which status all of them end. Pure.

    a worker ended                          then
    with 2                                  all are stopped: what it was told is wrong, and would be again at once
    after a good run, however               it is started again, at once
    soon after its start, again and again   it is started again, each time later; at the fifth in a row all are stopped

A worker that ends with 0 unasked (somebody stopped it alone) is started again like any other. Statuses are as the
operating system tells them to a parent: a signal's number, negative, where one ended it.
"""

import signal
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from relay.errors import Invalid
from relay.pipeline.watch import STUCK_S

# It joined, worked and committed: what ended it after so long is news, not the same fault once more. A worker that
# always sticks lives for its start and the watchdog's patience, so a good run is much longer than that.
FRESH_S = 3 * STUCK_S
# before the next start, by deaths in a row: at once after the first, for its partitions stand still; then each time
# longer, so that what is wrong has time to pass and the group is not rebalanced every second
PAUSES_S = (0.0, 1.0, 2.0, 4.0)
_SIGNALLED = 128  # and the signal, as shells have it
# A worker that has begun takes both signals as its order to drain; one that died of them had not begun, or had ended.
_QUIET = {0, -signal.SIGTERM, -signal.SIGINT, _SIGNALLED + signal.SIGINT}


class Reason(StrEnum):
    """Why all are stopped."""

    MISCONFIGURED = "misconfigured"
    KEEPS_DYING = "keeps_dying"


@dataclass(frozen=True, slots=True, kw_only=True)
class Restart:
    """Start it again."""

    after_s: float
    deaths: int  # in a row without a good run between them, this one included


@dataclass(frozen=True, slots=True, kw_only=True)
class GiveUp:
    """Stop them all, and end with this status."""

    status: int  # never 0
    because: Reason


def after_end(status: int, *, ran_s: float, deaths: int) -> Restart | GiveUp:
    """
    What follows when a worker that was not told to has ended.

    Args:
        status: As the operating system tells it: a signal is negative.
        ran_s: From its start to its end, seconds.
        deaths: Before this one, in a row without a good run between them.
    """
    if status == Invalid.exit_code:
        return GiveUp(status=status, because=Reason.MISCONFIGURED)
    deaths = 1 if ran_s >= FRESH_S else deaths + 1
    if deaths > len(PAUSES_S):
        return GiveUp(status=as_shell(status) or 1, because=Reason.KEEPS_DYING)
    return Restart(after_s=PAUSES_S[deaths - 1], deaths=deaths)


def together(statuses: Iterable[int]) -> int:
    """The exit status of all that were told to stop: 0 if each ended as it was told, else that of the first to fail."""
    return next((as_shell(status) for status in statuses if status not in _QUIET), 0)


def as_shell(status: int) -> int:
    """
    A status that a process can end with.

    >>> as_shell(3), as_shell(-9)
    (3, 137)
    """
    return status if status >= 0 else _SIGNALLED - status
