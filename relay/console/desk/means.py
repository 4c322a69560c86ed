"""What a desk works with."""

import asyncio
from dataclasses import dataclass, field

from relay.access.store import Access
from relay.access.values import Action, Principal
from relay.clock import Clock
from relay.config import Config
from relay.console.live import Live
from relay.console.opening import Opening
from relay.console.roster import Roster
from relay.notices.posted import Notices
from relay.replay.service import Replays
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
    live: Live
    replays: Opening[Replays]
    access: Opening[Access]
    notices: Opening[Notices]
    reconciling: asyncio.Lock = field(default_factory=asyncio.Lock)  # one at a time: it reads whole topics


class Seat:
    """A part of a desk: it has the means and nothing else."""

    def __init__(self, means: Means) -> None:
        self._means = means

    def now_ms(self) -> int:
        """Milliseconds since the epoch, as the desk has it."""
        return self._means.clock.now_ms()

    @property
    def access(self) -> Opening[Access]:
        """Who is let in."""
        return self._means.access

    async def _audit(
        self, who: Principal, action: Action, account_id: str | None, subject: str, **details: object
    ) -> None:
        """It was done, and is written down."""
