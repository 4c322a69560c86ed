"""Dead letters as pages show them."""

from dataclasses import replace

from relay.console.pages import buried
from relay.console.pages.words import Chip
from relay.replay.letters import DeadLetter

LETTER = DeadLetter(
    partition=1,
    offset=7,
    at_ms=0,
    reason="exhausted",
    malformed=False,
    delivery_id="dlv_1",
    subscription_id="sub_1",
    account_id="42",
    event_type="lead.updated",
    attempt=10,
    trigger="event",
    source="leads.events/0/3",
    size=1200,
    truncated=False,
    value=b"{}",
)


def test_what_was_given_up_can_be_sent_again_unless_some_of_it_is_missing() -> None:
    """What is no event can only be looked at."""
    rows = [buried.row(one, {}) for one in (LETTER, replace(LETTER, malformed=True), replace(LETTER, truncated=True))]

    assert [True, False, False] == [one.can_requeue for one in rows]


def test_a_letter_says_what_it_is_and_why_it_is_there() -> None:
    """In words where there are some."""
    row = buried.row(LETTER, {"sub_1": "CRM"})
    odd = buried.row(replace(LETTER, malformed=True, event_type=None, subscription_id=None, reason="not JSON"), {})

    assert ("1/7", "LeadUpdated", "CRM", "All attempts of the schedule were made.") == (
        *(row.place, row.title, row.webhook),
        row.reason,
    )
    assert ("No event", "", "not JSON", Chip("mute", "Malformed")) == (odd.title, odd.webhook, odd.reason, odd.chip)
