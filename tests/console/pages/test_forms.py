"""What a browser sends of a webhook's form."""

from relay.console.pages import forms
from relay.errors import Problem
from relay.store.codec import shown
from tests.builders import a_subscription

TYPED = {
    "name": ["CRM "],
    "url": [" https://crm.example.com/hooks"],
    "events": ["lead.updated", "lead.created"],
    "bot_ids": ["bot_1\r\nbot_2"],
    "signatures": ["sha256"],
    "rate_per_s": ["2.5"],
    "max_in_flight": ["4"],
    "timeout_s": [""],
    "tls_ca": ["corp"],
    "record_response": ["1"],
    "account_id": ["42"],
}


def test_a_form_says_what_was_typed_in_the_words_of_the_desk() -> None:
    """Numbers as numbers, lines as lists; an empty field is no wish."""
    said, problems = forms.webhook(TYPED, is_new=True)

    assert not problems
    assert said == {
        "account_id": "42",
        "name": "CRM",
        "url": "https://crm.example.com/hooks",
        "events": ["lead.updated", "lead.created"],
        "bot_ids": ["bot_1", "bot_2"],
        "filter": None,
        "signatures": ["sha256"],
        "tls": {"ca": "corp"},
        "timeout_s": None,
        "rate_per_s": 2.5,
        "max_in_flight": 4,
        "record_response": True,
    }


def test_an_edit_says_nothing_of_the_account_and_of_headers_that_nobody_mentions() -> None:
    """They stay as they are: their values are not there to be sent back."""
    said, _ = forms.webhook(TYPED, is_new=False)
    none_left, _ = forms.webhook({**TYPED, "no_headers": ["1"]}, is_new=False)

    assert not {"account_id", "headers"} & said.keys()
    assert none_left["headers"] == {}


def test_a_line_that_is_no_header_is_told_by_its_number_without_its_value() -> None:
    """A credential in a message would be shown again."""
    _, problems = forms.webhook({**TYPED, "headers": ["X-Team: leads\nsecret-without-colon"]}, is_new=True)

    assert [Problem("headers", "line 2 is no header: write `Name: value`")] == problems


def test_a_form_that_is_shown_again_has_neither_secret_nor_header() -> None:
    """What was typed there goes back to nobody."""
    again = forms.again({**TYPED, "secret": ["s3cret"], "headers": ["Authorization: Bearer x"]})

    assert "s3cret" not in str(again)
    assert "Bearer" not in str(again)
    assert again["name"] == "CRM"


def test_the_form_of_a_webhook_sent_back_untouched_changes_nothing() -> None:
    """Every field that it shows is said again as it was."""
    one = a_subscription(
        filter={"lead": {"status": 2}}, timeout_s=2.5, rate_per_s=1234.5678, max_in_flight=3, bot_ids=("b", "c, d")
    )
    there = shown(one)
    values = forms.of(there)
    sent = {
        name: value if isinstance(value, list) else ["1"] if value is True else [] if value is False else [value]
        for name, value in values.items()
    }

    said, problems = forms.webhook(sent, is_new=False)

    assert not problems
    assert forms.pretty(there["filter"]) == said.pop("filter")
    assert {name: there[name] for name in said} == said


def test_what_the_desk_has_against_a_form_stands_beside_its_field() -> None:
    """The first problem of each, and the value where it may be shown."""
    problems = [Problem("url", "must be https", "ftp:"), Problem("url", "is long"), Problem("name", "is needed")]

    assert {"url": "must be https (given: ftp:)", "name": "is needed"} == forms.by_field(problems)
