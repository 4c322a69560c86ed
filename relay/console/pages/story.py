"""
Deliveries and their attempts -> what pages show of them. Pure.

An attempt is a record of the results topic as it was written, perhaps by a newer relay: what is not as expected is
shown as nothing, and never fails a page.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from relay.console.pages import words
from relay.console.pages.words import Chip
from relay.model import Trigger
from relay.store.history.values import Delivery, Detail, State

NEAR_S, FAR_S = 1, 30  # a second while somebody waits for an attempt; a redelivery from elsewhere may come at any time


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A delivery in a listing."""

    id: str
    chip: Chip
    webhook: str
    subscription_id: str
    event_type: str
    lead_id: str
    attempt: int
    deferrals: int
    trigger: str  # empty: its event, as nearly always
    elapsed: str
    next_ms: int | None
    created_ms: int
    newest_ms: int
    words: str  # why it is as it is


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A record of a delivery: an attempt, a deferral or a drop."""

    id: str
    label: str
    chip: Chip
    words: str
    at_ms: int | None
    next_ms: int | None
    elapsed: str
    trigger: str
    run_id: str | None
    is_made: bool  # a request was sent
    result: Mapping[str, Any]


def row(one: Delivery, names: Mapping[str, str]) -> Row:
    """
    A line of a listing.

    Args:
        one: The delivery.
        names: Subscription id -> Webhook Name, of those that are known.
    """
    return Row(
        id=one.delivery_id,
        chip=state(one),
        webhook=names.get(one.subscription_id, one.subscription_id),
        subscription_id=one.subscription_id,
        event_type=one.event_type,
        lead_id=one.lead_id,
        attempt=one.attempt,
        deferrals=one.deferrals,
        trigger="" if one.trigger == Trigger.EVENT else words.TRIGGERS.get(one.trigger, one.trigger),
        elapsed=words.duration(one.elapsed_ms),
        next_ms=one.next_attempt_ms,
        created_ms=one.created_ms,
        newest_ms=one.newest_ms or one.created_ms,
        words=why(one.reason, one.ended_by, one.status),
    )


def state(one: Delivery) -> Chip:
    """Its state and the receiver's status, where it gave one."""
    chip = words.chip(words.DELIVERY_STATES, one.state)
    return chip if one.status is None else Chip(chip.tone, f"{chip.label} {one.status}")


def why(reason: str | None, ended_by: str | None, status: int | None) -> str:
    """What happened, and why it is the end where it is."""
    said = words.REASONS.get(reason or "", reason or "")
    if reason == "status" and status is not None:
        said = f"The receiver answered {status}."
    ended = words.ENDINGS.get(ended_by or "", "")
    return f"{said} {ended}".strip() if ended and ended != said else said


def steps(detail: Detail) -> list[Step]:
    """Newest first."""
    return [_step(one) for one in reversed(detail.attempts)]


def chosen(there: Sequence[Step], attempt_id: str | None) -> Step | None:
    """The one that was asked for; else the newest that was made, or the newest."""
    made = (one for one in there if one.is_made)
    return next((one for one in there if one.id == attempt_id), None) or next(made, there[0] if there else None)


def is_settled(detail: Detail, run_id: str | None) -> bool:
    """Whether there is nothing to wait for: no attempt to come, and none of this run that has not been seen yet."""
    return is_seen(detail, run_id) and detail.delivery.state != State.PENDING


def ask_again_s(detail: Detail, run_id: str | None, now_ms: int) -> int:
    """How soon something more may be seen: at once near the next attempt, now and then while that is far off."""
    due_ms = detail.delivery.next_attempt_ms
    is_far = is_seen(detail, run_id) and due_ms is not None and due_ms - now_ms > words.MINUTE_MS
    return FAR_S if is_far else NEAR_S


def is_seen(detail: Detail, run_id: str | None) -> bool:
    """Whether anything came of this run; of none, there is nothing to come."""
    return run_id is None or any(one.get("run_id") == run_id for one in detail.attempts)


def headers(found: object) -> dict[str, str]:
    """Of a request or an answer; whatever is none is left out."""
    if not isinstance(found, Mapping):
        return {}
    return {str(name): value for name, value in found.items() if isinstance(value, str)}


def _step(one: Mapping[str, Any]) -> Step:
    verdict, status = _text(one, "verdict"), _whole(one, "status")
    attempt, deferrals = _whole(one, "attempt"), _whole(one, "deferrals") or 0
    chip = words.chip(words.VERDICTS, verdict)
    is_made = verdict not in ("deferred", "dropped") and one.get("request_headers") is not None
    label = f"Attempt {attempt}" if verdict not in ("deferred", "dropped") else f"Before attempt {attempt}"
    return Step(
        id=_text(one, "attempt_id"),
        label=label if verdict != "deferred" else f"{label}, put off {deferrals}×",
        chip=chip if status is None else Chip(chip.tone, f"{chip.label} {status}"),
        words=why(_text(one, "reason"), _text(one, "ended_by") or None, status),
        at_ms=words.parsed(one.get("started_at")),
        next_ms=words.parsed(one.get("next_attempt_at")),
        elapsed=words.duration(_whole(one, "elapsed_ms")),
        trigger=words.TRIGGERS.get(_text(one, "trigger"), _text(one, "trigger")),
        run_id=_text(one, "run_id") or None,
        is_made=is_made,
        result=one,
    )


def _text(one: Mapping[str, Any], field: str) -> str:
    value = one.get(field)
    return value if isinstance(value, str) else ""


def _whole(one: Mapping[str, Any], field: str) -> int | None:
    value = one.get(field)
    return value if type(value) is int else None
