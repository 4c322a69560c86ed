"""
The requests that a worker may have under way, shared between accounts. Pure.

Nobody is told a fixed part, for most would stand empty: whoever has the fewest goes first, and an eighth is kept, half
for receivers that are known to answer, and half for these and the first request to one that nothing bad is known of. So
those that hang cannot take them all, however many they are.
"""

from collections.abc import Iterable

KEPT_SHARE = (
    8  # one of so many: enough for all that answer within milliseconds, and little for whoever could use it all
)


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

    __slots__ = ("_kept", "_taken", "accounts", "in_flight", "total")

    def __init__(self, total: int) -> None:
        self.total = total  # RELAY_IN_FLIGHT
        self.in_flight = 0
        self.accounts = 1  # that have work now, at least 1
        self._kept = total // KEPT_SHARE
        self._taken: dict[str, int] = {}

    @property
    def share(self) -> int:
        """What an account can count on."""
        return max(1, self.total // self.accounts)

    @property
    def none(self) -> bool:
        """Whether all are taken."""
        return self.in_flight >= self.total

    @property
    def plenty(self) -> bool:
        """Whether there is one for whoever comes."""
        return self.total - self.in_flight > self._kept

    def of(self, account: str) -> int:
        """How many it has."""
        return self._taken.get(account, 0)

    def free(self, account: str, *, first: bool, well: bool) -> bool:
        """
        Whether there is one.

        Args:
            account: For whom.
            first: Its receiver has none, and nothing bad is known of it.
            well: Its receiver answers.
        """
        if self.plenty:
            return True
        if well and self.of(account) < self.share:
            return not self.none
        return first and self.total - self.in_flight > self._kept // 2

    def take(self, account: str) -> None:
        self.in_flight += 1
        self._taken[account] = self._taken.get(account, 0) + 1

    def leave(self, account: str) -> None:
        self.in_flight -= 1
        left = self._taken[account] - 1
        if left:
            self._taken[account] = left
        else:
            del self._taken[account]
