"""
A seed -> which fault comes when. Pure: the same seed, length and cluster give the same faults, to be played again.

Kinds are drawn from a shuffled deck, so that a short run sees nearly all of them; each leaves time for the system to go
on, and the end is calm.
"""

from dataclasses import dataclass
from enum import StrEnum
from random import Random

WARM_S = 6.0  # before the first fault: the workers have joined and something is in flight
MOST_GROWTHS = 3  # of the events topic, in one run: partitions never become fewer
MOST_WORKERS = 4
LEAST_WORKERS = 1


class Kind(StrEnum):
    """What is done to the system."""

    KILL = "worker kill -9"
    TERM = "worker SIGTERM"
    ZOMBIE = "worker frozen past its session"
    JOIN = "worker joins"
    LEAVE = "worker leaves"
    BROKER_KILL = "broker kill -9"
    BROKER_STOP = "broker stop"
    OUTAGE = "whole cluster down"
    UNCLEAN = "unclean leader election"
    RECEIVER_DOWN = "receiver refuses"
    RECEIVER_HANG = "receiver hangs"
    POISON = "poison records"
    SIZES = "records near and over the limits"
    ABORTS = "transactions with aborts"
    CLOCK = "clock step of a producer"
    STEP = "clock step of a worker"
    GROW = "partitions added"
    RESET = "offsets reset by another tool"


@dataclass(frozen=True, slots=True)
class Fault:
    """One of them."""

    at_s: float  # since the start; later when the one before took longer than it should
    kind: Kind
    lasts_s: float  # until what was taken away is given back
    draw: float  # in [0, 1): which worker, which node, how many


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How close together."""

    gap_s: tuple[float, float]  # between the end of a fault and the next
    outage_s: tuple[float, float]
    receiver_s: tuple[float, float]
    calm_s: float  # at the end, without a fault: all that waits is delivered
    cards: int  # how often kinds that matter most are in the deck, over the others


GATE = Pace(gap_s=(0.5, 1.5), outage_s=(3, 4), receiver_s=(3, 4), calm_s=10, cards=1)
SOAK = Pace(gap_s=(2, 7), outage_s=(10, 60), receiver_s=(5, 60), calm_s=60, cards=2)

LASTS_S = {
    Kind.KILL: (0.5, 3),
    Kind.TERM: (0.5, 3),
    Kind.ZOMBIE: (12, 14),  # the session is 10 s
    Kind.STEP: (4, 8),
    Kind.BROKER_KILL: (3, 6),
    Kind.BROKER_STOP: (3, 6),
    Kind.UNCLEAN: (2, 4),
}
COSTS_S = {  # until a node answers again, or a worker has drained: what a fault takes beside what it lasts
    Kind.TERM: 2,
    Kind.LEAVE: 2,
    Kind.RESET: 5,
    Kind.BROKER_KILL: 6,
    Kind.BROKER_STOP: 6,
    Kind.OUTAGE: 7,
    Kind.UNCLEAN: 13,
}
OFTEN = (Kind.KILL, Kind.TERM, Kind.ZOMBIE, Kind.JOIN, Kind.LEAVE, Kind.BROKER_KILL)
THREE_NODES = (Kind.BROKER_STOP, Kind.UNCLEAN)


def schedule(seed: int, *, seconds: float, nodes: int, pace: Pace) -> tuple[Fault, ...]:
    """
    The faults of a run, in order.

    Args:
        seed: Of everything that is drawn.
        seconds: How long the run is, its calm end included.
        nodes: Of the cluster, 1 or 3: some faults need a rest that goes on.
        pace: How close together.
    """
    draw = Random(seed)
    faults: list[Fault] = []
    deck: list[Kind] = []
    at_s, workers, growths, misses = WARM_S, 2, 0, 0
    while True:
        deck = deck or _deck(draw, nodes, pace)
        kind = _possible(deck.pop(), workers)
        lasts_s = round(draw.uniform(*_lasts(kind, pace)), 1)
        fault = Fault(round(at_s, 1), kind, lasts_s, draw.random())
        next_s = at_s + lasts_s + COSTS_S.get(kind, 0) + draw.uniform(*pace.gap_s)
        if next_s > seconds - pace.calm_s:
            misses += 1
            if misses > len(Kind):
                return tuple(faults)
            continue  # a shorter one may still fit
        if kind is Kind.GROW and growths == MOST_GROWTHS:
            continue
        at_s = next_s
        growths += kind is Kind.GROW
        workers += (kind is Kind.JOIN) - (kind is Kind.LEAVE)
        faults.append(fault)


def _deck(draw: Random, nodes: int, pace: Pace) -> list[Kind]:
    kinds = [kind for kind in Kind if nodes > 1 or kind not in THREE_NODES]
    deck = kinds + [kind for kind in OFTEN for _ in range(pace.cards - 1)]
    draw.shuffle(deck)
    return deck


def _possible(kind: Kind, workers: int) -> Kind:
    """Nobody leaves who is alone, nobody joins a full house."""
    if kind is Kind.LEAVE and workers == LEAST_WORKERS:
        return Kind.JOIN
    if kind is Kind.JOIN and workers == MOST_WORKERS:
        return Kind.LEAVE
    return kind


def _lasts(kind: Kind, pace: Pace) -> tuple[float, float]:
    if kind is Kind.OUTAGE:
        return pace.outage_s
    if kind in {Kind.RECEIVER_DOWN, Kind.RECEIVER_HANG}:
        return pace.receiver_s
    return LASTS_S.get(kind, (0, 0))
