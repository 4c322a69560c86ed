"""Runs, and their records."""

from collections.abc import Iterable

import jsonschema_rs
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.errors import Malformed
from relay.replay.runs import KEPT_MS, decode, encode, fold, is_old, shown
from relay.replay.values import Kind, Lost, Run, RunState
from tests.builders import Fetched
from tests.replay.made import a_run
from tests.test_schemas import example, validator

TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
COUNT = st.integers(0, 2**53)
POSITIONS = st.dictionaries(st.tuples(st.sampled_from(["leads.events", "a/b"]), st.integers(0, 99)), COUNT, max_size=3)
LOST = st.builds(Lost, topic=TEXT, partition=st.integers(0, 99), first=st.none() | COUNT, end=COUNT)
RUNS = st.builds(
    a_run,
    kind=st.sampled_from(Kind),
    state=st.sampled_from(RunState),
    why=st.none() | TEXT,
    since_ms=st.none() | COUNT,
    from_offsets=st.none() | POSITIONS,
    undelivered=st.booleans(),
    starts=POSITIONS,
    positions=POSITIONS,
    until=POSITIONS,
    lost=st.lists(LOST, max_size=2).map(tuple),
    read=COUNT,
    matched=COUNT,
    skipped=COUNT,
    sent=COUNT,
    worker=st.none() | TEXT,
)
RUNNING, CANCELLED = a_run(sent=1), a_run(state=RunState.CANCELLED)


def written(runs: Iterable[Run | bytes | None]) -> list[Fetched]:
    return [Fetched(key=b"run_1", value=encode(one) if isinstance(one, Run) else one) for one in runs]


@given(RUNS)
def test_a_run_is_read_as_it_was_written(run: Run) -> None:
    """All of it; and the schema describes it."""
    assert run == decode(b"run_1", encode(run))
    validator("run").validate(orjson.loads(encode(run)))


def test_the_example_is_a_run_that_can_be_read() -> None:
    """And is written as it stands there."""
    value = example("run")
    validator("run").validate(value)

    assert value == shown(decode(value["id"].encode(), orjson.dumps(value)))


def test_a_field_of_a_newer_relay_is_passed_over() -> None:
    """Within the same version of the schema, fields may be added."""
    value = shown(RUNNING) | {"further": True}

    assert RUNNING == decode(b"run_1", orjson.dumps(value))
    with pytest.raises(jsonschema_rs.ValidationError):
        validator("run").validate(shown(RUNNING) | {"sent": -1})


def _without(name: str) -> bytes:
    return orjson.dumps({key: value for key, value in shown(RUNNING).items() if key != name})


@given(st.binary(max_size=200) | st.sampled_from(sorted(shown(RUNNING))).map(_without))
def test_what_is_no_run_is_malformed_and_nothing_else(raw: bytes) -> None:
    """Whatever the bytes."""
    with pytest.raises(Malformed):
        decode(b"run_1", raw)


@pytest.mark.parametrize(
    "fields",
    [
        {"sent": True},
        {"id": "run_2"},
        {"positions": {"leads.events": 1}},
        {"positions": {"leads.events/0": -1}},
        {"positions": {"leads.events/x": 1}},
        {"state": "paused"},
        {"lost": [{"topic": "leads.events"}]},
        {"worker": 1},
    ],
)
def test_a_field_that_is_none_of_ours_makes_it_malformed(fields: dict[str, object]) -> None:
    """Types are not coerced."""
    with pytest.raises(Malformed):
        decode(b"run_1", orjson.dumps(shown(RUNNING) | fields))


def test_the_newest_record_is_the_run_and_one_that_is_over_stays_so() -> None:
    """On a broker without transactions its carrier may write once more before it hears that it was cancelled."""
    runs: dict[str, Run] = {}
    more = a_run(sent=2)

    assert [] == fold(written([RUNNING, more]), runs)
    assert {"run_1": more} == runs
    fold(written([CANCELLED, more]), runs)
    assert {"run_1": CANCELLED} == runs
    fold(written([None]), runs)
    assert {} == runs


def test_what_cannot_be_read_is_told_and_changes_nothing() -> None:
    """By its key."""
    runs = {"run_1": RUNNING}

    assert ["run_1"] == fold(written([b"{"]), runs)
    assert {"run_1": RUNNING} == runs


def test_a_run_is_forgotten_when_its_results_are() -> None:
    """Thirty days after its end; one that runs is not."""
    ended_ms = 1_559_908_800_000
    cancelled = a_run(state=RunState.CANCELLED, updated_at="2019-06-07T12:00:00.000Z")

    assert not is_old(cancelled, ended_ms + KEPT_MS)
    assert is_old(cancelled, ended_ms + KEPT_MS + 1)
    assert not is_old(RUNNING, ended_ms + 2 * KEPT_MS)
