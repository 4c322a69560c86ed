"""The schema of relay.progress and its examples, against the code that writes and reads what they describe."""

from typing import Any

import orjson
import pytest

from relay.completeness import counts
from relay.pipeline import covered
from relay.pipeline.covered import Lost, Run, Told
from tests.test_schemas import READ_MS, example, validator


def settled(*runs: tuple[int, int, int]) -> Told:
    return Told(
        topic="leads.events", partition=3, generation=7, base=1042, end=1050, began_ms=READ_MS,
        runs=tuple(Run(*run) for run in runs),
    )  # fmt: skip


@pytest.mark.parametrize("kind", ["settled", "lost"])
def test_an_example_of_progress_validates_and_is_what_relay_makes(kind: str) -> None:
    """And is read as what it was made of."""
    wanted = example(f"progress.{kind}")
    at_ms = READ_MS + 878
    one: Told | Lost
    if kind == "lost":
        one = lost = Lost("leads.events", 3, 120, 480)
        value = covered.lost_record(lost, now_ms=at_ms, worker="relay-0")
    else:
        one = told = settled((1038, 2, 3), (1040, 1, 0), (1041, 1, -1), (1044, 4, 3))
        (value,) = covered.records(told, now_ms=at_ms, worker="relay-0")

    assert orjson.loads(value) == wanted
    assert counts.read(value) == one
    validator("progress").validate(wanted)


@pytest.mark.parametrize(
    ("of", "spoil"),
    [
        ("settled", {"runs": []}),
        ("settled", {"runs": [[0, 1]]}),
        ("settled", {"runs": [[1, -2]]}),
        ("settled", {"runs": [[1]]}),
        ("settled", {"generation": -1}),
        ("settled", {"began": "noon"}),
        ("lost", {"runs": [[1, 1]]}),
        ("lost", {"partition": "3"}),
        ("lost", {"kind": "settled"}),
    ],
)
def test_progress_that_contradicts_itself_is_refused(of: str, spoil: dict[str, Any]) -> None:
    """By the schema and by relay alike, but for what relay need not look at."""
    spoilt = example(f"progress.{of}") | spoil

    assert not validator("progress").is_valid(spoilt)
    assert counts.read(orjson.dumps(spoilt)) is None or of == "lost"
