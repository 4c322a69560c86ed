"""Entries of the audit as pages show them."""

from relay.console.pages import deeds
from relay.store.entry import AuditEntry

ENTRY = AuditEntry(
    at="2019-06-07T12:00:00.000Z",
    actor="token:tok_1 (CI)",
    action="subscription.updated",
    account_id="42",
    subject="sub_1",
    details={"fields": ["url"], "reason": "moved"},
)


def test_an_entry_leads_to_what_was_changed_while_it_is_there() -> None:
    """What was deleted has no page any more."""
    assert deeds.row(ENTRY).href == "/subscriptions/sub_1"
    assert (
        deeds.row(AuditEntry(at="", actor="", action="subscription.deleted", account_id=None, subject="sub_1")).href
        is None
    )
    assert deeds.row(AuditEntry(at="", actor="", action="replay.started", account_id=None, subject="run_1")).href == (
        "/replays/run_1"
    )


def test_who_it_was_is_said_in_short_and_what_they_did_in_a_line() -> None:
    """Both are there in full: the one on hovering, the other over the API."""
    row = deeds.row(ENTRY)

    assert ("CI", 'fields: ["url"], reason: moved') == (row.who, row.details)


def test_details_that_somebody_made_endless_are_cut() -> None:
    """One line of a table."""
    row = deeds.row(
        AuditEntry(at="", actor="", action="tested", account_id=None, subject="x", details={"a": "b" * 5_000})
    )

    assert len(row.details) <= deeds.MAX_DETAILS + 1
