"""What a page shows of bytes that others wrote."""

from base64 import b64encode

import orjson
from hypothesis import given
from hypothesis import strategies as st

from relay.console.pages import bodies

RESULTS = st.dictionaries(
    st.sampled_from(["response_body", "response_body_encoding"]),
    st.none() | st.text() | st.integers() | st.just("base64"),
)


@given(st.binary(max_size=200))
def test_any_bytes_are_shown_as_text(body: bytes) -> None:
    """In hexadecimal where they are none; never a NUL, which HTML cannot hold."""
    one = bodies.shown(body)

    assert "\0" not in one.raw
    assert one.is_binary == (not _is_text(body))


def _is_text(body: bytes) -> bool:
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True


def test_json_is_shown_indented_beside_what_came() -> None:
    """Raw is what was signed."""
    one = bodies.shown(b'{"b":1,"a":[2]}')

    assert one.raw == '{"b":1,"a":[2]}'
    assert one.pretty == '{\n  "b": 1,\n  "a": [\n    2\n  ]\n}'


def test_a_body_that_would_grow_without_end_is_shown_as_it_is() -> None:
    """Each level indents all that is in it: a few kilobytes of brackets would become megabytes."""
    deep, long = b"[" * 2_000 + b"]" * 2_000, orjson.dumps(["x" * 10] * 10_000)

    assert bodies.shown(deep).pretty is None
    assert bodies.shown(long).pretty is None


def test_a_page_bears_only_the_beginning_of_a_megabyte() -> None:
    """And says so."""
    text, binary = bodies.shown(b"x" * 1_000_000), bodies.shown(b"\xff" * 1_000_000)

    assert (bodies.MAX_SHOWN, True) == (len(text.raw), text.is_cut)
    assert len(binary.raw) <= bodies.MAX_SHOWN
    assert binary.is_cut


@given(RESULTS)
def test_whatever_a_result_holds_of_an_answer_is_shown_or_not(result: dict[str, object]) -> None:
    """A newer relay may write what this one has not heard of."""
    bodies.answer(result)


def test_an_answer_in_base64_is_shown_as_what_it_is() -> None:
    """As the result says."""
    result = {"response_body": b64encode(b"\xff\x00").decode(), "response_body_encoding": "base64"}

    one = bodies.answer(result)

    assert one is not None
    assert (True, "ff 00") == (one.is_binary, one.raw)
    assert bodies.answer({"response_body": None}) is None
