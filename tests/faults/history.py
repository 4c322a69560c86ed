"""What happened in a run, as values: what the oracle judges. Times are seconds since the epoch, as floats."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

import orjson

Partition = tuple[str, int]


class What(StrEnum):
    """What a record of an events topic is, as who wrote it knows."""

    EVENT = "event"
    MALFORMED = "malformed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Written:
    """One record of an events topic."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    what: What
    account: str
    type: str
    lead: str

    @property
    def at(self) -> Partition:
        return (self.topic, self.partition)


@dataclass(frozen=True, slots=True)
class Subscriber:
    """One subscription, as far as matching goes."""

    id: str
    account: str = "*"
    events: tuple[str, ...] = ()  # none: all

    def wants(self, event: Written) -> bool:
        return self.account in {"*", event.account} and (not self.events or event.type in self.events)


@dataclass(frozen=True, slots=True)
class Request:
    """One that arrived at the receiver."""

    subscription: str
    id: str
    attempt: int
    lead: str
    began: float
    ended: float  # answered, or the connection closed
    status: int | None  # None: never answered


@dataclass(frozen=True, slots=True)
class Result:
    """One record of the results topic."""

    id: str
    attempt: int
    deferrals: int
    verdict: str
    reason: str
    at: float  # when it was written
    worker: str = ""  # the process that wrote it

    @property
    def final(self) -> bool:
        return self.verdict in {"delivered", "gave_up"} or (self.verdict == "dropped" and not self.superseded)

    @property
    def superseded(self) -> bool:
        return self.verdict == "dropped" and self.reason == "superseded"


@dataclass(frozen=True, slots=True)
class Copy:
    """One record of a delivery topic."""

    topic: str
    partition: int
    offset: int
    id: str
    attempt: int
    deferrals: int
    at: float


@dataclass(frozen=True, slots=True)
class Letter:
    """One dead letter: of a delivery that was given up, or of a record that could not be read."""

    source: str  # topic/partition/offset
    at: float


@dataclass(frozen=True, slots=True)
class Sample:
    """What a group had committed of a partition when it was asked."""

    at: float
    group: str
    topic: str
    partition: int
    offset: int


class Excuse(StrEnum):
    """Why a request may come twice."""

    CRASH = "crash"  # open, or settled within one commit interval before
    ZOMBIE = "zombie"  # as a crash; and what it starts before it knows that it was replaced
    REBALANCE = "rebalance"  # open for longer than the drain
    BROKER = "broker"  # nothing could be committed: open or settled meanwhile
    RESET = "reset"  # the range that another tool sent the group back over
    CUT = "cut"  # the log was cut: its partition is read again, and what took the place of what is gone is passed over


@dataclass(frozen=True, slots=True)
class Window:
    """When, and of which partition, repeats are excused."""

    excuse: Excuse
    since: float
    until: float
    topic: str = ""  # RESET, CUT
    partition: int = 0
    first: int = 0  # RESET: offsets, `end` exclusive
    end: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """All of it."""

    events: tuple[Written, ...]  # in the log at the end: what must have come to an end
    gone: tuple[Written, ...] = ()  # acknowledged once, no longer in the log: may have been sent
    aborted: tuple[Written, ...] = ()  # never to be sent
    subscribers: tuple[Subscriber, ...]
    requests: tuple[Request, ...]
    results: tuple[Result, ...]
    copies: tuple[Copy, ...] = ()
    letters: tuple[Letter, ...] = ()
    samples: tuple[Sample, ...] = ()
    windows: tuple[Window, ...] = ()
    lag: Mapping[str, int] = field(default_factory=dict)  # group -> records, at the end
    died: tuple[str, ...] = ()  # workers that ended by themselves
    proof: Mapping[str, int] = field(default_factory=dict)  # the totals of `relay reconcile`
    missing: tuple[str, ...] = ()  # matches without an outcome, as it names them


KINDS = {
    "events": Written, "gone": Written, "aborted": Written, "requests": Request, "results": Result, "copies": Copy,
    "letters": Letter, "samples": Sample, "windows": Window,
}  # fmt: skip
FILES = (*KINDS, "died")


def read(folder: Path) -> tuple[History, float]:
    """What a run has kept, and how long it took."""

    def lines(name: str) -> list[Any]:
        return [orjson.loads(line) for line in (folder / f"{name}.jsonl").read_bytes().splitlines()]

    rest = orjson.loads((folder / "rest.json").read_bytes())
    several = {name: tuple(_made(kind, row) for row in lines(name)) for name, kind in KINDS.items()}
    to = tuple(Subscriber(**row | {"events": tuple(row["events"])}) for row in rest["subscribers"])
    rest = {"proof": {}, "missing": []} | rest  # a run that was kept before there was a proof
    proof, missing = rest["proof"], tuple(rest["missing"])
    died = tuple(lines("died"))
    whole = History(**several, died=died, lag=rest["lag"], subscribers=to, proof=proof, missing=missing)
    return whole, rest["took_s"]


def _made(kind: type[Any], row: dict[str, Any]) -> Any:  # noqa: ANN401  of that kind
    made = {"what": What, "excuse": Excuse}
    return kind(**{name: made.get(name, _as_it_is)(value) for name, value in row.items()})


def _as_it_is(value: object) -> object:
    return value
