"""What a desk works with."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

import structlog

from relay.access.audit import Audit
from relay.access.store import Access
from relay.access.values import Principal
from relay.clock import Clock
from relay.config import Config
from relay.console.live import Live
from relay.console.opening import Opening
from relay.console.reconciling import Reconciler
from relay.console.roster import Roster
from relay.console.turns import Turns
from relay.errors import Invalid, Problem, RelayError, TopicProblem
from relay.notices.posted import Notices
from relay.pipeline.results import rfc3339
from relay.replay.service import Replays
from relay.settings import shown
from relay.store.entry import Action, AuditEntry
from relay.store.history.port import History
from relay.store.keyring import KeyRing

log = structlog.get_logger()

T = TypeVar("T")


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
    asking: Turns = field(default_factory=Turns)


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

        Never raises for the broker's: whoever were told that it failed would have it done once more. What cannot be
        written is logged.
        """
        at = rfc3339(self._means.clock.now_ms())
        entry = AuditEntry(
            at=at, actor=who.name, action=action, account_id=account_id, subject=subject, details=details
        )
        try:
            await self._means.audit.record(entry)
        except TopicProblem:
            return
        except RelayError as error:
            done = {"actor": entry.actor, "action": str(entry.action), "subject": subject, "details": details}
            log.error("audit.failed", **done, account_id=account_id, error=str(error))  # noqa: TRY400  no fault of ours


def read_field(field: str, text: str, read: Callable[[str], T]) -> T:
    """
    What was written there.

    Raises:
        Invalid: It breaks the reader's rule.
    """
    try:
        return read(text)
    except ValueError as rule:
        raise Invalid(Problem(field, str(rule), shown(text))) from None
