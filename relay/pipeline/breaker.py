"""
The circuit of one lane: closed, open for a while, then one probe. Pure.

    CLOSED --most of the latest failed--> OPEN --cooldown over, an attempt begins--> PROBING --delivered--> CLOSED
                                             |                                           |
                                             '<------- failed: twice the cooldown -------'

Fed by every outcome, so nothing is polled; the probe is a delivery that has come, so nothing is sent that nobody asked
for. Whoever meets an open circuit is put off, each by its own count of deferrals, so nobody comes back all at once.
"""

import math
from collections import deque
from dataclasses import dataclass
from enum import StrEnum

PARTS = 6  # of the window: evidence is kept in sums of a sixth of it each
HORIZON = 10  # windows: what is older says nothing of how a receiver is now
UNASKED_S = 86_400.0  # the longest that a delivery is put off for: whoever was has come back and asked, or nobody will
COOLDOWN_GROWTH = 2
COOLDOWN_MOST = 10  # times the first: whoever is away for a day is asked every few minutes, and back soon


class Circuit(StrEnum):
    """Of a lane."""

    CLOSED = "closed"
    OPEN = "open"
    PROBING = "probing"


@dataclass(frozen=True, slots=True)
class BreakerRules:
    """RELAY_BREAKER_*: when a circuit opens, and for how long."""

    share: float = 0.8  # of the attempts failed: who fails some of the time keeps its traffic
    attempts: int = 20  # at least: fewer may be chance
    window_s: float = 30.0  # over at least so long: a restart of the receiver is no reason
    cooldown_s: float = 30.0  # until the first probe


@dataclass(slots=True)
class _Sum:
    """Outcomes of one part of the window."""

    since_s: float
    ok: int = 0
    failed: int = 0


class Breaker:
    """The circuit of one lane, and what it knows of the latest outcomes."""

    __slots__ = ("_cooldown_s", "_latest", "_open_until_s", "_rules", "_state")

    def __init__(self, rules: BreakerRules) -> None:
        self._rules = rules
        self._state = Circuit.CLOSED
        self._latest: deque[_Sum] = deque()
        self._cooldown_s = rules.cooldown_s
        self._open_until_s = 0.0

    @property
    def state(self) -> Circuit:
        return self._state

    @property
    def open_until_s(self) -> float:
        """When an open one lets the probe through."""
        return self._open_until_s

    def blocks(self, now_s: float) -> bool:
        """Whether nothing may begin now."""
        return now_s < self.ready_s

    @property
    def ready_s(self) -> float:
        """From when on nothing blocks, though nothing else happens; never, while the probe is under way."""
        if self._state is Circuit.CLOSED:
            return -math.inf
        return math.inf if self._state is Circuit.PROBING else self._open_until_s

    def begin(self) -> bool:
        """An attempt begins, since nothing blocks it; whether it is the probe, whose outcome decides."""
        if self._state is Circuit.CLOSED:
            return False
        self._state = Circuit.PROBING
        return True

    def heard(self, *, ok: bool, probe: bool, now_s: float) -> Circuit | None:
        """
        An attempt is over; what the circuit has become by it, or None when it is as it was.

        Of those that began before it opened nothing is learnt: only the probe closes it.
        """
        if probe:
            return self._close() if ok else self._open(now_s, self._cooldown_s * COOLDOWN_GROWTH)
        if self._state is not Circuit.CLOSED:
            return None
        self._note(now_s, ok=ok)
        return self._open(now_s, self._rules.cooldown_s) if not ok and self._fails(now_s) else None

    def withdrawn(self) -> None:
        """The probe came to nothing, for reasons of ours: the next attempt is one."""
        if self._state is Circuit.PROBING:
            self._state = Circuit.OPEN

    def quiet(self, now_s: float) -> bool:
        """Whether nothing is lost if it is forgotten: it is closed, or nobody has come to probe it for long."""
        if self._state is Circuit.OPEN:
            return now_s >= self._open_until_s + UNASKED_S
        return self._state is Circuit.CLOSED and not self._recent(now_s)

    def _close(self) -> Circuit:
        self._state, self._cooldown_s = Circuit.CLOSED, self._rules.cooldown_s
        self._latest.clear()
        return self._state

    def _open(self, now_s: float, cooldown_s: float) -> Circuit:
        self._state = Circuit.OPEN
        self._cooldown_s = min(cooldown_s, self._rules.cooldown_s * COOLDOWN_MOST)
        self._open_until_s = now_s + self._cooldown_s
        self._latest.clear()
        return self._state

    def _note(self, now_s: float, *, ok: bool) -> None:
        if not self._latest or now_s >= self._latest[-1].since_s + self._rules.window_s / PARTS:
            self._latest.append(_Sum(now_s))
            while self._latest[0].since_s < now_s - self._rules.window_s * HORIZON:
                self._latest.popleft()
        self._latest[-1].ok += ok
        self._latest[-1].failed += not ok

    def _fails(self, now_s: float) -> bool:
        """Whether most of the latest attempts failed: of the fewest that are enough, over the time that is enough."""
        failed = total = 0
        for one in reversed(self._latest):
            failed, total = failed + one.failed, total + one.ok + one.failed
            if total >= self._rules.attempts and now_s - one.since_s >= self._rules.window_s:
                return failed >= self._rules.share * total
        return False

    def _recent(self, now_s: float) -> bool:
        """Whether there were failures that may yet open it."""
        since_s = now_s - self._rules.window_s * HORIZON
        return any(one.failed and one.since_s >= since_s for one in self._latest)
