"""
How the lanes of a worker are, for people: state, bounds, what waits, and what holds each. Pure.

    state     means                                                           the circuit is
    open      nothing is sent: most of the latest attempts failed             open
    probing   one attempt is under way, and decides what becomes of the rest  probing
    limited   something waits that could be sent, and a bound keeps it        closed
    healthy   whatever comes is sent                                          closed

A page of these is JSON at `/lanes` of a worker. Several pages become one, where several workers are asked. Neither URL
nor secret stands in it.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from heapq import nsmallest
from types import NoneType
from typing import Any

import orjson

from relay.pipeline.breaker import Circuit
from relay.pipeline.lane import Lane
from relay.pipeline.results import rfc3339

MOST = 1_000  # of a page: far more than a person reads, and some 300 kB
# of a page that is read: each lane with the longest ids, all of it escaped, and as much again for what is not known yet
MAX_PAGE_BYTES = 8 * 1024 * 1024

Row = Mapping[str, Any]


class State(StrEnum):
    """Worst first."""

    OPEN = "open"
    PROBING = "probing"
    LIMITED = "limited"
    HEALTHY = "healthy"


class Why(StrEnum):
    """What holds a lane."""

    FAILED = "circuit open: most of the latest attempts failed"
    COOLED = "circuit open: the next delivery that comes is the probe"
    PROBE = "circuit half open: one probe is under way, and decides"
    RATE = "waits for its rate_per_s"
    SLOTS = "max_in_flight reached"
    LIMIT = "limit reached: as many are under way as its receiver has shown to take"
    PLACE = "waits for a place: the worker has as many requests under way as it may"
    LEAD = "each waits for the one before it of the same lead"


STATES = {Why.FAILED: State.OPEN, Why.COOLED: State.OPEN, Why.PROBE: State.PROBING, Why.LEAD: State.HEALTHY}

# of a lane on a page, and what each field may be: it is read from another process, perhaps of another version
FIELDS: Mapping[str, tuple[type, ...]] = {
    "subscription_id": (str,),
    "account_id": (str,),
    "state": (str,),
    "limit": (int,),  # requests under way at once, as its receiver has shown to take them
    "max_in_flight": (int, NoneType),  # of the subscription, this worker's share
    "rate_per_s": (int, float, NoneType),  # likewise
    "in_flight": (int,),
    "queued": (int,),
    "deferred": (int,),  # since the lane was made
    "retry_at": (str, NoneType),  # RFC 3339: when an open circuit lets its probe through
    "why": (str, NoneType),
    "worker": (str,),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Which lanes somebody wants to see; None: whichever."""

    subscription: str | None = None
    account: str | None = None
    state: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """The worst lanes of one worker, or of several."""

    lanes: tuple[Row, ...]  # of FIELDS, worst first
    total: int  # lanes that there are, of which these are the worst
    workers: tuple[str, ...]  # whose they are
    unanswered: tuple[int, ...] = ()  # numbers of processes that said nothing


def why(lane: Lane[Any], now_s: float) -> Why | None:
    """What holds it; None: nothing does."""
    circuit = lane.breaker.state
    if circuit is Circuit.PROBING:
        return Why.PROBE
    if circuit is Circuit.OPEN:
        return Why.FAILED if lane.breaker.blocks(now_s) else Why.COOLED
    if not lane.queue:
        return None
    if not lane.queue.eager:
        return Why.LEAD
    if lane.in_flight < lane.bound and not lane.rests(now_s):
        return Why.RATE if lane.waits_for_rate(now_s) else Why.PLACE
    return Why.LIMIT if lane.slots is None or lane.in_flight < lane.slots else Why.SLOTS


def state(held: Why | None) -> State:
    """Of a lane that is held by this."""
    return State.HEALTHY if held is None else STATES.get(held, State.LIMITED)


def counted(lanes: Iterable[Lane[Any]], now_s: float) -> Mapping[State, int]:
    """How many there are of each state."""
    counts = Counter(state(why(lane, now_s)) for lane in lanes)
    return {one: counts[one] for one in State}


