"""How long readers may be held up for receivers that are well but slower than what comes. Pure."""

import math

SHARE = 0.02  # of the time: nobody else notices it
MOST_S = 0.5  # at once


class Allowance:
    """Grows with time up to what may be spent at once, and is spent by waiting."""

    __slots__ = ("_at_s", "_left_s")

    def __init__(self) -> None:
        self._left_s = MOST_S
        self._at_s = -math.inf

    def left(self, now_s: float) -> bool:
        """Whether somebody may wait now."""
        self._left_s = min(self._left_s + SHARE * (now_s - self._at_s), MOST_S)
        self._at_s = now_s
        return self._left_s > 0

    def spent(self, seconds: float) -> None:
        """Somebody has waited so long."""
        self._left_s -= seconds
