"""
How many requests to one receiver may be under way at once: up on success, down on trouble. Pure.

Additive increase, multiplicative decrease, as TCP does it (RFC 5681): from its start it doubles with every round trip,
and after the first trouble it grows by one with every round trip. It never falls below one; where one is still too
many, there is a pause before the next, the longer the more often. Else a receiver that refuses within a moment would be
asked thousands of times a second, each costing what four deliveries do.
"""

import math

PAUSE_S = 0.05  # at first: a restart of the receiver is hardly noticed
PAUSE_MOST_S = 1.0  # then its circuit has enough outcomes to judge by, and one that is back is found within a second
CUT = 0.5  # of the limit, when a receiver is in trouble (RFC 5681, section 3.1)


class Limit:
    """The adaptive limit of one lane."""

    __slots__ = ("_cut_at_s", "_gentle_from", "_most", "_pause_s", "_value", "ready_s")

    def __init__(self, start: int, most: int) -> None:
        """
        Args:
            start: Where it begins.
            most: RELAY_IN_FLIGHT: it never exceeds what the worker has.
        """
        self._most = most
        self._value = float(min(start, most))
        self._gentle_from = math.inf  # from here on it grows by one a round trip
        self._cut_at_s = -math.inf
        self._pause_s = 0.0
        self.ready_s = -math.inf  # from when on the next may begin

    @property
    def value(self) -> int:
        """At least 1."""
        return int(self._value)

    @property
    def growing(self) -> bool:
        """Whether it has not found its height yet: it doubles, and there was no trouble."""
        return self._value < min(self._gentle_from, self._most)

    def near(self, in_flight: int) -> bool:
        """Whether so many under way come near it: a limit that nobody comes near says nothing, and stays."""
        return 2 * in_flight >= self._value

    def succeeded(self, *, pressed: bool) -> None:
        """A request was answered well; pressed: while it was one of as many as may be."""
        self._pause_s, self.ready_s = 0.0, -math.inf
        if not pressed:
            return
        step = 1 if self._value < self._gentle_from else 1 / self._value
        self._value = min(self._value + step, self._most)

    def troubled(self, begun_s: float, now_s: float) -> None:
        """A request failed as those to an overloaded receiver do; of all that were under way together one counts."""
        if begun_s >= self._cut_at_s:
            if self._value <= 1:
                self._pause_s = min(max(2 * self._pause_s, PAUSE_S), PAUSE_MOST_S)
                self.ready_s = now_s + self._pause_s
            self._value = max(1.0, self._value * CUT)
            self._gentle_from = self._value
            self._cut_at_s = now_s

    def restart(self) -> None:
        """The receiver was away: one at first, and then it doubles with every round trip, as from the start."""
        self._value, self._gentle_from = 1.0, math.inf
        self._pause_s, self.ready_s = 0.0, -math.inf
