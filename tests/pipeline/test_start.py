from collections.abc import Mapping, Sequence

import pytest
from aiokafka.errors import KafkaTimeoutError
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from relay.pipeline.covered import Lost
from relay.pipeline.holdings import Partition
from relay.pipeline.ledger import Commit, Ledger
from relay.pipeline.settled import Print, Settled, encode
from relay.pipeline.start import PEEKS, Resumption, resumption, start_offset

offsets = st.integers(0, 2**63 - 1)
PLAIN, MAPPED, OURS, AWAY = (("leads.events", number) for number in range(4))
PRINT = Print(1, 2, 3)


@pytest.mark.parametrize(
    ("committed", "expected"),
    [
        (None, 10),  # a new partition of a known group
        (0, 10),  # retention passed it, long ago
        (9, 10),  # and by one
        (10, 10),
        (15, 15),
        (20, 20),  # everything was read
        (21, 10),  # the log was cut, or made anew, by one
        (500, 10),
    ],
)
def test_a_partition_that_holds_10_to_19(committed: int | None, expected: int) -> None:
    """Reading begins where the group stood if the log still has that place, else at what is left of it."""
    assert expected == start_offset(committed, begin=10, end=20)


@given(st.none() | offsets, st.tuples(offsets, offsets).map(sorted))
def test_wherever_reading_begins(committed: int | None, log: list[int]) -> None:
    """The log holds that place, and no record that is there and was not committed is passed over."""
    begin, end = log

    start = start_offset(committed, begin=begin, end=end)

    assert begin <= start <= end
    assert start in {begin, committed}


@given(st.tuples(offsets, offsets, offsets).map(sorted))
def test_a_committed_place_that_the_log_holds(places: list[int]) -> None:
    """It is taken as it is: nothing settled is sent again."""
    begin, committed, end = places

    assert committed == start_offset(committed, begin=begin, end=end)


@given(st.none() | offsets, offsets)
def test_a_log_without_records(committed: int | None, end: int) -> None:
    """It is read from its end, which is its beginning."""
    assert end == start_offset(committed, begin=end, end=end)


class Broker:
    """Of partitions that hold 10 to 19; one without a leader tells nothing. Of what is peeked at, some comes late."""

    def __init__(self, helds: Mapping[Partition, Commit], *, late: int = 0, there: Print | None = PRINT) -> None:
        self.helds = dict(helds)
        self.away = {AWAY}
        self.late = late
        self.there = there
        self.looks = 0

    async def committed_with_metadata(self, partitions: Sequence[Partition]) -> dict[Partition, Commit]:
        return {at: self.helds[at] for at in partitions if at in self.helds}

    async def bounds(self, partitions: Sequence[Partition]) -> dict[Partition, tuple[int, int]]:
        return {at: (10, 20) for at in partitions if at not in self.away}

    async def peek(self, tops: Mapping[Partition, int]) -> dict[Partition, Print | None]:
        self.looks += 1
        return dict.fromkeys(tops, self.there) if self.looks > self.late else {}


def a_commit(offset: int = 15, top: int = 17) -> Commit:
    """With a map: its first record is open, all behind that up to the top is settled."""
    return Commit(offset, encode(Settled(base=offset, top=top, print=PRINT, open=(offset,), walked={}), bytes(8)))


async def found(
    broker: Broker, *partitions: Partition, known: Mapping[Partition, Ledger] | None = None
) -> dict[Partition, Resumption]:
    """In the order in which they came."""
    return {at: one async for at, one in resumption(broker, broker.peek, partitions, known=known or {})}


