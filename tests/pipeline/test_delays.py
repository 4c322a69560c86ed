from collections import Counter
from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from relay.pipeline.delays import FULL_REST_MS, LOOK_AHEAD_MS, LOOK_AHEAD_RECORDS, REFILL_RECORDS, Delays, Partition
from relay.pipeline.schedule import JITTER_MAX_S

NOON = 1_700_000_000_000
FIRST: Partition = ("relay.deliveries.30s", 0)
SECOND: Partition = ("relay.deliveries.30s", 1)
PLENTY = 10**9
FOR_EVER_MS = 3 * 3_600_000  # longer than 1,200 records take that come through one at a look


@dataclass(frozen=True)
class Waiting:
    partition: Partition
    offset: int
    due_ms: int
    ready_ms: int
    size: int


@dataclass(frozen=True)
class Burst:
    """Records that failed together: due close to one another, and jittered."""

    partition: Partition
    count: int
    after_ms: int  # the burst before it
    apart_ms: int
    size: int
    jitter_ms: int


bursts = st.builds(
    Burst,
    partition=st.sampled_from([FIRST, SECOND]),
    count=st.integers(1, 10) | st.just(LOOK_AHEAD_RECORDS + 50),
    after_ms=st.integers(0, 30_000),
    apart_ms=st.integers(0, 100),
    size=st.integers(0, 300),
    jitter_ms=st.integers(0, int(JITTER_MAX_S * 1000)),
)


def logs(bursts: list[Burst]) -> dict[Partition, list[Waiting]]:
    """What the partitions hold: due times rise along each, and each record waits up to its burst's jitter on top."""
    held: dict[Partition, list[Waiting]] = {FIRST: [], SECOND: []}
    due: dict[Partition, int] = {FIRST: NOON, SECOND: NOON}
    for burst in bursts:
        log = held[burst.partition]
        due[burst.partition] += burst.after_ms
        for number in range(burst.count):
            due_ms = due[burst.partition]
            ready_ms = due_ms + number * 37 % (burst.jitter_ms + 1)
            log.append(Waiting(burst.partition, len(log), due_ms, ready_ms, burst.size))
            due[burst.partition] += burst.apart_ms
    return held


class Reading:
    """A consumer of the delivery topics: reads what does not rest, puts back what is refused."""

    def __init__(self, logs: dict[Partition, list[Waiting]], *, limit_bytes: int) -> None:
        self.delays: Delays[Waiting] = Delays(limit_bytes=limit_bytes)
        self.limit_bytes = limit_bytes
        self.logs = logs
        self.next: Counter[Partition] = Counter()
        self.held: list[Waiting] = []
        self.released: list[tuple[int, Waiting]] = []  # when, and what

    def look(self, now_ms: int) -> None:
        for partition, log in self.logs.items():
            while self.next[partition] < len(log) and not self.delays.rests(partition, now_ms):
                one = log[self.next[partition]]
                if offer(self.delays, one, now_ms):
                    self.held.append(one)
                    self.next[partition] += 1
                else:
                    assert self.delays.rests(partition, now_ms), "refused, and would be fetched again at once"
                self._bounded()
        while (ready := self.delays.ready(now_ms)) is not None:
            self.held.remove(ready)
            self.released.append((now_ms, ready))
            self._bounded()

    def _bounded(self) -> None:
        assert len(self.held) == len(self.delays)
        assert sum(one.size for one in self.held) == self.delays.held_bytes
        assert self.delays.held_bytes <= self.limit_bytes or len(self.held) == 1
        assert max(Counter(one.partition for one in self.held).values(), default=0) <= LOOK_AHEAD_RECORDS

    def read_all(self, step_ms: int) -> None:
        now_ms = NOON - 2 * LOOK_AHEAD_MS
        while len(self.released) < sum(map(len, self.logs.values())):
            assert now_ms < NOON + FOR_EVER_MS, "something never comes out"
            self.look(now_ms)
            now_ms += step_ms


def offer(delays: Delays[Waiting], one: Waiting, now_ms: int) -> bool:
    return delays.offer(one.partition, one, due_ms=one.due_ms, ready_ms=one.ready_ms, size=one.size, now_ms=now_ms)


def due_in(ms: int, *, jitter_ms: int = 0, size: int = 1, partition: Partition = FIRST) -> Waiting:
    return Waiting(partition, 0, NOON + ms, NOON + ms + jitter_ms, size)


@given(st.lists(bursts, max_size=4), st.integers(0, 20_000), st.integers(100, 5_000))
def test_whatever_waits(waiting: list[Burst], limit_bytes: int, step_ms: int) -> None:
    """
    It comes out once and not before its time, and no more is held than the bounds allow, of a partition and in all.

    One record alone may be larger than the bound, or it would wait for ever.
    """
    reading = Reading(logs(waiting), limit_bytes=limit_bytes)

    reading.read_all(step_ms)  # which asserts the bounds at each step

    everything = [one for log in reading.logs.values() for one in log]
    assert Counter(everything) == Counter(one for _, one in reading.released)
    assert not [one for at_ms, one in reading.released if at_ms < one.ready_ms]
    assert (reading.delays.held_bytes, reading.delays.next_ms()) == (0, None)


