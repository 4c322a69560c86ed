"""What is told of an offset: by the highest generation, and the latest of it; and records that are none of relay's."""

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.completeness.counts import BUCKET, LAST, Counts, read
from relay.pipeline.covered import NO_RECORD, SPAN, Run

SOUND = {
    "kind": "settled", "topic": "t", "partition": 0, "generation": 1, "base": 5, "end": 9, "first": 5,
    "runs": [[3, 1], [2, None], [1, -1]], "began": "2026-11-01T12:00:00.000Z", "at": "2026-11-01T12:00:01.000Z",
    "worker": "w",
}  # fmt: skip
LOST = {"kind": "lost", "topic": "t", "partition": 0, "first": 5, "end": 9}

some_runs = st.builds(
    Run,
    st.integers(0, 3 * BUCKET),
    st.integers(1, 5) | st.integers(BUCKET - 5, 2 * BUCKET + 5),
    st.integers(NO_RECORD, 4),
)


@given(st.lists(st.tuples(some_runs, st.integers(0, 3)), max_size=12))
def test_of_several_that_tell_of_an_offset(told: list[tuple[Run, int]]) -> None:
    """The highest generation counts, and of one generation the latest; as a model of single offsets says."""
    counts, model = Counts(), dict[int, tuple[int, int]]()

    for run, generation in told:
        counts.paint(run, generation)
        for offset in range(run.first, run.first + run.length):
            if model.get(offset, (-1, 0))[0] <= generation:
                model[offset] = (generation, run.matches)

    runs = [run for bucket in counts.buckets() for run in counts.runs(bucket)]
    assert list(runs) == sorted(runs)
    assert {offset: matches for offset, (_, matches) in model.items()} == {
        run.first + n: run.matches for run in runs for n in range(run.length)
    }


def test_a_long_run_of_the_same_takes_no_memory() -> None:
    """A hundred million offsets without a record are a number each four thousand."""
    counts = Counts()
    counts.paint(Run(0, SPAN, NO_RECORD), 1)

    assert SPAN // BUCKET == len(list(counts.buckets()))
    assert [Run(0, BUCKET, NO_RECORD)] == list(counts.runs(0))


BROKEN = {
    "no JSON": b"{",
    "no object": b"[]",
    "nothing": b"",
    "of another kind": orjson.dumps(SOUND | {"kind": "settle"}),
    "too long": b" " * (1 << 20) + orjson.dumps(SOUND),
    "without an end": orjson.dumps({name: value for name, value in LOST.items() if name != "end"}),
    "lost, with an offset that is none": orjson.dumps(LOST | {"first": -1}),
    **{
        f"{name} {value!r}": orjson.dumps(SOUND | {name: value})
        for name, value in [
            ("topic", 5), ("partition", -1), ("partition", 2**33), ("generation", 2**31), ("generation", "1"),
            ("base", -5), ("end", LAST + 1), ("first", 1.5), ("first", True), ("runs", []), ("runs", {}), ("runs", [3]),
            ("runs", [[1, 2, 3]]), ("runs", [[-1, 1]]), ("runs", [[0, 1]]), ("runs", [[1, -2]]), ("runs", [[1, 2**31]]),
            ("runs", [[1, 1]] * 9_000),
            ("runs", [[2**40, 1]]), ("runs", [[2**40, None], [1, 1]]), ("runs", [[SPAN, 1], [1, 1]]),
            ("began", "yesterday"), ("began", 5), ("began", None),
        ]
    },
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_none_of_relays(name: str) -> None:
    """Has a verdict too, and no memory is taken for it."""
    assert read(BROKEN[name]) is None


def test_a_tombstone() -> None:
    assert read(None) is None


@given(st.binary(max_size=200))
def test_any_bytes(value: bytes) -> None:
    """Never raises."""
    read(value)


anything: st.SearchStrategy[object] = st.none() | st.integers(-5, 2**62) | st.text(max_size=5)
anything |= st.lists(st.lists(st.integers(-3, 9) | st.none(), max_size=3), max_size=3)


@given(st.dictionaries(st.sampled_from(list(SOUND)), anything))
def test_any_field_may_hold_anything(changed: dict[str, object]) -> None:
    """Likewise."""
    read(orjson.dumps(SOUND | changed))
