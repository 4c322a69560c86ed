"""Runs, as pages show them. Pure."""

from dataclasses import dataclass

from relay.console.pages import words
from relay.replay.values import Lost, Run

PARTS = 1000  # of a bar that shows a share alone
KINDS = {"redelivery": "Redelivery", "replay": "Replay", "requeue": "Requeue"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A run."""

    id: str
    kind: str
    webhook: str
    subscription_id: str
    chip: words.Chip
    why: str
    by: str
    what: str
    created_ms: int | None
    updated_ms: int | None
    is_over: bool
    share: str
    done: int
    total: int
    read: str
    matched: str
    skipped: str
    sent: str
    lost: list[str]
    is_whole: bool  # False: offsets and what was read count all accounts' events, and are not shown


def row(run: Run, webhook: str, *, account: str | None) -> Row:
    """One, with the Webhook Name that it is for, as whoever is bound to this account may see it; None: to none."""
    total, done = run.total, min(run.done, run.total)
    share = done / total if total else float(run.is_over)
    if account is not None and total:
        total, done = PARTS, int(share * PARTS)
    return Row(
        id=run.id,
        kind=KINDS.get(run.kind, str(run.kind)),
        webhook=webhook,
        subscription_id=run.subscription_id,
        chip=words.chip(words.RUN_STATES, run.state),
        why=run.why or "",
        by=run.by,
        what=what(run),
        created_ms=words.parsed(run.created_at),
        updated_ms=words.parsed(run.updated_at),
        is_over=run.is_over,
        share=words.share(share),
        done=done,
        total=total,
        read=words.count(run.read),
        matched=words.count(run.matched),
        skipped=words.count(run.skipped),
        sent=words.count(run.sent),
        lost=[missing(one, account=account) for one in run.lost],
        is_whole=account is None,
    )


def what(run: Run) -> str:
    """What was asked for."""
    only = ", only what was not delivered" if run.undelivered else ""
    if run.since_ms is not None:
        return f"events since {words.absolute(run.since_ms)}{only}"
    if run.from_offsets is not None:
        places = ", ".join(f"{topic}/{number} from {at}" for (topic, number), at in list(run.from_offsets.items())[:5])
        return f"{places}{only}"
    return "chosen deliveries" if run.kind == "redelivery" else "chosen dead letters"


def missing(one: Lost, *, account: str | None) -> str:
    """What the log holds no more, likewise."""
    if account is not None:
        return f"{one.topic}/{one.partition}: some of it is gone from the log"
    first = "what was before" if one.first is None else f"offsets {one.first} to"
    return f"{one.topic}/{one.partition}: {first} {one.end} is gone from the log"
