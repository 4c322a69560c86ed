"""Values -> the JSON that people are shown. Pure. Times are RFC 3339, figures have their units in their names."""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from relay.console.ages import Age
from relay.console.etags import etag
from relay.model import Subscription
from relay.pipeline.results import rfc3339
from relay.replay import letters, runs
from relay.replay.letters import DeadLetter
from relay.replay.shown import Sent
from relay.replay.values import Preview, Run
from relay.store.codec import shown
from relay.store.history.values import BUCKETS_MS, Counts, Delivery, Detail, Gap, Overview, State

STATES: Mapping[State, str] = {state: state.name.lower() for state in State}
# Of a run and of a preview: how much is written to the log, by all accounts together.
OF_ALL_ACCOUNTS = frozenset({"starts", "positions", "until", "lost", "read", "events"})


def subscription(
    one: Subscription, public: Sequence[str | None] | None = None, *, unreadable: str | None = None
) -> dict[str, Any]:
    """
    As people see it: secrets masked; and what tells it from its next form.

    Args:
        one: As it was last readable.
        public: What its receiver verifies with, a secret each; None: it signs with none that has such.
        unreadable: Why its newest form cannot be read; None: this is it.
    """
    seen = shown(one)
    if public is not None:
        seen["secrets"] = [secret | {"public_key": key} for secret, key in zip(seen["secrets"], public, strict=True)]
    return seen | {"unreadable": unreadable, "etag": etag(one)}


def delivery(one: Delivery) -> dict[str, Any]:
    """A line of a listing."""
    return {
        "id": one.delivery_id,
        "subscription_id": one.subscription_id,
        "account_id": one.account_id,
        "lead_account_id": one.lead_account_id,
        "lead_id": one.lead_id,
        "event_type": one.event_type,
        "event_topic": one.event_topic,
        "event_partition": one.event_partition,
        "event_offset": one.event_offset,
        "created_at": rfc3339(one.created_ms),
        "delivered_at": time(one.delivered_ms),
        "newest_at": time(one.newest_ms or None),
        "records": one.records,
        "state": STATES.get(_state(one.state), "other"),
        "verdict": one.verdict,
        "reason": one.reason,
        "ended_by": one.ended_by,
        "status": one.status,
        "trigger": one.trigger,
        "run_id": one.run_id,
        "attempt": one.attempt,
        "deferrals": one.deferrals,
        "elapsed_ms": one.elapsed_ms,
        "next_attempt_at": time(one.next_attempt_ms),
    }


def detail(one: Detail) -> dict[str, Any]:
    """A delivery with every record of it, as the results topic has them."""
    return delivery(one.delivery) | {"attempts": [dict(attempt) for attempt in one.attempts]}


def overview(one: Overview) -> dict[str, Any]:
    """Figures of a time range, and what stands now."""
    return {
        "total": counts(one.total),
        "series": [counts(each) for each in one.series],
        "standing": {name: one.standing.get(state, 0) for state, name in STATES.items()},
        "unreadable_records": one.unreadable,
        "bucket_bounds_ms": list(BUCKETS_MS),
    }


def counts(one: Counts) -> dict[str, Any]:
    """What was done in a span of time."""
    return {
        "since": rfc3339(one.since_ms),
        "verdicts": dict(one.verdicts),
        "attempts_made": one.made,
        "success": one.success,
        "p50_ms": one.percentile_ms(0.5),
        "p95_ms": one.percentile_ms(0.95),
        "p99_ms": one.percentile_ms(0.99),
        "buckets": list(one.buckets),
    }


def sent(one: Sent) -> dict[str, Any]:
    """What an attempt sent, or why it is not shown."""
    return {"url": one.url, "headers": dict(one.headers), **_bytes("body", one.body), "why": one.why}


def run(one: Run, *, account: str | None) -> dict[str, Any]:
    """A run, as whoever is bound to this account may see it; None: they are bound to none."""
    return _seen(runs.shown(one), account)


def preview(one: Preview, *, account: str | None) -> dict[str, Any]:
    """What a replay would send, likewise."""
    return _seen(asdict(one), account)


def _seen(said: dict[str, Any], account: str | None) -> dict[str, Any]:
    return {name: value if account is None or name not in OF_ALL_ACCOUNTS else None for name, value in said.items()}


def letter(one: DeadLetter) -> dict[str, Any]:
    """A dead letter: of its value what there is of it."""
    told = letters.shown(one)
    del told["place"]
    return {"partition": one.partition, "offset": one.offset, **told}


def _bytes(name: str, value: bytes | None) -> dict[str, str | None]:
    """As text where it is, else as base64."""
    try:
        return {name: None if value is None else value.decode(), f"{name}_encoding": None}
    except UnicodeDecodeError:
        return {name: b64encode(value or b"").decode(), f"{name}_encoding": "base64"}


def age(one: Age) -> dict[str, Any]:
    """How old what is shown is."""
    return {
        "as_of": time(one.as_of_ms),
        "behind_s": one.behind_s,
        "trouble": one.trouble,
        "gaps": [gap(each) for each in one.gaps],
    }


def gap(one: Gap) -> dict[str, Any]:
    """What the log lost before it was read, or that it was replaced."""
    return {
        "partition": one.partition,
        "first_offset": one.first_offset,
        "end_offset": one.end_offset,
        "kind": one.kind,
    }


def _state(number: int) -> State:
    return State(number) if number in State._value2member_map_ else State.OTHER


def time(ms: int | None) -> str | None:
    return None if ms is None else rfc3339(ms)
