"""
Which lanes may begin something, as far as is known, and which of them is next. Pure.

A few are looked at at a time, for there may be thousands; and what may not begin now is set aside, so that it does not
stand before what may: until its time has come, until there is a place, or until something of its own changes.
"""

import math
from collections import OrderedDict
from itertools import islice
from typing import Generic, TypeVar

from relay.pipeline.alarms import Alarms
from relay.pipeline.lane import Lane
from relay.pipeline.places import Places

T = TypeVar("T")

LOOKED_AT = 16  # lanes that could begin something, of which the fairest does; the others are looked at next time


class Able(Generic[T]):
    """Lanes in which something waits."""

    def __init__(self, places: Places) -> None:
        self._places = places
        self._lanes: OrderedDict[str, Lane[T]] = OrderedDict()
        self._paced: Alarms[Lane[T]] = Alarms()  # they wait for a time: of their rate, their circuit, their limit
        self._placeless: OrderedDict[str, Lane[T]] = OrderedDict()  # they found no place

    def put(self, lane: Lane[T]) -> None:
        """It may be able to begin something."""
        self._placeless.pop(lane.id, None)
        self._lanes[lane.id] = lane

    def drop(self, lane: Lane[T]) -> None:
        """It has nothing to begin."""
        self._lanes.pop(lane.id, None)
        self._placeless.pop(lane.id, None)
        self._paced.discard(lane.id)

    def freed(self) -> None:
        """A place may be free: some of those that found none are looked at again."""
        for _ in range(min(LOOKED_AT, len(self._placeless))):
            id_, lane = self._placeless.popitem(last=False)
            self._lanes[id_] = lane

    def tick(self, now_s: float) -> None:
        """Lanes that waited for this time go on; who is well by now, or is so no more, is known by time alone."""
        for lane in self._paced.due(now_s):
            self.put(lane)
        self.freed()

    def next_s(self) -> float:
        """When the next of them goes on; never, if there is none."""
        return self._paced.next_s()

    def fairest(self, now_s: float) -> Lane[T] | None:
        """Of some that may begin something, one of the account with the fewest requests under way."""
        best: Lane[T] | None = None
        if not self._lanes:
            return None
        if len(self._lanes) == 1:  # as nearly always, while all are well
            only = next(iter(self._lanes.values()))
            return only if self._may(only, now_s) else None
        fewest = (math.inf, math.inf)
        while best is None and self._lanes:
            for id_ in list(islice(self._lanes, LOOKED_AT)):
                lane = self._lanes[id_]
                if not self._may(lane, now_s):
                    continue
                self._lanes.move_to_end(id_)
                count = (self._places.of(lane.account), lane.in_flight)
                if count < fewest:
                    best, fewest = lane, count
        return best

    def _may(self, lane: Lane[T], now_s: float) -> bool:
        """Whether it may begin something; else it is set aside, and whatever makes it able again puts it back."""
        if (next_s := lane.next_s()) > now_s:
            del self._lanes[lane.id]
            if next_s < math.inf:
                self._paced.set(lane.id, lane, next_s)
            return False
        if self._places.ample:
            return True
        if not self._places.free(lane.account, has=lane.in_flight, standing=lane.heard.standing(now_s)):
            del self._lanes[lane.id]
            self._placeless[lane.id] = lane
            return False
        return True
