"""A record of the results topic is an attempt of a delivery, or counted as unreadable; none of them is in the way."""

from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from relay.pipeline.results import rfc3339
from relay.store.history.rows import MAX_RESULT_BYTES, read
from relay.store.history.values import State, Unreadable, place
from tests.store.history.results import EXAMPLES, NOON_MS, a_result

HERE = place(0, 3, 1042)


def why(**fields: Any) -> str:  # noqa: ANN401
    row = read(HERE, orjson.dumps(a_result() | fields))
    assert isinstance(row, Unreadable)
    assert row.id == HERE
    return row.reason


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("result.*.json")), ids=lambda path: path.stem)
def test_every_result_of_the_schemas_is_read(path: Path) -> None:
    """And kept as it was written, byte for byte."""
    text = path.read_text()

    row = read(HERE, text.encode())

    assert not isinstance(row, Unreadable)
    assert text == row[0].result
    assert orjson.loads(text)["attempt_id"] == row[0].attempt_id
    assert orjson.loads(text)["verdict"] == row[1].verdict


@pytest.mark.parametrize(
    ("verdict", "state"),
    [
        ("delivered", State.DELIVERED),
        ("retry", State.PENDING),
        ("deferred", State.PENDING),
        ("gave_up", State.GAVE_UP),
        ("dropped", State.DROPPED),
    ],
)
def test_a_delivery_stands_as_its_verdict_says(verdict: str, state: State) -> None:
    """Two of the five leave it pending, with a time."""
    row = read(HERE, orjson.dumps(a_result(verdict=verdict)))

    assert not isinstance(row, Unreadable)
    assert state == row[1].state
    assert (row[1].next_attempt_ms == NOON_MS + 5_000) == (state is State.PENDING)
    assert (row[1].delivered_ms == NOON_MS) == (state is State.DELIVERED)


def test_what_a_newer_relay_writes_is_kept_and_shown() -> None:
    """A field, a verdict and a reason that this one has never heard of."""
    written = a_result(verdict="parked", reason="asked_to", shelf={"number": 7}, next_attempt_at=None)

    row = read(HERE, orjson.dumps(written))

    assert not isinstance(row, Unreadable)
    assert written == orjson.loads(row[0].result)
    assert ("parked", "asked_to", State.OTHER) == (row[1].verdict, row[1].reason, row[1].state)


def test_a_newer_verdict_that_names_the_next_attempt_is_pending() -> None:
    """Something follows."""
    row = read(HERE, orjson.dumps(a_result(verdict="parked", next_attempt_at=rfc3339(NOON_MS))))

    assert not isinstance(row, Unreadable)
    assert State.PENDING == row[1].state


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "no value"),
        (b"", "not JSON"),
        (b"[]", "not a JSON object"),
        (b"{}", "started_at"),
        (b"\xff", "not JSON"),
        (b'{"a": "\\ud800"}', "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b'{"a":' * 65 + b"0" + b"}" * 65, "nested deeper than 64"),
        (b'"' + b"x" * MAX_RESULT_BYTES + b'"', "over 1048576 bytes"),
    ],
)
def test_what_is_no_result_is_unreadable_with_a_reason(value: bytes | None, reason: str) -> None:
    """Nothing stops the projection."""
    row = read(HERE, value)

    assert isinstance(row, Unreadable)
    assert reason in row.reason
    assert len(value or b"") == row.bytes


@pytest.mark.parametrize("name", ["attempt_id", "delivery_id", "subscription_id", "subscription_account_id", "lead_id"])
@pytest.mark.parametrize("value", [None, 7, "", "x" * 257, "é" * 129, "a\0b"])
def test_an_id_is_a_text_that_both_databases_hold(name: str, value: object) -> None:
    """Of 1 to 256 bytes, as everywhere; PostgreSQL has no NUL."""
    assert name in why(**{name: value})


@pytest.mark.parametrize("value", [True, -1, 2**63, 1.5, "200", []])
@pytest.mark.parametrize("name", ["status", "attempt", "elapsed_ms", "event_offset"])
def test_a_number_is_whole_and_has_63_bits(name: str, value: object) -> None:
    assert name in why(**{name: value})


@pytest.mark.parametrize(
    "value",
    [
        *("", "today", "2019-06-07", "2019-06-07T12:00:00", 7),
        *("1969-12-31T23:59:59.999Z", "9999-12-31T23:59:59.999-12:00"),
    ],
)
@pytest.mark.parametrize("name", ["started_at", "next_attempt_at"])
def test_a_time_has_a_zone_and_is_from_1970_to_9999(name: str, value: object) -> None:
    """In UTC, as it will be shown."""
    assert name in why(**{name: value})


@given(ms=st.integers(min_value=0, max_value=253_402_300_799_999))
def test_a_time_is_read_as_it_was_written(ms: int) -> None:
    """To the millisecond."""
    row = read(HERE, orjson.dumps(a_result(at_ms=NOON_MS) | {"started_at": rfc3339(ms)}))

    assert not isinstance(row, Unreadable)
    assert ms == row[1].created_ms


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(name=st.sampled_from(sorted(a_result())), value=JSON)
@example(name="started_at", value="0001-01-01T00:00:00+23:59")
@example(name="started_at", value="9999-12-31T23:59:59-23:59")
@example(name="started_at", value="2019-06-07T12:00:00.٣٣٣Z")
def test_no_field_whatever_it_holds_makes_the_reader_fail(name: str, value: object) -> None:
    """One of two, always; and a row holds nothing that a database could not."""
    try:
        written = orjson.dumps(a_result() | {name: value})
    except TypeError:  # a surrogate, which no JSON holds
        return

    row = read(HERE, written)

    if not isinstance(row, Unreadable):
        for cell in (*row[0], *row[1]):
            assert cell is None or (type(cell) is int and 0 <= cell < 2**63) or (type(cell) is str and "\0" not in cell)