@given(st.lists(bursts.filter(lambda burst: burst.count <= 10), max_size=4), st.integers(1, LOOK_AHEAD_MS))
def test_what_waits_within_the_bounds(waiting: list[Burst], step_ms: int) -> None:
    """It comes out at the first look after its time: putting its partition to rest makes nothing late."""
    reading = Reading(logs(waiting), limit_bytes=PLENTY)

    reading.read_all(step_ms)

    assert not [one for at_ms, one in reading.released if at_ms - one.ready_ms >= step_ms]


def test_what_is_ready_sooner() -> None:
    """It comes out first, whatever came first; of equals the first to come."""
    delays: Delays[Waiting] = Delays(limit_bytes=PLENTY)
    late, one, another = due_in(10, jitter_ms=500), due_in(20, size=1), due_in(20, size=2)
    for each in (late, one, another):
        assert offer(delays, each, NOON)

    assert delays.next_ms() == NOON + 20
    assert delays.ready(NOON + 19) is None
    assert [one, another, None] == [delays.ready(NOON + 20) for _ in range(3)]
    assert late == delays.ready(NOON + 510)


def test_a_head_that_is_not_due_for_long() -> None:
    """It is not held, and its partition rests until the look-ahead reaches it; the others do not."""
    delays: Delays[Waiting] = Delays(limit_bytes=PLENTY)
    tomorrow = due_in(86_400_000)

    assert not offer(delays, tomorrow, NOON)

    reached_ms = tomorrow.due_ms - LOOK_AHEAD_MS
    assert len(delays) == 0
    assert delays.rests(FIRST, reached_ms - 1)
    assert not delays.rests(SECOND, NOON)
    assert not delays.rests(FIRST, reached_ms)
    assert offer(delays, tomorrow, reached_ms)


def test_a_partition_that_is_full() -> None:
    """It rests until a quarter is left, so that it is not fetched for one record at a time; others are read on."""
    delays: Delays[Waiting] = Delays(limit_bytes=PLENTY)
    for number in range(LOOK_AHEAD_RECORDS):
        assert offer(delays, due_in(number), NOON)

    assert not offer(delays, due_in(LOOK_AHEAD_RECORDS), NOON)
    assert offer(delays, due_in(0, partition=SECOND), NOON)

    later_ms = NOON + FULL_REST_MS + LOOK_AHEAD_RECORDS
    for _ in range(LOOK_AHEAD_RECORDS - REFILL_RECORDS):
        assert delays.rests(FIRST, later_ms)
        while (released := delays.ready(later_ms)) is not None and released.partition != FIRST:
            pass
    assert not delays.rests(FIRST, later_ms)


def test_a_rest_that_is_over() -> None:
    """It is forgotten: the partition is read on until it is full, not only until a quarter is held."""
    delays: Delays[Waiting] = Delays(limit_bytes=PLENTY)
    assert not offer(delays, due_in(LOOK_AHEAD_MS + 1), NOON)
    assert not delays.rests(FIRST, NOON + 1)

    for _ in range(LOOK_AHEAD_RECORDS):
        assert not delays.rests(FIRST, NOON + 1)
        assert offer(delays, due_in(LOOK_AHEAD_MS + 1), NOON + 1)


def test_a_record_larger_than_the_whole_bound() -> None:
    """It is held alone: it must come through, and nothing beside it."""
    delays: Delays[Waiting] = Delays(limit_bytes=100)

    assert offer(delays, due_in(0, size=5_000), NOON)
    assert not offer(delays, due_in(0, size=1, partition=SECOND), NOON)
    assert delays.rests(SECOND, NOON + FULL_REST_MS - 1)

    assert delays.ready(NOON) is not None
    assert not delays.rests(SECOND, NOON + FULL_REST_MS)
    assert offer(delays, due_in(0, size=100, partition=SECOND), NOON)


def test_a_partition_that_is_no_longer_ours() -> None:
    """What was held of it goes and its bytes are told; nothing of the others is touched, and it may come back."""
    delays: Delays[Waiting] = Delays(limit_bytes=PLENTY)
    theirs = [due_in(each, size=10) for each in range(LOOK_AHEAD_RECORDS)]
    ours = [due_in(each, size=7, partition=SECOND) for each in (3, 2, 1)]
    for one in (*theirs, due_in(86_400_000), *ours):
        offer(delays, one, NOON)

    assert delays.forget(FIRST) == LOOK_AHEAD_RECORDS * 10
    assert delays.forget(FIRST) == 0
    assert delays.held_bytes == 21
    assert not delays.rests(FIRST, NOON)
    assert offer(delays, due_in(4), NOON)
    assert [*reversed(ours), due_in(4), None] == [delays.ready(NOON + 10) for _ in range(5)]
