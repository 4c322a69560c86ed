"""
The lanes that there are: made when something comes, and forgotten when nothing has for a while. Pure.

A million subscriptions are no million lanes: of those without work a thousand are remembered for a minute, for what
their limit has grown to; longer only those of which something is known that a new lane would not know.
"""

from collections import Counter, OrderedDict
from collections.abc import Iterator
from typing import Generic, TypeVar

from relay.pipeline.lane import Lane

T = TypeVar("T")

IDLE_S = 60.0  # a lane without work is remembered for so long: what its limit has grown to
IDLE_LANES = 1_000  # and so many of them at most, 3 kB each,
IDLE_REMEMBERED = 10_000  # but for those that failed lately, or whose rate does not allow the next one yet
LOOKED_BACK = 2  # of these, each time that one more has no work: so that they do not grow while lanes come and go


class Known(Generic[T]):
    """By the subscription's id; and which of them have no work."""

    def __init__(self) -> None:
        self._lanes: dict[str, Lane[T]] = {}
        self._idle: OrderedDict[str, float] = OrderedDict()  # lanes without work, and since when
        self._of: Counter[str] = Counter()  # account -> its lanes

    def __len__(self) -> int:
        return len(self._lanes)

    def __iter__(self) -> Iterator[Lane[T]]:
        return iter(self._lanes.values())

    @property
    def accounts(self) -> int:
        """Whose lanes they are."""
        return len(self._of)

    @property
    def working(self) -> int:
        """How many have work."""
        return len(self._lanes) - len(self._idle)

    def get(self, id_: str) -> Lane[T] | None:
        return self._lanes.get(id_)

    def add(self, lane: Lane[T], now_s: float) -> None:
        """It is new, also where there was one of this id; it has no work yet."""
        if (old := self._lanes.get(lane.id)) is not None:
            self._left(old)
        self._lanes[lane.id] = lane
        self._of[lane.account] += 1
        self.rests(lane, now_s)

    def works(self, lane: Lane[T]) -> None:
        """It has something to do."""
        self._idle.pop(lane.id, None)

    def rests(self, lane: Lane[T], now_s: float) -> None:
        """It has nothing left to do."""
        self._idle[lane.id] = now_s
        self._idle.move_to_end(lane.id)
        if len(self._idle) > IDLE_LANES:
            for _ in range(min(LOOKED_BACK, len(self._idle) - IDLE_LANES)):
                self._look_back(now_s)

    def forget(self, now_s: float) -> None:
        """Lanes without work are forgotten in time, or when there are too many."""
        for _ in range(min(len(self._idle), IDLE_LANES)):
            if len(self._idle) <= IDLE_LANES and next(iter(self._idle.values())) > now_s - IDLE_S:
                return
            self._look_back(now_s)

    def _look_back(self, now_s: float) -> None:
        """Whoever has had no work for the longest is forgotten, or remembered for another while."""
        id_ = next(iter(self._idle))
        if self._lanes[id_].quiet(now_s) or len(self._idle) > IDLE_REMEMBERED:
            del self._idle[id_]
            self._left(self._lanes.pop(id_))
        else:
            self._idle[id_] = now_s
            self._idle.move_to_end(id_)

    def _left(self, lane: Lane[T]) -> None:
        self._of[lane.account] -= 1
        if not self._of[lane.account]:
            del self._of[lane.account]
