"""A reconciliation -> what its page shows. Pure."""

from dataclasses import dataclass

from relay.completeness.values import Range, Report
from relay.console.pages import words
from relay.console.pages.words import Chip

LISTED = 20  # offsets of a range that are named; all are counted


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A range of offsets."""

    where: str
    chip: Chip
    events: str
    matches: str
    delivered: str
    pending: str
    gave_up: str
    dropped: str
    missed: str
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """All of it."""

    tone: str
    title: str
    text: str
    totals: list[tuple[str, str]]
    rows: list[Row]
    since_ms: int
    until_ms: int


def shown(report: Report) -> Proof:
    """What came of it, the worst ranges first."""
    missed, lost, unknown = report.total("missed"), report.lost, report.unknown
    title = "Every match has its outcome." if report.ok else "Something is missing."
    text = (
        f"{words.count(missed)} matches have no outcome, {words.count(lost)} offsets were lost."
        if not report.ok
        else ""
    )
    tone = "good" if report.ok else "bad"
    if report.ok and not report.ranges:
        tone, title, text = "plain", "Nothing was read in that time.", "So there is nothing to prove."
    if unknown:
        if report.ok:
            tone, title = "plain", "Nothing is known to be missing."
        text += f" Of {words.count(unknown)} offsets nothing can be proved."
    names = ("matches", "delivered", "pending", "gave_up", "dropped", "missed")
    labels = ("Matches", "Delivered", "Pending", "Gave up", "Dropped", "Missing")
    return Proof(
        tone=tone,
        title=title,
        text=text.strip(),
        totals=[(label, words.count(report.total(name))) for name, label in zip(names, labels, strict=True)],
        rows=[_row(one) for one in sorted(report.ranges, key=_badness)],
        since_ms=report.since_ms,
        until_ms=report.until_ms,
    )


def _badness(one: Range) -> tuple[bool, bool, bool, str, int, int]:
    return (not one.missed, not one.lost, not one.unknown, one.topic, one.partition, one.first)


def _row(one: Range) -> Row:
    if one.lost:
        chip = Chip("bad", "Lost")
    elif one.missed:
        chip = Chip("bad", f"{words.count(one.missed)} missing")
    else:
        chip = Chip("mute", "Unknown") if one.unknown else Chip("good", "Complete")
    return Row(
        where=f"{one.topic}/{one.partition}, {one.first} to {one.end - 1}",
        chip=chip,
        events=words.count(one.events),
        matches=words.count(one.matches),
        delivered=words.count(one.delivered),
        pending=words.count(one.pending),
        gave_up=words.count(one.gave_up),
        dropped=words.count(one.dropped),
        missed=words.count(one.missed),
        note=_note(one),
    )


def _note(one: Range) -> str:
    if one.lost:
        return "Retention took these before they were read."
    if one.unknown:
        return "They were committed, and nobody told what they matched; or results of then are gone."
    said = ", ".join(f"{each.offset} ({each.count})" for each in one.missing[:LISTED])
    notes = [f"Missing at offset {said}{' and more' if len(one.missing) > LISTED else ''}."] if said else []
    if one.surplus:
        notes.append(f"{words.count(one.surplus)} deliveries more than matched when it was last read.")
    if one.replayed:
        notes.append(f"{words.count(one.replayed)} were made by redeliveries and replays alone.")
    return " ".join(notes)