async def test_partitions_go_on_as_soon_as_each_is_known() -> None:
    """First what needs no proof, then what was proved; what no broker leads is left out."""
    ours = Ledger(*OURS, generation=1)
    ours.begin(15, a_commit())
    broker = Broker(dict.fromkeys((MAPPED, OURS, AWAY), a_commit()) | {PLAIN: Commit(12, "")})
    looks: list[tuple[Partition, int]] = []

    async for at, _ in resumption(broker, broker.peek, [MAPPED, AWAY, OURS, PLAIN], known={OURS: ours}):
        looks.append((at, broker.looks))

    assert {(OURS, 0), (PLAIN, 0)} == set(looks[:2])
    assert [(MAPPED, 1)] == looks[2:]


async def test_a_map_whose_proof_is_late_is_asked_for_once_more() -> None:
    """A slow broker is no reason to send again what is settled."""
    broker = Broker({MAPPED: a_commit()}, late=PEEKS - 1)

    one = (await found(broker, MAPPED))[MAPPED]

    assert one.found.settled is not None
    assert one.found.settled.top == 17


async def test_a_map_whose_proof_does_not_come_is_given_up_where_the_leader_is_well() -> None:
    """All from the committed offset on is sent again, and the log says so."""
    broker = Broker({MAPPED: a_commit()}, late=PEEKS)

    with capture_logs() as lines:
        one = (await found(broker, MAPPED))[MAPPED]

    assert (15, None) == (one.found.start, one.found.settled)
    assert ["map.unproven"] == [line["event"] for line in lines]


async def test_a_map_whose_leader_went_away_before_it_was_proved_is_kept_for_later() -> None:
    """The partition is left out, as one that no broker leads."""
    broker = Broker({MAPPED: a_commit()}, late=PEEKS)

    async def peek(tops: Mapping[Partition, int]) -> dict[Partition, Print | None]:
        broker.away.add(MAPPED)
        return await broker.peek(tops)

    assert [] == [at async for at, _ in resumption(broker, peek, [MAPPED], known={})]


async def test_a_look_that_cannot_be_had_gives_no_map_up() -> None:
    """What needs no look goes on before that."""
    broker = Broker({MAPPED: a_commit(), PLAIN: Commit(12, "")})
    came: list[Partition] = []

    async def go() -> None:
        async for at, _ in resumption(broker, peek, [MAPPED, PLAIN], known={}):
            came.append(at)

    async def peek(_: Mapping[Partition, int]) -> dict[Partition, Print | None]:
        raise KafkaTimeoutError

    with pytest.raises(KafkaTimeoutError):
        await go()

    assert [PLAIN] == came


@pytest.mark.parametrize(
    ("commit", "there"),
    [
        (a_commit(), Print(3, 2, 1)),
        (a_commit(), None),  # the log holds another record instead
        (a_commit(top=20), PRINT),
        (Commit(15, "somebody else's"), PRINT),
    ],
)
async def test_a_map_that_is_not_of_this_log_is_refused(commit: Commit, there: Print | None) -> None:
    """Once, and reading begins at the committed offset."""
    with capture_logs() as lines:
        one = (await found(Broker({MAPPED: commit}, there=there), MAPPED))[MAPPED]

    assert (15, None) == (one.found.start, one.found.settled)
    assert ["map.refused"] == [line["event"] for line in lines]


async def test_an_offset_beyond_the_log_is_told() -> None:
    """The log was cut or made anew: it is read from its beginning, and somebody should look."""
    with capture_logs() as lines:
        one = (await found(Broker({PLAIN: Commit(21, "")}), PLAIN))[PLAIN]

    (line,) = lines
    assert (10, None) == (one.found.start, one.lost)
    assert ("log.replaced", "error", *PLAIN, 21, 10, 20) == tuple(
        line[name] for name in ("event", "log_level", "topic", "partition", "committed", "begin", "end")
    )


async def test_an_offset_below_the_log_is_a_loss() -> None:
    """Of what retention removed, which is told with its place."""
    one = (await found(Broker({PLAIN: Commit(4, "")}), PLAIN))[PLAIN]

    assert Lost(*PLAIN, 4, 10) == one.lost
    assert one.found.start == 10
