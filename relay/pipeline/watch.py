"""
Whether something that should move has stood still for too long. Pure.

Heartbeats say that a process lives, not that it works: peers were seen to sit for hours with healthy heartbeats and
growing lag (confluentinc/parallel-consumer#857, aio-libs/aiokafka#1037). So each part is looked at for what it has to
do, and whether any of it was done since; a broker that does not answer is no standstill, nor is a wait with a reason.
"""

from dataclasses import dataclass

STUCK_S = 60.0  # longer than a rebalance, a reconnect or a receiver's timeout; short enough that nobody need be woken


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """One part of the worker, looked at."""

    moved: int  # rises with everything that it does
    due: str | None  # what it has to do by now; None: nothing
    held: bool = False  # with a reason: an attempt within its timeout, a timer, a pause


class Watch:
    """One part over time."""

    def __init__(self, stuck_s: float) -> None:
        self._stuck_s = stuck_s
        self._moved = -1
        self._since_s: float | None = None  # of the standstill

    def see(self, sight: Sight, *, answers: bool, now_s: float) -> str | None:
        """
        What has stood still for too long; None: all is well, or may be yet.

        Args:
            sight: The part as it is.
            answers: Whether the broker does; one that does not is no standstill of ours.
            now_s: On a clock that is never set.
        """
        moved, self._moved = sight.moved != self._moved, sight.moved
        if moved or sight.held or sight.due is None or not answers:
            self._since_s = None
            return None
        if self._since_s is None:
            self._since_s = now_s
        if now_s - self._since_s < self._stuck_s:
            return None
        return f"{sight.due}, and nothing of it has moved for {now_s - self._since_s:.0f} s"
