"""A report: its sums, and how JSON has it."""

import orjson
import pytest

from relay.completeness.values import Missing, Range, Report

FULL = Range(topic="t", partition=1, first=5, end=9, events=4, matches=3, delivered=2, pending=1)
GAP = Range(topic="t", partition=2, first=0, end=1, events=1, matches=1, missed=1, missing=(Missing(0, 1),))
LOST = Range(topic="t", partition=0, first=0, end=7, lost=True)
UNKNOWN = Range(topic="t", partition=0, first=8, end=10, unknown=True)


@pytest.mark.parametrize(
    ("ranges", "ok"), [((), True), ((FULL, UNKNOWN), True), ((FULL, GAP), False), ((FULL, LOST), False)]
)
def test_whether_all_is_well(ranges: tuple[Range, ...], *, ok: bool) -> None:
    """Nothing is missing and nothing lost; what is unknown is told, and no fault that can be shown."""
    assert ok == Report(since_ms=1, until_ms=2, ranges=ranges).ok


def test_its_sums() -> None:
    report = Report(since_ms=1, until_ms=2, ranges=(FULL, GAP, LOST, UNKNOWN))

    assert (4, 1, 7, 2) == (report.total("matches"), report.total("missed"), report.lost, report.unknown)


def test_as_json_has_it() -> None:
    """Every range whole, and the sums."""
    shown = orjson.loads(orjson.dumps(Report(since_ms=1, until_ms=2, ranges=(GAP, LOST), unreadable=3).shown()))

    assert (False, 1, 2, 3) == (shown["ok"], shown["since_ms"], shown["until_ms"], shown["unreadable"])
    assert (1, 7) == (shown["totals"]["missed"], shown["totals"]["lost"])
    assert [{"offset": 0, "count": 1, "replayed": 0}] == shown["ranges"][0]["missing"]
