"""Notices as pages show them."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.console.pages import notices
from relay.console.pages.words import NOTICES

EXAMPLES = sorted((Path(__file__).parents[3] / "schemas/examples").glob("notice.*.json"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_a_notice_says_what_happened_to_whom_and_since_when(path: Path) -> None:
    """Every kind that workers write has words of its own."""
    notice = json.loads(path.read_bytes())

    row = notices.row(notice, {"sub_crm": "CRM"})

    assert NOTICES[notice["kind"]] == row.chip
    assert row.name == "CRM"
    assert row.at_ms is not None


@given(
    st.dictionaries(
        st.sampled_from(["kind", "subscription_id", "reason", "status", "at", "url"]), st.none() | st.integers()
    )
)
def test_a_notice_of_a_newer_relay_is_shown_with_what_is_known_of_it(notice: dict[str, object]) -> None:
    """Whatever it lacks."""
    notices.row(notice, {})