def row(lane: Lane[Any], *, now_s: float, now_ms: int, worker: str) -> Row:
    """A lane as it is at this moment, of both clocks."""
    held = why(lane, now_s)
    is_open = lane.breaker.state is Circuit.OPEN
    return {
        "subscription_id": lane.id,
        "account_id": lane.account,
        "state": state(held),
        "limit": lane.limit.value,
        "max_in_flight": lane.slots,
        "rate_per_s": lane.per_s,
        "in_flight": lane.in_flight,
        "queued": len(lane.queue),
        "deferred": lane.deferred,
        "retry_at": rfc3339(now_ms + int((lane.breaker.open_until_s - now_s) * 1000)) if is_open else None,
        "why": held,
        "worker": worker,
    }


def page(lanes: Iterable[Lane[Any]], asked: Asked, *, now_s: float, now_ms: int, worker: str) -> Page:
    """
    The worst of them.

    Args:
        lanes: All of a worker's.
        asked: Which of them.
        now_s: Monotonic.
        now_ms: The same moment, Unix.
        worker: Whose they are.
    """
    theirs = [lane for lane in lanes if asked.account in {None, lane.account}]
    states = {lane: state(why(lane, now_s)) for lane in theirs if asked.subscription in {None, lane.id}}
    wanted = [lane for lane, one in states.items() if asked.state in {None, one}]
    worst = nsmallest(MOST, wanted, key=lambda lane: _badness(states[lane], lane.deferred, len(lane.queue)))
    rows = tuple(row(lane, now_s=now_s, now_ms=now_ms, worker=worker) for lane in worst)
    return Page(lanes=rows, total=len(wanted), workers=(worker,))


def of_process(number: int, raw: bytes) -> Page:
    """What one of several processes said, each lane with its number; what is no page counts as silence."""
    try:
        told = read(raw)
    except ValueError:
        return Page(lanes=(), total=0, workers=(), unanswered=(number,))
    return replace(told, lanes=tuple({**one, "process": number} for one in told.lanes))


def together(pages: Iterable[Page]) -> Page:
    """The worst of all, as one page."""
    pages = list(pages)
    rows = [one for page in pages for one in page.lanes]
    return Page(
        lanes=tuple(nsmallest(MOST, rows, key=lambda one: _badness(one["state"], one["deferred"], one["queued"]))),
        total=sum(page.total for page in pages),
        workers=tuple(worker for page in pages for worker in page.workers),
        unanswered=tuple(number for page in pages for number in page.unanswered),
    )


def read(raw: bytes) -> Page:
    """
    A page as it was written.

    Raises:
        ValueError: It is none, with what is wrong.
    """
    told = orjson.loads(raw)
    if not isinstance(told, dict):
        raise ValueError("is no JSON object")  # noqa: TRY004  one kind of error for all that may be wrong
    _check(told, {"lanes": (list,), "total": (int,), "workers": (list,), "unanswered": (list,)})
    for one in told["lanes"]:
        if not isinstance(one, dict):
            raise ValueError("lanes holds what is no object")  # noqa: TRY004
        _check(one, FIELDS)
    if not all(isinstance(worker, str) for worker in told["workers"]):
        raise ValueError("workers holds what is no string")
    if not all(isinstance(number, int) for number in told["unanswered"]):
        raise ValueError("unanswered holds what is no number")
    lanes, workers, unanswered = (tuple(told[name]) for name in ("lanes", "workers", "unanswered"))
    return Page(lanes=lanes, total=told["total"], workers=workers, unanswered=unanswered)


def _check(told: Mapping[str, object], fields: Mapping[str, tuple[type, ...]]) -> None:
    for name, types in fields.items():
        if type(told.get(name)) not in types or name not in told:
            raise ValueError(f"{name} is missing, or of another kind")


_RANKS: Mapping[str, int] = {one: rank for rank, one in enumerate(State)}


def _badness(state: str, deferred: int, queued: int) -> tuple[int, int, int]:
    """Smallest of the worst. A state that only another version knows comes first, for it should be seen."""
    return _RANKS.get(state, -1), -deferred, -queued
