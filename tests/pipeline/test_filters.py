import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.errors import Invalid
from relay.pipeline.filters import MAX_BYTES, compile_filter

VECTORS = json.loads((Path(__file__).parents[2] / "schemas" / "vectors" / "filters.json").read_text("utf-8"))
OPERATORS = (
    *("$eq", "$neq", "$gt", "$gte", "$lt", "$lte", "$in", "$nin"),
    *("$startsWith", "$endsWith", "$contains", "$exist", "$and", "$or", "$not"),
)

# Few names and few values, so that filters and events meet; and now and then anything at all.
names = st.sampled_from(["a", "b", "a.b", "", "."]) | st.text(max_size=3)
integers = st.integers(min_value=-(2**63), max_value=2**64 - 1)  # what a filter may hold
scalars = st.sampled_from([None, True, False, 0, 1, 1.0, "", "a", "ab", "1"]) | integers | st.text(max_size=3)
values = st.recursive(
    scalars | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=12,
)
events = st.dictionaries(names, values, max_size=4)

sortable = st.sampled_from([0, 1, 1.5, "", "a", "ab"])
comparisons = st.one_of(
    *(st.fixed_dictionaries({name: values}) for name in ("$eq", "$neq")),
    *(st.fixed_dictionaries({name: sortable}) for name in ("$gt", "$gte", "$lt", "$lte")),
    *(st.fixed_dictionaries({name: st.lists(sortable, min_size=1, max_size=3)}) for name in ("$in", "$nin")),
    *(st.fixed_dictionaries({name: st.sampled_from(["", "a"])}) for name in ("$startsWith", "$endsWith", "$contains")),
    st.fixed_dictionaries({"$exist": st.booleans()}),
)
well_formed = st.dictionaries(st.sampled_from(["a", "b", "a.b"]), sortable | comparisons, min_size=1, max_size=3)

# What people get wrong, and machines: operators anywhere, with anything.
odd = st.recursive(
    scalars | st.integers(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(names | st.sampled_from([*OPERATORS, "$ne"]), inner, max_size=3)
    ),
    max_leaves=20,
)
written = st.dictionaries(names | st.sampled_from(OPERATORS), odd, max_size=3)


def refusal(filter_: Any) -> str:  # noqa: ANN401  wrong on purpose
    with pytest.raises(Invalid) as caught:
        compile_filter(filter_)
    return str(caught.value)


def nested(depth: int, step: str, innermost: object = 1) -> dict[str, Any]:
    """Built from the inside, for Python itself would not recurse so far."""
    made: Any = innermost
    for _ in range(depth):
        made = {step: made}
    assert isinstance(made, dict)
    return made


@pytest.mark.parametrize("case", [pytest.param(case, id=case["name"]) for case in VECTORS if "matches" in case])
def test_a_filter_accepts_what_its_vector_says(case: Mapping[str, Any]) -> None:
    """The vectors are the rule; other implementations may read them too."""
    accepts = compile_filter(case["filter"])

    assert case["matches"] is accepts(case["event"])


@pytest.mark.parametrize("case", [pytest.param(case, id=case["name"]) for case in VECTORS if "refused" in case])
def test_a_filter_is_refused_with_the_words_of_its_vector(case: Mapping[str, Any]) -> None:
    """Where and why, so that whoever wrote it can mend it."""
    assert case["refused"] in refusal(case["filter"])


def test_every_vector_says_one_thing_under_a_name_of_its_own() -> None:
    """Or a case that is misspelt would be one that is not run."""
    shapes = {frozenset(case) for case in VECTORS}

    assert {frozenset({"name", "filter", "event", "matches"}), frozenset({"name", "filter", "refused"})} == shapes
    assert len(VECTORS) == len({case["name"] for case in VECTORS})


@pytest.mark.parametrize("operator", OPERATORS)
def test_every_operator_has_vectors_that_match_that_do_not_and_that_are_refused(operator: str) -> None:
    """$eq and $neq take any value, so there is nothing to refuse."""
    cases = [case for case in VECTORS if f'"{operator}":' in json.dumps(case["filter"])]

    assert {True, False} == {case["matches"] for case in cases if "matches" in case}
    assert operator in ("$eq", "$neq") or any(f".{operator}" in case.get("refused", "") for case in cases)


def test_all_problems_are_told_at_once() -> None:
    """Each under the path of its own, in the order in which they were written."""
    wrong = {"a": {"$gt": None, "$in": 1}, "b": {}, "$nto": {}, "c": {"$exist": 0}}

    lines = refusal(wrong).splitlines()

    fields = ["filter", "filter.a.$gt", "filter.a.$in", "filter.b", "filter.$nto", "filter.c.$exist"]
    assert fields == [line.split(":")[0] for line in lines]
    assert "filter.$nto: is no operator; did you mean $not?" in refusal(wrong)


def test_a_refused_value_is_shown_and_cut_to_a_line() -> None:
    """As JSON, for that is what was written."""
    assert "(given: null)" in refusal({"a": {"$gt": None}})
    assert max(map(len, refusal({"a": {"$gt": ["x" * 5000]}}).splitlines())) < 200


