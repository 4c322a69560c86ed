"""
The requests that a worker may have under way, shared between accounts. Pure.

Nobody is told a fixed part, for most would stand empty: whoever has the fewest goes first, and an eighth is kept for
receivers that are known to answer, and for the first request to one, so that one that hangs cannot take them all. Nor
can many: half of what is kept is for those that answer now, and whoever is in trouble has at most half of all.
"""

from collections.abc import Iterable
from enum import IntEnum

KEPT_SHARE = 8


class Standing(IntEnum):
    """What is known of a receiver when a request to it begins: an index, for it is counted by with every delivery."""

    WELL = 0  # it answers
    UNKNOWN = 1  # nothing was heard of it lately
    TROUBLED = 2  # what was last heard of it was trouble


def share(partitions: Iterable[tuple[int, int]]) -> float:
    """
    What part of a subscription's bounds is this worker's: the partitions that it has, of all that there are.

    Args:
        partitions: Held, and existing, of events and of deliveries. Over all workers it is 1, or less for a moment.
    """
    held, existing = (sum(numbers) for numbers in zip(*partitions, strict=True))
    return min(1.0, held / existing) if existing else 0.0


class Places:
    """Taken when an attempt begins, left when it is over."""

    __slots__ = ("_kept", "_standing", "_taken", "accounts", "in_flight", "lanes", "total")

    def __init__(self, total: int) -> None:
        self.total = total  # RELAY_IN_FLIGHT
        self.in_flight = 0
        self.accounts = 1  # that have work now, at least 1
        self.lanes = 1  # likewise
        self._kept = total // KEPT_SHARE
        self._taken: dict[str, int] = {}
        self._standing = [0] * len(Standing)  # of those that have one, as they stood when they took it

    @property
    def share(self) -> int:
        """What an account can count on."""
        return max(1, self.total // self.accounts)

    @property
    def ample(self) -> bool:
        """Whether there is one for whoever comes, however they stand: no standing has as many as it may."""
        return 2 * self.in_flight < self.total - self._kept

    @property
    def plenty(self) -> bool:
        """Whether there is one for whoever comes."""
        return self.total - self.in_flight > self._kept

    def of(self, account: str) -> int:
        """How many it has."""
        return self._taken.get(account, 0)

    def free(self, account: str, *, has: int, standing: Standing) -> bool:
        """
        Whether there is one.

        Args:
            account: For whom.
            has: How many its receiver has.
            standing: Of its receiver.
        """
        if self.in_flight >= self.total or self._crowded(standing):
            return False
        if self.plenty or not has:
            return True
        if self.total - self.in_flight <= self._kept // KEPT_SHARE:
            return False  # an eighth of what is kept is for first requests alone
        own = has < self._kept // self.lanes  # whatever others of its account have
        fair = self.of(account) < self.share and has < self.total // self.lanes
        return standing is Standing.WELL and (own or fair)

    def _crowded(self, standing: Standing) -> bool:
        """Whether others of this standing have as many as they may: never so many that one of another finds none."""
        troubled = self._standing[Standing.TROUBLED]
        match standing:
            case Standing.WELL:
                return False
            case Standing.UNKNOWN:
                return self._standing[Standing.UNKNOWN] + troubled >= self.total - self._kept // 2
            case Standing.TROUBLED:
                return troubled >= max(1, self.total // 2)

    def take(self, account: str, standing: Standing) -> None:
        self.in_flight += 1
        self._standing[standing] += 1
        self._taken[account] = self._taken.get(account, 0) + 1

    def leave(self, account: str, standing: Standing) -> None:
        """
        One is free again.

        Args:
            account: Whose it was.
            standing: As it was taken with.
        """
        self.in_flight -= 1
        self._standing[standing] -= 1
        left = self._taken[account] - 1
        if left:
            self._taken[account] = left
        else:
            del self._taken[account]
