"""
What waits for one receiver, and in which order it goes: one first attempt of a lead at a time. Pure.

First attempts of a lead start in the order in which they came (promise P7); whoever waits behind one of its lead is not
ready, and holds up nobody else. Retries, deferrals and replays may overlap them, and go after first attempts.
"""

import math
from collections import OrderedDict
from collections.abc import Callable
from heapq import heappop, heappush
from itertools import takewhile
from typing import TYPE_CHECKING, Generic, TypeVar

from relay.pipeline.places import Standing

if TYPE_CHECKING:
    from relay.pipeline.lane import Lane

T = TypeVar("T")

FIRSTS_IN_A_ROW = 4  # then a late one goes, if one waits: retries get a fifth when there is not enough for all


class Waiting(Generic[T]):
    """One delivery in a lane, waiting or under way."""

    __slots__ = (
        "agreed",
        "begun_s",
        "gone",
        "lane",
        "lead",
        "leads",
        "number",
        "probe",
        "since_s",
        "size",
        "standing",
        "work",
    )

    def __init__(self, lane: "Lane[T]", work: T, *, lead: str | None, size: int, since_s: float) -> None:
        self.lane = lane
        self.work = work
        self.lead = lead  # None: it may overlap others of its lead
        self.size = size  # bytes
        self.since_s = since_s
        self.number = 0  # in the order in which they came
        self.leads = False  # it is its lead's first: others wait behind it
        self.agreed = 0  # how often its lane had begun anew when it began
        self.begun_s = math.inf
        self.standing = Standing.UNKNOWN  # of its receiver, when it begins
        self.probe = False
        self.gone = False  # begun, or put off: where it still stands among those that may go it is passed over


class Queue(Generic[T]):
    """Of one lane; a lead is busy from when its first is added until that is released."""

    __slots__ = ("_arrivals", "_aside", "_firsts", "_laters", "_leads", "_number", "_row", "size")

    def __init__(self) -> None:
        self.size = 0  # bytes of all that waits
        self._number = 0
        self._arrivals: OrderedDict[Waiting[T], None] = OrderedDict()  # all that waits, oldest first
        self._firsts: list[tuple[int, Waiting[T]]] = []  # of these, the ones that may go next, as heaps
        self._laters: list[tuple[int, Waiting[T]]] = []
        self._aside: list[Waiting[T]] = []  # whose fate is open
        self._leads: dict[str, OrderedDict[Waiting[T], None] | None] = {}  # busy ones, and what waits behind
        self._row = 0  # first attempts begun since the last late one

    def __len__(self) -> int:
        return len(self._arrivals)

    @property
    def eager(self) -> bool:
        """Whether one waits that no other of its lead is before, and whose fate is not known to be open."""
        return bool(self._firsts or self._laters)

    def add(self, one: Waiting[T]) -> None:
        """It waits here."""
        self._number += 1
        one.number = self._number
        self.size += one.size
        self._arrivals[one] = None
        if one.lead is None:
            heappush(self._laters, (one.number, one))
        elif one.lead not in self._leads:
            self._leads[one.lead] = None
            self._lead(one)
        elif (behind := self._leads[one.lead]) is not None:
            behind[one] = None
        else:
            self._leads[one.lead] = OrderedDict.fromkeys((one,))

    def take(self, may: Callable[[T], bool]) -> Waiting[T] | None:
        """The next that may begin, which does so now; those that may not are set aside, until `recall`."""
        while (one := self._next()) is not None:
            if one.gone:
                continue
            if may(one.work):
                self._leave(one)
                return one
            self._aside.append(one)
        return None

    def recall(self) -> bool:
        """What was set aside is asked again; whether there was anything."""
        aside, self._aside = self._aside, []
        for one in aside:
            if not one.gone:
                heappush(self._laters if one.lead is None else self._firsts, (one.number, one))
        return bool(aside)

    def remove(self, one: Waiting[T]) -> None:
        """It does not wait any more, and was not begun."""
        if one.lead is not None and not one.leads and (behind := self._leads[one.lead]) is not None:
            del behind[one]
        self._leave(one)
        self.release(one)

    def release(self, one: Waiting[T]) -> None:
        """It is over, or was removed: the next of its lead, if one waits, may go."""
        if not one.leads or one.lead is None:
            return
        if behind := self._leads[one.lead]:
            following, _ = behind.popitem(last=False)
            self._lead(following)
        else:
            del self._leads[one.lead]

    def since_s(self) -> float:
        """When the oldest of those came that could go; never, when there are none."""
        first = self._firsts[0][1].since_s if self._firsts else math.inf
        later = self._laters[0][1].since_s if self._laters else math.inf
        return min(first, later)

    def arrived(self, until_s: float = math.inf) -> list[Waiting[T]]:
        """All that waits and came by then, oldest first."""
        return list(takewhile(lambda one: one.since_s <= until_s, self._arrivals))

    def _lead(self, one: Waiting[T]) -> None:
        one.leads = True
        heappush(self._firsts, (one.number, one))

    def _next(self) -> Waiting[T] | None:
        if self._firsts and (self._row < FIRSTS_IN_A_ROW or not self._laters):
            self._row += 1
            return heappop(self._firsts)[1]
        self._row = 0
        return heappop(self._laters)[1] if self._laters else None

    def _leave(self, one: Waiting[T]) -> None:
        one.gone = True
        self.size -= one.size
        del self._arrivals[one]
        for heap in (self._firsts, self._laters):
            while heap and heap[0][1].gone:
                heappop(heap)
