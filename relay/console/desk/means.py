"""What a desk works with."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field

from relay.access.audit import Audit
from relay.access.store import Access
from relay.access.values import Principal
from relay.clock import Clock
from relay.config import Config
from relay.console.live import Live
from relay.console.opening import Opening
from relay.console.reconciling import Reconciler
from relay.console.roster import Roster
from relay.errors import TopicProblem
from relay.notices.posted import Notices
from relay.pipeline.results import rfc3339
from relay.replay.service import Replays
from relay.store.entry import Action, AuditEntry
from relay.store.history.port import History
from relay.store.keyring import KeyRing

QUESTIONS = 8  # to the broker's logs at once: each is a connection of its own, and a page of records


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
    audit: Audit
    reconciler: Reconciler
    asking: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(QUESTIONS))


class Seat:
    """A part of a desk: it has the means and nothing else."""

    def __init__(self, means: Means) -> None:
        self._means = means

    def now_ms(self) -> int:
        """Milliseconds since the epoch, as the desk has it."""
        return self._means.clock.now_ms()

    async def _audit(
        self, who: Principal, action: Action, account_id: str | None, subject: str, **details: object
    ) -> None:
        """
        It was done, and is written down; on an installation without that topic it goes on without, as edits do.

        Raises:
            Unreachable: It was done, and is not.
        """
        at = rfc3339(self._means.clock.now_ms())
        entry = AuditEntry(
            at=at, actor=who.name, action=action, account_id=account_id, subject=subject, details=details
        )
        with suppress(TopicProblem):
            await self._means.audit.record(entry)
