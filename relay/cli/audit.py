"""What a command did, for the audit; an installation without that topic goes on without it."""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from relay.access.audit import Audit
from relay.cli.common import who
from relay.clock import SystemClock
from relay.config import Config
from relay.errors import TopicProblem
from relay.pipeline.results import rfc3339
from relay.store.entry import Action, AuditEntry


async def record(
    config: Config, action: Action, account_id: str | None, subject: str, details: Mapping[str, Any] | None = None
) -> None:
    """
    It is known who did it.

    Raises:
        Unreachable, NotAllowed: The broker does not answer, or refuses us.
    """
    at = rfc3339(SystemClock().now_ms())
    entry = AuditEntry(
        at=at, actor=who(), action=action, account_id=account_id, subject=subject, details=dict(details or {})
    )
    with suppress(TopicProblem):  # an older installation has none
        await Audit(config).record(entry)
