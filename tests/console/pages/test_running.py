"""Runs as pages show them."""

from dataclasses import replace

from relay.console.pages import running
from relay.replay.values import Kind, Lost, Run, RunState

RUN = Run(
    id="run_1",
    kind=Kind.REPLAY,
    subscription_id="sub_1",
    account_id="42",
    incarnation="2019-06-01T08:00:00.000Z",
    by="cli:root",
    created_at="2019-06-07T12:00:00.000Z",
    updated_at="2019-06-07T12:00:00.000Z",
    since_ms=1_559_908_800_000,
    undelivered=True,
    starts={("leads.events", 0): 100, ("leads.events", 1): 0},
    positions={("leads.events", 0): 150, ("leads.events", 1): 100},
    until={("leads.events", 0): 200, ("leads.events", 1): 100},
)


def test_progress_is_what_is_behind_it_of_what_was_there_when_it_began() -> None:
    """In offsets, over all partitions."""
    row = running.row(RUN, "CRM", account=None)

    assert (150, 200, "75.0 %", False) == (row.done, row.total, row.share, row.is_over)
    assert row.what == "events since 2019-06-07 12:00:00.000 UTC, only what was not delivered"


def test_a_run_without_offsets_is_done_or_not() -> None:
    """Chosen deliveries are sent at once."""
    over = replace(RUN, kind=Kind.REDELIVERY, since_ms=None, starts={}, positions={}, until={}, state=RunState.DONE)

    row = running.row(over, "CRM", account=None)

    assert (0, "100 %", "Redelivery", "chosen deliveries") == (row.total, row.share, row.kind, row.what)


def test_what_the_log_no_longer_holds_is_said_by_its_offsets() -> None:
    """Also where nobody can tell where it began."""
    lost = Lost(topic="leads.events", partition=0, first=5, end=9)

    assert running.missing(lost, account=None) == "leads.events/0: offsets 5 to 9 is gone from the log"
    assert "what was before 9" in running.missing(replace(lost, first=None), account=None)


def test_whoever_is_bound_to_an_account_sees_a_share_of_the_log_and_no_offset() -> None:
    """Offsets count what all accounts have written."""
    lost = Lost(topic="leads.events", partition=0, first=None, end=100)
    row = running.row(replace(RUN, lost=(lost,)), "CRM", account="42")

    assert (750, 1000, "75.0 %", False) == (row.done, row.total, row.share, row.is_whole)
    assert ["leads.events/0: some of it is gone from the log"] == row.lost
