"""
A listing as CSV: the fields of the API's JSON, a line a delivery. Pure.

A spreadsheet reads a cell that begins with `=` as a formula, and ids are others' words: such a cell gets an apostrophe
in front, which is how a spreadsheet is told that it is text (OWASP, CSV injection). JSON has everything as it is.
"""

from typing import Any

from relay.console import views
from relay.store.history.values import Delivery

FORMULAS = ("=", "+", "-", "@", "\t", "\r")
COLUMNS = (
    *("id", "created_at", "delivered_at", "newest_at", "next_attempt_at", "subscription_id", "account_id"),
    *("lead_account_id", "lead_id", "event_type", "event_topic", "event_partition", "event_offset", "state", "verdict"),
    *("reason", "ended_by", "status", "attempt", "deferrals", "records", "elapsed_ms", "trigger", "run_id"),
)
CSV_HEAD = ",".join(COLUMNS) + "\r\n"


def csv(one: Delivery) -> str:
    """A line of CSV (RFC 4180), its end included; what there is not is an empty cell."""
    told = views.delivery(one)
    return ",".join(_cell(told[name]) for name in COLUMNS) + "\r\n"


def _cell(value: Any) -> str:  # noqa: ANN401  text, a number or nothing
    """
    One value.

    >>> _cell(None), _cell(42), _cell('a "b", c'), _cell("=1+1")
    ('', '42', '"a ""b"", c"', "'=1+1")
    """
    text = "" if value is None else str(value)
    if isinstance(value, str) and value.startswith(FORMULAS):
        text = f"'{text}"
    return '"' + text.replace('"', '""') + '"' if any(one in text for one in '",\r\n') else text
