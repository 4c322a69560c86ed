"""What a desk works with."""

from dataclasses import dataclass

from relay.clock import Clock
from relay.config import Config
from relay.console.roster import Roster
from relay.store.history.port import History
from relay.store.keyring import KeyRing


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """Opened and closed by whoever serves."""

    config: Config
    roster: Roster
    history: History
    keys: KeyRing
    clock: Clock


class Seat:
    """A part of a desk: it has the means and nothing else."""

    def __init__(self, means: Means) -> None:
        self._means = means

    def now_ms(self) -> int:
        """Milliseconds since the epoch, as the desk has it."""
        return self._means.clock.now_ms()
