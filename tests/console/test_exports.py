"""A listing as CSV: what Python's own reader makes of it is what the API tells."""

import csv
import io

from hypothesis import given
from hypothesis import strategies as st

from relay.console import exports, views
from tests.store.history.results import a_row

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=20)


@given(lead_id=TEXT, subscription_id=TEXT)
def test_a_line_is_read_back_as_it_was(lead_id: str, subscription_id: str) -> None:
    """Whatever ids hold: quotes, commas, ends of lines; but for the apostrophe before what would be a formula."""
    one = a_row(lead_id=lead_id, subscription_id=subscription_id)[1]
    (head, line) = csv.reader(io.StringIO(exports.CSV_HEAD + exports.csv(one), newline=""))
    told = views.delivery(one)

    assert head == list(exports.COLUMNS)
    assert set(head) == set(told)
    for name, cell in zip(head, line, strict=True):
        value = "" if told[name] is None else str(told[name])
        assert cell in (value, f"'{value}")
        assert cell[:1] not in exports.FORMULAS
        assert (cell != value) == value.startswith(exports.FORMULAS)
