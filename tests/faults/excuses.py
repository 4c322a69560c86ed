"""
Which requests may come twice (promise P4), and which pair of requests is explained by what happened. Pure.

A repeat is explained when the attempt before it was in the reach of a fault: open at a `kill -9` or settled within one
commit interval before it; open for longer than the drain while the group rebalanced; and so on, `Excuse` by `Excuse`.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from math import inf

from tests.faults.history import Excuse, Request, Window, Written

COMMIT_S = 2.0  # settled so long before a crash may be uncommitted: the interval of 1 s, and a commit that is slow
DRAIN_S = 3.0  # RELAY_REBALANCE_DRAIN_S
WAKE_S = 3.0  # until a worker that was frozen knows that others have its partitions: a heartbeat, and a slow machine
LONGEST_S = 20.0  # that a request can be open: far beyond the timeout


def reached(window: Window, request: Request, source: Written | None) -> bool:
    """Whether what happened in this window may make this request come again."""
    match window.excuse:
        case Excuse.CRASH:
            return _uncommitted(request, window.since)
        case Excuse.ZOMBIE:
            return _uncommitted(request, window.since) or window.until <= request.began <= window.until + WAKE_S
        case Excuse.REBALANCE:
            lasted = request.ended - max(request.began, window.since - DRAIN_S)
            return window.since <= request.ended and request.began <= window.until and lasted >= 0.9 * DRAIN_S
        case Excuse.BROKER:
            return window.since - COMMIT_S <= request.ended and request.began <= window.until + COMMIT_S
        case Excuse.RESET:
            # what was settled above the old offset was known by its map, which is gone with it
            moved = window.first <= (source.offset if source else -1)
            return moved and _in(window, source) and request.began <= window.until
        case Excuse.CUT:
            return _in(window, source) and request.began <= window.until


def _uncommitted(request: Request, at: float) -> bool:
    return request.began <= at and request.ended >= at - COMMIT_S


def _in(window: Window, source: Written | None) -> bool:
    return source is not None and source.at == (window.topic, window.partition)


class Excuses:
    """The windows of a run, asked for pairs of requests."""

    def __init__(self, windows: Sequence[Window], requests: Sequence[Request], sources: Mapping[str, Written]) -> None:
        """
        Args:
            windows: What happened.
            requests: All of the run, in order of beginning.
            sources: Delivery id -> its event.
        """
        self._sources = sources
        self._starts = [request.began for request in requests]
        self._requests = requests
        self._windows = windows

    def explain(self, earlier: Request, later: Request) -> Window | None:
        """What explains that the second came although the first had come; None: nothing does."""
        source = self._sources.get(later.id)
        for window in self._windows:
            if window.since > later.began:
                continue
            woke = window.excuse is Excuse.ZOMBIE and window.until <= later.began <= window.until + WAKE_S
            if woke or reached(window, earlier, source):
                return window
        return None

    def disturbed(self, since: float, until: float) -> bool:
        """Whether anything happened meanwhile that moves partitions, so that what a worker remembers is gone."""
        return any(window.since <= until and window.until >= since - COMMIT_S for window in self._windows)

    def bound(self) -> dict[Excuse, int]:
        """How many requests were in the reach of each kind: so many repeats may there be, and no more."""
        found: dict[Excuse, set[int]] = {}
        for window in self._windows:
            reach = found.setdefault(window.excuse, set())
            reach.update(n for n in self._near(window) if self._reached(window, n))
        return {excuse: len(reach) for excuse, reach in found.items()}

    def _reached(self, window: Window, n: int) -> bool:
        request = self._requests[n]
        return reached(window, request, self._sources.get(request.id))

    def _near(self, window: Window) -> Iterator[int]:
        everything = window.excuse in {Excuse.RESET, Excuse.CUT}
        first = -inf if everything else window.since - LONGEST_S
        last = inf if everything else window.until + LONGEST_S
        yield from range(bisect_left(self._starts, first), bisect_right(self._starts, last))
