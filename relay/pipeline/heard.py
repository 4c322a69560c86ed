"""What was heard of a receiver lately, and what may be expected of it. Pure."""

import math

from relay.pipeline.places import Standing

PATIENCE_S = 1.0  # with a receiver that has not answered yet, and that nothing bad was heard of: most do so in less


class Heard:
    """Of one receiver: when it was asked, last answered well, and was last in trouble."""

    __slots__ = ("_asked_s", "_fresh_s", "_ok_s", "_troubled_s")

    def __init__(self, fresh_s: float) -> None:
        """
        Args:
            fresh_s: An answer says for so long that its receiver is well.
        """
        self._fresh_s = fresh_s
        self._asked_s = math.inf  # when the first was sent of those that are under way, or last were
        self._ok_s = self._troubled_s = -math.inf

    def forget(self) -> None:
        """It is another receiver; patience with it is had only once, or whoever changes it again and again has more."""
        self._ok_s = self._troubled_s = -math.inf

    def asked(self, now_s: float) -> None:
        """A request is sent, and no other is under way: the first, or after an answer. Patience begins anew."""
        if self.answers or math.isinf(self._asked_s):
            self._asked_s = now_s

    def answered(self, now_s: float) -> None:
        """Well."""
        self._ok_s = now_s

    def troubled(self, now_s: float) -> None:
        """As an overloaded one is."""
        self._troubled_s = now_s

    @property
    def answers(self) -> bool:
        """Whether it did when it was last heard of."""
        return self._ok_s > self._troubled_s

    def well(self, now_s: float) -> bool:
        """Whether it answers, and is merely busy."""
        return self.answers and now_s - self._ok_s < self._fresh_s

    def standing(self, now_s: float) -> Standing:
        """What is known of it now."""
        if self.well(now_s):
            return Standing.WELL
        return Standing.TROUBLED if self._troubled_s > self._ok_s else Standing.UNKNOWN

    def hopeful(self, now_s: float) -> bool:
        """Whether it may soon take more than it does: it is well, or has hardly been asked."""
        if self.well(now_s):
            return True
        return self._ok_s >= self._troubled_s and now_s - self._asked_s < PATIENCE_S
