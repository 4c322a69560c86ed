import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.durations import parse, written


@given(st.integers(min_value=0, max_value=999_999_999))
def test_what_was_written_is_read_back_the_same(seconds: int) -> None:
    """A topic is named by its delay, and the delay is read back from the name."""
    assert seconds == parse(written(seconds))


@given(
    st.integers(min_value=0, max_value=999_999_999), st.sampled_from([("s", 1), ("m", 60), ("h", 3600), ("d", 86_400)])
)
def test_a_duration_is_its_number_times_its_unit(number: int, unit: tuple[str, int]) -> None:
    """Whatever the number, without rounding."""
    letter, factor = unit

    assert number * factor == parse(f"{number}{letter}")


@given(st.integers(min_value=0, max_value=999_999_999))
def test_one_duration_has_one_spelling(seconds: int) -> None:
    """However it was typed, so that two spellings of one delay do not make two topics."""
    assert written(seconds) == written(parse(written(seconds)))
    assert written(seconds * 60) == written(parse(f"{seconds}m"))


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (59, "59s"), (60, "1m"), (90, "90s"), (7200, "2h"), (86_400, "24h"), (432_000, "120h")],
)
def test_a_delay_is_written_in_the_largest_unit_up_to_hours(seconds: int, text: str) -> None:
    """Never in days: the default schedule says 24h."""
    assert text == written(seconds)


@pytest.mark.parametrize(
    "text", ["", "5", "s", "5 s", "5S", "-5s", "+5s", "1.5h", "5sec", "5s30m", "1w", "5s\n5s", "1e3s"]
)
def test_anything_else_is_refused_with_an_example(text: str) -> None:
    """No unit is guessed."""
    with pytest.raises(ValueError, match=r"no duration.*as in 30s, 10m, 6h or 5d"):
        parse(text)
