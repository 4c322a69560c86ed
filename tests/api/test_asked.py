"""What was asked, read field by field."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.console.api.asked import Asked, once
from relay.errors import Invalid

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


def problems(asked: Asked) -> dict[str, str]:
    with pytest.raises(Invalid) as told:
        asked.done()
    return {one.field: one.rule for one in told.value.problems}


def test_values_are_read_as_json_has_them_and_as_a_query_does() -> None:
    """A number is a number, and its digits are one too; lists have commas between."""
    body = Asked({"n": 3, "f": True, "t": ["a", "b"], "at": "1970-01-01T00:00:01Z", "o": {"a": 1}, "none": None})
    query = once([("n", "3"), ("f", "true"), ("t", "a,b"), ("at", "1970-01-01T01:00:01+01:00")])

    for asked in (body, query):
        assert (3, True, ["a", "b"], 1000) == (
            asked.whole("n"), asked.flag("f"), asked.texts("t", most=2), asked.time_ms("at")
        )  # fmt: skip
    assert ({"a": 1}, None) == (body.mapping("o"), body.text("none"))
    body.done()
    query.done()


def test_every_problem_is_told_at_once_also_of_what_is_unknown_or_said_twice() -> None:
    """With the field that was meant, where one is near."""
    asked = once([("limit", "ten"), ("limt", "10"), ("state", "gone"), ("state", "active")])
    asked.whole("limit")
    asked.one_of("state", ("active", "paused"))
    asked.needed("name")

    told = problems(asked)

    assert "must be a whole number" == told["limit"]
    assert told["limt"].endswith("limit?")
    assert "is given more than once" == told["state"]
    assert "is needed" == told["name"]


@pytest.mark.parametrize(
    ("read", "value"),
    [
        ("whole", "1.5"), ("whole", True), ("whole", "9" * 30), ("whole", 2**64), ("flag", "yes"), ("flag", 1),
        ("text", 5), ("text", "x" * 5000), ("time_ms", "2026-01-01"), ("time_ms", "1969-12-31T23:59:59Z"),
        ("mapping", []),
    ],
)  # fmt: skip
def test_what_is_of_another_kind_is_refused(read: str, value: Any) -> None:  # noqa: ANN401
    """Nothing is coerced."""
    asked = Asked({"x": value})

    assert getattr(asked, read)("x") is None
    assert {"x"} == problems(asked).keys()


@given(value=JSON, name=st.sampled_from(["whole", "flag", "text", "time_ms", "mapping"]))
def test_whatever_is_written_is_read_or_refused(value: Any, name: str) -> None:  # noqa: ANN401
    """No reader raises anything of its own."""
    asked = Asked({"x": value})

    read = getattr(asked, name)("x")

    if read is None and value is not None:
        assert {"x"} == problems(asked).keys()
