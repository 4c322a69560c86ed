"""Which results somebody who looks on is shown, and what of them. Pure."""

from collections.abc import Mapping
from typing import Any

from relay.store.history.rows import STATES
from relay.store.history.values import Search, State

# What a line of a live listing has; what was sent and answered is a page of its own.
SHOWN = (
    *("attempt_id", "delivery_id", "subscription_id", "subscription_account_id", "account_id", "lead_id"),
    *("event_type", "verdict", "reason", "ended_by", "status", "attempt", "deferrals", "trigger", "run_id"),
    *("started_at", "elapsed_ms", "next_attempt_at"),
)
ASKED = ("subscription_id", "lead_id", "verdict", "reason", "event_type", "trigger")
CLASSES = range(1, 6)  # 5: 500 to 599


def seen(result: Mapping[str, Any], search: Search, account: str | None) -> bool:
    """Whether it is theirs to see, and what they asked for. Never raises, whatever stands in the log."""
    if account is not None and result.get("subscription_account_id") != account:
        return False
    if any(wanted not in (None, result.get(name)) for name in ASKED for wanted in [getattr(search, name)]):
        return False
    if search.state is not None and search.state is not _state(result):
        return False
    status = result.get("status")
    if search.status in CLASSES:
        return isinstance(status, int) and status // 100 == search.status
    return search.status in (None, status)


def line(result: Mapping[str, Any]) -> dict[str, Any]:
    """What is shown of it."""
    return {name: result.get(name) for name in SHOWN}


def _state(result: Mapping[str, Any]) -> State:
    verdict = result.get("verdict")
    if isinstance(verdict, str) and verdict in STATES:
        return STATES[verdict]
    return State.OTHER if result.get("next_attempt_at") is None else State.PENDING
