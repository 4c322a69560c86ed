"""Dead letters, and pages of them out of several partitions."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.console import views
from relay.pipeline.results import dead_letter
from relay.pipeline.results import letter as buried
from relay.replay.letters import DeadLetter, Looked, cursor_of, letter, newest, opened, place, shown
from relay.topics import Topics
from tests.builders import NOON_MS, Fetched, a_delivery

TOPICS = Topics("relay")


def a_letter(partition: int = 0, offset: int = 0, at_ms: int = NOON_MS) -> DeadLetter:
    return letter(Fetched(value=b"{}", partition=partition, offset=offset, timestamp=at_ms))


def test_a_letter_tells_whose_it_was_and_why() -> None:
    """All of it from its headers."""
    out = buried(a_delivery(attempt=10), "exhausted", topics=TOPICS)
    one = letter(Fetched(value=out.value, headers=out.headers, offset=7), keep=5)

    assert ("exhausted", False, "dlv_1", "sub_1", "acc_1", 10) == (
        one.reason,
        one.malformed,
        one.delivery_id,
        one.subscription_id,
        one.account_id,
        one.attempt,
    )
    assert (len(out.value or b""), 5, False) == (one.size, len(one.value), one.truncated)
    assert "leads.events/0/42" == one.source


@pytest.mark.parametrize("at_ms", [-1, 0, NOON_MS, 1 << 62])
def test_whatever_time_a_letter_claims_it_can_be_shown(at_ms: int) -> None:
    """Whoever writes to the topic says when that was."""
    assert views.letter(a_letter(at_ms=at_ms))["at"] == shown(a_letter(at_ms=at_ms))["at"]


def test_what_could_not_be_read_is_nobodys() -> None:
    """An operator's to see; cut to fit its topic, its size is still told."""
    out = dead_letter(Fetched(value=b"x" * 100_000), "not JSON", topics=TOPICS, max_bytes=70_000)
    one = letter(Fetched(value=out.value, headers=(*out.headers, ("relay-account-id", b"acc_1"))))

    assert (True, None, 100_000, True) == (one.malformed, one.account_id, one.size, one.truncated)


@given(st.lists(st.tuples(st.sampled_from(["relay-attempt", "relay-full-bytes", "x"]), st.none() | st.binary())))
def test_a_letter_never_fails_for_its_headers(headers: list[tuple[str, bytes | None]]) -> None:
    """Anybody may write to the topic."""
    one = letter(Fetched(value=b"\xff", headers=tuple(headers)))  # type: ignore[arg-type]

    assert ("base64", "/w==") == (shown(one)["value_encoding"], shown(one)["value"])


RECORDS = st.lists(st.tuples(st.integers(0, 20), st.booleans(), st.integers(1, 3)), max_size=12)  # time, mine, gap


@given(st.lists(RECORDS, min_size=1, max_size=3), st.integers(1, 4), st.integers(1, 5))
def test_pages_hold_every_letter_once_and_each_partition_in_its_order(
    logs: list[list[tuple[int, bool, int]]], most: int, chunk: int
) -> None:
    """Whatever the times, whoever they are of, whatever lies between: nothing twice, nothing left out, and an end."""
    stood = {number: _stood(number, records) for number, records in enumerate(logs)}
    ends = {number: (rows[-1][0] + 2 if rows else 0) for number, rows in stood.items()}
    paged: list[DeadLetter] = []
    for _ in range(200):
        looked = {number: _looked(rows, ends[number], chunk) for number, rows in stood.items()}
        some, ends = newest(looked, most)
        assert len(some) <= most
        paged += some
        ends = opened(cursor_of(ends)) or {}
        if not any(ends.values()):
            break

    assert not any(ends.values())
    for number, rows in stood.items():
        mine = [offset for offset, _, one in rows if one is not None]
        assert mine[::-1] == [one.offset for one in paged if one.partition == number]


@given(st.lists(st.lists(st.integers(0, 20), max_size=10).map(sorted), min_size=1, max_size=3), st.integers(1, 4))
def test_where_times_rise_the_newest_of_all_partitions_come_first(logs: list[list[int]], chunk: int) -> None:
    """As they do but for clocks."""
    stood = {n: _stood(n, [(at, True, 1) for at in times]) for n, times in enumerate(logs)}
    ends = {number: (rows[-1][0] + 1 if rows else 0) for number, rows in stood.items()}
    paged: list[DeadLetter] = []
    while any(ends.values()):
        some, ends = newest({n: _looked(rows, ends[n], chunk) for n, rows in stood.items()}, 3)
        paged += some

    times = [one.at_ms for one in paged]
    assert sorted(itertools.chain(*logs), reverse=True) == times


def _stood(number: int, records: list[tuple[int, bool, int]]) -> list[tuple[int, int, DeadLetter | None]]:
    offsets = itertools.accumulate(gap for _, _, gap in records)
    return [
        (offset, at, a_letter(number, offset, at) if mine else None)
        for offset, (at, mine, _) in zip(offsets, records, strict=True)
    ]


def _looked(rows: list[tuple[int, int, DeadLetter | None]], end: int, chunk: int) -> Looked:
    low = max(0, end - chunk)
    return Looked([one for one in reversed(rows) if low <= one[0] < end], low, 0)


@pytest.mark.parametrize("cursor", ["", "x", "W10", "e30=", "WzFd", "W1stMSwxXV0=", "W1sxLCJ4Il1d", "é", "W" * 70_000])
def test_a_cursor_that_was_made_up_is_none(cursor: str) -> None:
    """Or one that asks for nothing; never an error."""
    assert not opened(cursor)


@pytest.mark.parametrize("text", ["", "1", "1/", "/1", "1/2/3", "-1/2", "１/2", "1/" + "9" * 20])
def test_a_place_is_a_partition_and_an_offset(text: str) -> None:
    """And nothing else."""
    assert (3, 1042) == place("3/1042")
    with pytest.raises(ValueError, match="as in 3/1042"):
        place(text)
