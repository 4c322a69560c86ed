"""When what is tried again: attempt -> delay, deferral -> delay, Retry-After -> delay, record -> due time. Pure."""

import zlib
from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import accumulate

JITTER_SHARE = 0.2  # of the delay, at most: enough to spread a burst, too little to surprise who reads the schedule
JITTER_MAX_S = 10.0  # so that a day's delay is not late by hours


@dataclass(frozen=True, slots=True)
class Schedule:
    """RELAY_RETRY_DELAYS, RELAY_HOLD_DELAYS and RELAY_MAX_AGE, seconds."""

    retry_delays: tuple[int, ...]  # after the first, second, … attempt
    hold_delays: tuple[int, ...]  # further delays that Retry-After and deferrals may use
    max_age_s: int
    _all: tuple[int, ...] = field(init=False, repr=False)
    _ages: tuple[int, ...] = field(init=False, repr=False)  # after the first, second, … deferral, when nothing else is

    def __post_init__(self) -> None:
        object.__setattr__(self, "_all", tuple(sorted({*self.retry_delays, *self.hold_delays})))
        object.__setattr__(self, "_ages", tuple(accumulate(self.hold_delays)))

    def retry_delay(self, attempt: int, asked_s: float = 0) -> int | None:
        """
        Seconds until the attempt after this one, no sooner than asked; None when this was the last.

        The smallest delay topic that is long enough for what the receiver asked, at most the longest.
        """
        if attempt > len(self.retry_delays):
            return None
        own = self.retry_delays[attempt - 1]
        if asked_s <= own:
            return own
        longer = bisect_left(self._all, asked_s)
        return self._all[min(longer, len(self._all) - 1)]

    def hold_delay(self, deferrals: int, age_s: float) -> int:
        """
        Seconds to put a delivery off that was put off so often before; grows, then stays at the longest.

        Args:
            deferrals: How often it was put off so far.
            age_s: Since it was matched: who was put off often, but for moments, is put off as others of its age.
        """
        return self.hold_delays[min(deferrals, self._aged(age_s))]

    def drawn_delay(self, deferrals: int, age_s: float, identity: bytes) -> int:
        """
        Seconds to put off one of many that do not fit at once: drawn from the delays up to one that grows half as fast.

        With one delay for all, a burst would come back as a burst each time, and most of it would grow too old that
        way; drawn, it spreads (as Ethernet's backoff does, IEEE 802.3, for the same reason).

        Args:
            deferrals: How often it was put off so far.
            age_s: Since it was matched.
            identity: Of the delivery and of this deferral: the draw follows from it.
        """
        most = min((deferrals + 1) // 2, self._aged(age_s))
        # not a CRC: its draws for the same delivery would all follow from the first
        return self.hold_delays[int.from_bytes(sha256(identity).digest()[:4]) % (most + 1)]

    def _aged(self, age_s: float) -> int:
        """Which delay it is at when it has waited through one after the other; the last, for ever."""
        return min(bisect_right(self._ages, age_s), len(self.hold_delays) - 1)

    def expired(self, matched_ms: int, now_ms: int) -> bool:
        """Whether a delivery matched then is too old to be put off once more."""
        return now_ms - matched_ms > self.max_age_s * 1000


def due_ms(timestamp_ms: int, delay_s: int) -> int:
    """When a record of a delivery topic falls due: its own time plus the topic's delay, and nothing else."""
    return timestamp_ms + delay_s * 1000


def jitter_ms(identity: bytes, delay_s: int) -> int:
    """
    What is waited on top of the due time: at most 20 % of the delay and at most 10 s.

    Args:
        identity: Delivery id and attempt: the same attempt waits the same, wherever it is read.
        delay_s: Of its delivery topic.

    >>> 0 <= jitter_ms(b"dlv_1/2", 30) <= 6000
    True
    """
    share = zlib.crc32(identity) / 2**32
    return int(share * min(JITTER_SHARE * delay_s, JITTER_MAX_S) * 1000)
