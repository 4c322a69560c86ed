"""
What was committed, against what had its outcome by then: promise P2, seen from outside. Pure.

Results, deliveries and dead letters carry the time at which they were written; a commit that was seen covers only
records whose outcomes were written before. All clocks are the same machine's.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Mapping
from math import inf

from tests.faults.history import Excuse, History, Partition, Sample, Subscriber, What, Window, Written

NOTICED_S = 30.0  # until a move of the offsets, or a cut of the log, shows in what the group commits
UNTOLD = 20  # records that a leader had when it died and whose acknowledgement it had not sent: 0.4 s of the load
SLACK_S = 0.05  # between two processes' looks at the same clock


def committed_too_early(history: History, due: Mapping[str, tuple[Written, Subscriber]]) -> Iterator[str]:
    """Commits that were above a record without its outcome; each partition's first, for the others follow."""
    settled = _settled(history, due)
    offsets: dict[Partition, list[int]] = {}
    until: dict[Partition, list[float]] = {}  # all up to there had their outcomes
    for at, pairs in settled.items():
        pairs.sort()
        offsets[at] = [offset for offset, _ in pairs]
        until[at] = []
        latest = -inf
        for _, when in pairs:
            latest = max(latest, when)
            until[at].append(latest)
    seen: set[Partition] = set()
    for sample in history.samples:
        at = (sample.topic, sample.partition)
        if at in seen or at not in offsets:
            continue
        below = bisect_left(offsets[at], sample.offset)
        if below and until[at][below - 1] > sample.at + SLACK_S:
            seen.add(at)
            late = next(n for n in range(below) if until[at][n] > sample.at + SLACK_S)
            what = f"{offsets[at][late]} had its outcome at {until[at][late]:.3f}"
            yield f"{at}: committed {sample.offset} at {sample.at:.3f}, but {what}"


def _settled(
    history: History, due: Mapping[str, tuple[Written, Subscriber]]
) -> dict[Partition, list[tuple[int, float]]]:
    """Partition -> offset and when it first had all its outcomes (inf: never)."""
    first: dict[tuple[str, int, int], float] = {}
    first_of: dict[str, float] = {}
    for result in history.results:
        key = (result.id, result.attempt, result.deferrals)
        first[key] = min(first.get(key, inf), result.at)
        first_of[result.id] = min(first_of.get(result.id, inf), result.at)
    settled: dict[Partition, list[tuple[int, float]]] = defaultdict(list)
    replaced = places_taken(history)
    for ident, (event, _) in due.items():
        if (*event.at, event.offset) not in replaced:
            settled[event.at].append((event.offset, first_of.get(ident, inf)))
    for copy in history.copies:
        settled[copy.topic, copy.partition].append(
            (copy.offset, first.get((copy.id, copy.attempt, copy.deferrals), inf))
        )
    buried = {letter.source: letter.at for letter in reversed(history.letters)}
    for event in history.events:
        if event.what is What.MALFORMED and (*event.at, event.offset) not in replaced:
            source = f"{event.topic}/{event.partition}/{event.offset}"
            settled[event.at].append((event.offset, buried.get(source, inf)))
    return settled


def places_taken(history: History) -> frozenset[tuple[str, int, int]]:
    """
    Offsets (topic, partition, offset) at which a log that was cut goes on with new records: those of what is gone, and
    a little more, for the old leader had told its consumers of the last ones before it told their producer.

    Kafka's clients cannot see without leader epochs that what they have read up to there is no more.
    """
    cut = {(window.topic, window.partition) for window in history.windows if window.excuse is Excuse.CUT}
    return frozenset(
        (*event.at, event.offset + beyond) for event in history.gone if event.at in cut for beyond in range(UNTOLD)
    )


def went_back(history: History) -> Iterator[str]:
    """
    Commits below an earlier one, where nobody else moved the group and no log was cut.

    A coordinator that has just come back tells what had reached its high watermark by its last checkpoint, until its
    followers have fetched again (Kafka 4.1, all nodes killed at once: three seconds): that is no commit of ours.
    """
    moved = [window for window in history.windows if window.excuse in {Excuse.RESET, Excuse.CUT, Excuse.BROKER}]
    highest: dict[tuple[str, str, int], int] = {}
    for sample in history.samples:
        at = (sample.group, sample.topic, sample.partition)
        if sample.offset < highest.get(at, 0):
            if not any(_moves(window, sample) for window in moved):
                yield f"{at}: {sample.offset} at {sample.at:.3f}, after {highest[at]}"
            highest[at] = sample.offset
        highest[at] = max(highest.get(at, 0), sample.offset)


def _moves(window: Window, sample: Sample) -> bool:
    if window.excuse is Excuse.BROKER:
        return window.since <= sample.at <= window.until
    there = (window.topic, window.partition) == (sample.topic, sample.partition)
    return there and window.since <= sample.at <= window.until + NOTICED_S
