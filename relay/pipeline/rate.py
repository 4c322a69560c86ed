"""
At most so many a second, evenly spaced. Pure.

The generic cell rate algorithm (ITU-T I.371): one number a lane, the time at which the latest one was due. When the
next one is follows from the rate as it is by then, so that one that was raised is in force at once.
"""

import math

SLACK_S = 0.02  # a start that comes this much late is made up for: timers and a busy loop are never on the dot


class Rate:
    """When the next may start. In any T seconds at most `per_s` x (T + SLACK_S) + 1 do."""

    __slots__ = ("_due_s",)

    def __init__(self) -> None:
        self._due_s = -math.inf

    def ready_s(self, per_s: float) -> float:
        """From when on the next one may start; never, at 0 a second."""
        return self._due_s + 1 / per_s if per_s > 0 else math.inf

    def take(self, per_s: float, now_s: float) -> None:
        """One starts."""
        self._due_s = max(self.ready_s(per_s), now_s - SLACK_S)

    def quiet(self, per_s: float, now_s: float) -> bool:
        """Whether nothing is lost if it is forgotten: one that is new would let as much through."""
        return self.ready_s(per_s) <= now_s - SLACK_S