def test_a_filter_of_8_kib_is_accepted_and_one_byte_more_is_not() -> None:
    """Counted as compact JSON in UTF-8, as it is stored."""
    envelope = len('{"a":""}')

    compile_filter({"a": "x" * (MAX_BYTES - envelope)})

    assert "takes at most 8192 bytes" in refusal({"a": "x" * (MAX_BYTES - envelope + 1)})
    assert "takes at most 8192 bytes" in refusal({"a": "é" * (MAX_BYTES // 2)})
    assert "takes at most 8192 bytes" in refusal({"x" * MAX_BYTES: 1})
    assert "takes at most 8192 bytes" in refusal({"a": {"$in": [[]] * 5000}})


@pytest.mark.parametrize("step", ["a", "$not"])
def test_a_very_deep_filter_is_refused_like_any_other(step: str) -> None:
    """Never a RecursionError, however deep."""
    assert "nests at most 8 deep" in refusal(nested(100_000, step))


def test_a_filter_that_holds_itself_is_refused() -> None:
    """As YAML can write it."""
    itself: dict[str, Any] = {}
    itself["a"] = itself

    assert "nests at most 8 deep" in refusal(itself)


def test_aliases_that_multiply_are_refused_before_they_are_written_out() -> None:
    """A few bytes of YAML can stand for gigabytes."""
    laughs: list[Any] = ["x" * 1000] * 100_000
    for _ in range(5):
        laughs = [laughs] * 100

    assert "takes at most 8192 bytes" in refusal({"a": laughs})


@pytest.mark.parametrize(
    "value",
    [
        *(float("nan"), float("inf"), 2**64, pytest.param(10**5000, id="longer than Python writes")),
        *(pytest.param("\ud800", id="half a surrogate pair"), b"x", ("x",), {1: 2}, {(): 2}, {None}, object()),
    ],
)
def test_what_is_no_json_is_refused(value: object) -> None:
    """Filters come from YAML files too, and an event could never hold these."""
    assert "must be JSON" in refusal({"a": value})


@pytest.mark.parametrize("value", [None, [], "x", 1, True])
def test_what_is_no_object_is_refused(value: object) -> None:
    """A filter has names at its top."""
    assert "filter: must be an object" in refusal(value)


def test_a_compiled_filter_keeps_to_what_was_written() -> None:
    """Whoever changes the mapping afterwards changes nothing."""
    wanted: dict[str, Any] = {"a": {"$eq": {"b": [1]}}}
    accepts = compile_filter(wanted)

    wanted["a"]["$eq"]["b"].append(2)

    assert accepts({"a": {"b": [1]}})


def test_a_very_deep_event_is_compared_without_recursion() -> None:
    """No deeper than the filter is; Python would recurse a thousand deep."""
    deep = nested(100_000, "a", innermost={})

    assert compile_filter({"$not": {"a": {"$eq": {"a": {"a": 1}}}}})(deep)
    assert compile_filter({"a.a.a": {"$exist": True}})(deep)
    assert compile_filter({"a": {"$nin": [{}, [], "x"]}})(deep)


@given(written, events)
def test_any_json_object_is_a_filter_or_is_invalid(filter_: dict[str, Any], event: dict[str, Any]) -> None:
    """No other exception, neither when it is read nor when it is asked."""
    try:
        accepts = compile_filter(filter_)
    except Invalid:
        return

    assert accepts(event) in (True, False)


@given(well_formed, values)
def test_a_compiled_filter_never_raises(filter_: dict[str, Any], value: Any) -> None:  # noqa: ANN401  any JSON
    """Whatever the event is, be it no object at all."""
    assert compile_filter(filter_)(value) in (True, False)


@given(well_formed, events)
def test_not_is_exactly_the_opposite(filter_: dict[str, Any], event: dict[str, Any]) -> None:
    """On missing values, arrays and mismatched types too."""
    assert compile_filter(filter_)(event) is not compile_filter({"$not": filter_})(event)


@given(values.filter(lambda value: not isinstance(value, dict)), values)
def test_the_negative_operators_are_the_opposite_of_the_positive(wanted: Any, value: Any) -> None:  # noqa: ANN401
    """Which is what holds for none of the elements, and for what is missing."""
    event = {"a": value}

    equal = compile_filter({"a": {"$eq": wanted}})

    assert equal(event) is compile_filter({"a": wanted})(event)
    assert equal(event) is compile_filter({"a": {"$in": [wanted]}})(event)
    assert equal(event) is not compile_filter({"a": {"$neq": wanted}})(event)
    assert equal(event) is not compile_filter({"a": {"$nin": [wanted]}})(event)


@given(events)
def test_every_value_equals_itself(event: dict[str, Any]) -> None:
    """Whole, whatever it holds."""
    assert compile_filter({"e": {"$eq": event}})({"e": event})


@given(st.lists(well_formed, min_size=1, max_size=4), events)
def test_and_means_all_and_or_means_any(filters: list[dict[str, Any]], event: dict[str, Any]) -> None:
    """As one would ask them one by one."""
    answers = [compile_filter(one)(event) for one in filters]

    assert all(answers) is compile_filter({"$and": filters})(event)
    assert any(answers) is compile_filter({"$or": filters})(event)
