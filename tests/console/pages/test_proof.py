"""A reconciliation as its page shows it."""

from relay.completeness.values import Missing, Range, Report
from relay.console.pages import proof

WELL = Range(topic="leads.events", partition=0, first=0, end=10, events=10, matches=4, delivered=4)
ILL = Range(
    topic="leads.events", partition=1, first=0, end=10, matches=4, delivered=3, missed=1, missing=(Missing(7, 1),)
)
LOST = Range(topic="leads.events", partition=2, first=0, end=5, lost=True)
UNKNOWN = Range(topic="leads.events", partition=3, first=0, end=5, unknown=True)


def report(*ranges: Range) -> Report:
    return Report(since_ms=0, until_ms=1, ranges=ranges)


def test_what_is_missing_stands_first_with_its_offset() -> None:
    """Whoever looks wants to know which event that was."""
    shown = proof.shown(report(WELL, UNKNOWN, LOST, ILL))

    assert ["1 missing", "Lost", "Unknown", "Complete"] == [one.chip.label for one in shown.rows]
    assert shown.rows[0].note == "Missing at offset 7 (1)."
    assert ("bad", "Something is missing.") == (shown.tone, shown.title)
    assert "Of 5 offsets nothing can be proved." in shown.text


def test_a_time_in_which_all_went_well_says_so_and_an_empty_or_unknown_one_proves_nothing() -> None:
    """They are not the same."""
    assert ("good", "Every match has its outcome.") == (proof.shown(report(WELL)).tone, proof.shown(report(WELL)).title)
    assert proof.shown(report()).title == "Nothing was read in that time."
    doubtful = proof.shown(report(WELL, UNKNOWN))
    assert ("plain", "Nothing is known to be missing.") == (doubtful.tone, doubtful.title)
    assert "Of 5 offsets nothing can be proved." == doubtful.text
