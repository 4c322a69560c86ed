"""The tiles of an overview."""

from dataclasses import replace

from relay.console.pages import figures
from relay.store.history.values import Overview, State
from tests.console.pages.test_charts import NOON_MS, some


def overview(delivered: int, failed: int, **standing: int) -> Overview:
    stands = {state: standing.get(state.name.lower(), 0) for state in State}
    return Overview(total=some(NOON_MS, delivered, failed), series=(), standing=stands, unreadable=0)


def test_a_tile_that_somebody_should_look_at_says_so_and_leads_there() -> None:
    """With the filter that shows what it counts."""
    tiles = figures.tiles(overview(90, 10, pending=2, gave_up=1), range_name="24h", deliveries="?subscription=a&")

    assert {"Success rate": "bad", "p95 answer": "plain", "Pending": "wait", "Given up": "bad"} == {
        one.label: one.tone for one in tiles
    }
    assert tiles[3].href == "/deliveries?subscription=a&state=gave_up"
    assert tiles[0].figure == "90.0 %"


def test_a_day_without_attempts_is_no_trouble() -> None:
    """There is nothing to be a share of."""
    tiles = figures.tiles(overview(0, 0), range_name="1h", deliveries="?")

    assert ["–", "–", "0", "0"] == [one.figure for one in tiles]
    assert {"plain"} == {one.tone for one in tiles}


def test_records_that_cannot_be_read_are_told_where_there_are_some() -> None:
    """Somebody writes to the results topic who should not, or a newer relay does."""
    some_unread = replace(overview(1, 0), unreadable=3)

    last = figures.tiles(some_unread, range_name="1h", deliveries="?")[-1]

    assert ("Unreadable", "3") == (last.label, last.figure)
    assert len(figures.tiles(overview(1, 0), range_name="1h", deliveries="?")) == 4


def test_one_of_the_ranges_is_the_one_that_is_shown() -> None:
    """The others are links."""
    choices = figures.ranges({"1h": 1, "24h": 24}, "24h", "/")

    assert [("/?range=1h", False), ("/?range=24h", True)] == [(one.href, one.is_current) for one in choices]
