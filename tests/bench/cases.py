"""The cases of the isolation benchmark as values: who is bad and how, whose events come how often, what must hold."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from tests.bench.stage import PARTITIONS, Subscriber

SUBSCRIBERS = 20  # each in an account of its own
FLOOD = 100  # events of the account that floods, for each of another's
PER_S = 400.0  # events of all: a fifth of what a worker delivers on two shared cores
EACH_PER_S = 5.0  # of an account that another floods: with the flood 595 in all, still within what a worker delivers
MEMORY = 1.2  # of all healthy's peak, in every case


class Manner(StrEnum):
    """How a receiver takes what is sent to it; where it listens at all, the path at the sink that does so."""

    WELL = "well"
    HANG = "hang"
    LATE = "late"
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """Which subscriber each event is for, by its number, and how many there are a second when they are paced."""

    turns: Sequence[int]  # and then again
    per_s: float

    def of(self, number: int) -> int:
        return self.turns[number % len(self.turns)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What one run plays: the first so many subscribers are bad, in one manner."""

    traffic: Traffic
    bad: int = 0
    manner: Manner = Manner.WELL

    def subscribers(self, *, sink: str, nobody: str) -> list[Subscriber]:
        """
        All of them, each with a URL of its own.

        Args:
            sink: Where the receiver listens, up to its slash.
            nobody: Where none does.
        """
        manners = [self.manner] * self.bad + [Manner.WELL] * (SUBSCRIBERS - self.bad)
        return [
            Subscriber(
                id=f"bench-{number}",
                account=account(number),
                url=f"{nobody if manner is Manner.REFUSE else sink}{manner}/{number}",
            )
            for number, manner in enumerate(manners)
        ]

    def account(self, event: int) -> str:
        return account(self.traffic.of(event))

    def answered(self, event: int) -> bool:
        """Whether its receiver takes it at once."""
        return self.manner is Manner.WELL or self.traffic.of(event) >= self.bad


def account(subscriber: int) -> str:
    return f"account-{subscriber}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A scene beside the one where all are well; judged are the subscribers that are not bad, in both."""

    name: str
    says: str
    scene: Scene
    throughput: float | None  # at least so much of all healthy's
    p99: float | None  # at most so many times all healthy's
    healthy: Scene

    def judged(self, event: int) -> bool:
        return self.scene.traffic.of(event) >= self.scene.bad


def even() -> list[int]:
    """A turn of each, begun one further on for each partition: else a subscriber's events would keep to one of them."""
    return [(first + at) % SUBSCRIBERS for first in range(PARTITIONS) for at in range(SUBSCRIBERS)]


def flooded() -> list[int]:
    """A turn of each but the first, and between them the first's, evenly: 119, so each comes to every partition."""
    others = SUBSCRIBERS - 1
    turns = FLOOD + others
    return [1 + at * others // turns if (at + 1) * others // turns > at * others // turns else 0 for at in range(turns)]


EVEN = Traffic(turns=even(), per_s=PER_S)
HEALTHY = Scene(traffic=EVEN)
QUIET = Scene(traffic=Traffic(turns=even(), per_s=SUBSCRIBERS * EACH_PER_S))


def trouble(name: str, says: str, manner: Manner, *, bad: int, throughput: float, p99: float | None) -> Case:
    scene = Scene(traffic=EVEN, bad=bad, manner=manner)
    return Case(name=name, says=says, scene=scene, healthy=HEALTHY, throughput=throughput, p99=p99)


CASES = (
    trouble("hang", "1 of 20 hangs", Manner.HANG, bad=1, throughput=0.95, p99=1.5),
    trouble("hang5", "5 of 20 hang", Manner.HANG, bad=5, throughput=0.9, p99=2.0),
    trouble("late", "1 answers in 2 s", Manner.LATE, bad=1, throughput=0.95, p99=None),
    trouble("refuse", "1 refuses", Manner.REFUSE, bad=1, throughput=0.95, p99=None),
    Case(
        name="single",
        says="1 has it all",
        scene=Scene(traffic=Traffic(turns=[0], per_s=PER_S)),
        healthy=HEALTHY,
        throughput=0.95,  # what one lane may take is what the worker has: with the noise of the others' bounds
        p99=None,
    ),
    Case(
        name="flood",
        says=f"1 floods {FLOOD}:1",
        scene=Scene(
            traffic=Traffic(turns=flooded(), per_s=(FLOOD + SUBSCRIBERS - 1) * EACH_PER_S),
            bad=1,
        ),
        healthy=QUIET,
        # Within one log the others' events stand between the flood's: how soon they are through is not theirs to say.
        throughput=None,
        p99=2.0,
    ),
)
