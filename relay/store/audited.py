"""
What the audit says of an edit, by what there was and what there is: never a secret, a header's value, or the path of a
URL. Pure.

One edit may be several entries: `apply` can change a URL, rotate a secret and pause, all at once.
"""

from collections.abc import Iterator
from typing import Any

from relay.model import Secret, State, Subscription
from relay.store.codec import alike, stored
from relay.store.edits import Changes, Existing, last
from relay.store.entry import Action, AuditEntry
from relay.urls import masked

_STATES = {
    State.ACTIVE: Action.SUBSCRIPTION_RESUMED,
    State.PAUSED: Action.SUBSCRIPTION_PAUSED,
    State.DISABLED: Action.SUBSCRIPTION_DISABLED,
}
_OF_EVERY_EDIT = {"version", "updated_by", "updated_at", "state_at"}
_OF_STATE = {"state", "state_reason"}


def audited(existing: Existing, changes: Changes, *, by: str | None, at: str) -> Iterator[AuditEntry]:
    """
    The entries of an edit.

    Args:
        existing: What there was.
        changes: What is written.
        by: Who does it; None: `updated_by` says it.
        at: When, RFC 3339 UTC with milliseconds.

    Raises:
        ValueError: A subscription is deleted, and nobody says by whom.
    """
    for subscription_id, new in changes.items():
        old = last(existing.get(subscription_id))
        actor = by if new is None or by is not None else new.updated_by
        if actor is None:
            raise ValueError(f"{subscription_id} is deleted: `by` must say who does it")
        known = new or old  # None: what is deleted could never be read
        account_id = known.account_id if known else None
        for action, details in _actions(old, new):
            yield AuditEntry(
                at=at, actor=actor, action=action, account_id=account_id, subject=subscription_id, details=details
            )


def _actions(old: Subscription | None, new: Subscription | None) -> Iterator[tuple[Action, dict[str, Any]]]:
    if new is None:
        yield Action.SUBSCRIPTION_DELETED, {} if old is None else _known_by(old)
        return
    if old is None:
        yield Action.SUBSCRIPTION_CREATED, _known_by(new)
        return
    told = {"version": new.version}
    rotated = _rotated(old.secrets, new.secrets)
    turned = old.state is not new.state
    apart = _OF_EVERY_EDIT | (_OF_STATE if turned else set()) | ({"secrets"} if rotated else set())
    if fields := _different(old, new, apart):
        yield Action.SUBSCRIPTION_UPDATED, told | {"fields": fields}
    if rotated:
        yield Action.SUBSCRIPTION_ROTATED, told
    if turned:
        yield _STATES[new.state], told | {"reason": new.state_reason}


def _different(old: Subscription, new: Subscription, apart: set[str]) -> list[str]:
    before, after = stored(old), stored(new)
    return [name for name in after if name not in apart and not alike(before[name], after[name])]


def _rotated(old: tuple[Secret, ...], new: tuple[Secret, ...]) -> bool:
    """
    Whether there is another secret than before. What was only sealed anew, by `relay secrets rewrap`, has the times
    that it had; of what it says nothing is known here, so that it is told as the field `secrets`, changed.
    """
    before = iter([(one.active_ms, one.expires_ms) for one in old])
    return not all((one.active_ms, one.expires_ms) in before for one in new)


def _known_by(one: Subscription) -> dict[str, Any]:
    return {"version": one.version, "name": one.name, "url": masked(one.url)}
