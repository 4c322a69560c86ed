"""
What ledger and settled map cost of a worker's CPU, with the head of the partition open for 15 s at 5,000 deliveries/s.

Everything that the path asks of them, in its order and without the path: records taken (and fingerprinted), fans, parts
begun and settled in any order out of those in flight, and a commit's snapshot for every second's worth of them.
"""

import time
from dataclasses import dataclass
from random import Random

from relay.model import Headers
from relay.pipeline.fan import Fan, Part
from relay.pipeline.ledger import Ledger
from tests.bench.stage import bodies

PER_S = 5_000
OPEN_S = 15
BATCH = 500  # as the events are taken
IN_FLIGHT = 512  # RELAY_IN_FLIGHT


@dataclass(frozen=True, slots=True)
class Fetched:
    """A record of the backlog."""

    offset: int
    value: bytes
    topic: str = "leads.events"
    partition: int = 0
    timestamp: int = 1_700_000_000_000
    key: bytes | None = None
    headers: Headers = ()


def given(_: int) -> None:
    """Bytes are not the ledger's."""


def closed(ledger: Ledger) -> None:
    """Nor is what drains."""


def cost_us() -> tuple[float, int, int]:
    """CPU microseconds a delivery, and of the largest map its characters and its span in offsets."""
    (body,) = bodies(1)
    ledger = Ledger("leads.events", 0, generation=1)
    ledger.begin(0)
    under_way: list[Part] = []
    order = [Random(1).randrange(IN_FLIGHT) for _ in range(PER_S * OPEN_S)]
    records = [Fetched(offset, body) for offset in range(PER_S * OPEN_S)]
    characters = span = 0
    began = time.process_time()
    for first in range(0, len(records), BATCH):
        for record in ledger.take(records[first : first + BATCH]):
            fan = Fan(ledger, record.offset, size=0, read_ms=0, give=given, closed=closed)
            part = fan.part("sub_1")
            fan.over()
            part.begin()
            if record.offset:  # the head stays open
                under_way.append(part)
            if len(under_way) >= IN_FLIGHT:
                at = order[record.offset]
                done, under_way[at] = under_way[at], under_way[-1]
                under_way.pop()
                done.expect()
                done.close()
                done.acknowledged(0)
        ledger.crowded(BATCH)
        if first % PER_S == 0:
            commit = ledger.snapshot()
            assert commit is not None
            assert commit.offset == 0
            characters, span = max(characters, len(commit.metadata)), first
    return (time.process_time() - began) / len(records) * 1e6, characters, span


def line(path_us: float) -> str:
    """As the benchmark prints it, beside what a delivery costs on the whole path."""
    us, characters, span = cost_us()
    return (
        f"ledger and settled map, head open for {OPEN_S} s at {PER_S:,}/s: {us:.1f} us a delivery,"
        f" {us / path_us:.1%} of the path; the largest map has {characters:,} characters over {span:,} offsets"
    )
