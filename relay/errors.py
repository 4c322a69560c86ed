"""
What can go wrong on our side. The outside world's failures are values (`model.Reply`).

Messages say what to do next: whoever reads one is about to do it.
"""

from dataclasses import dataclass


class RelayError(Exception):
    """The root of everything that relay raises on purpose."""

    exit_code = 1


class Malformed(RelayError):
    """These bytes are no event (or delivery) that relay can read; the message is the reason on the dead letter."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong in what a person wrote: where, which rule it breaks, the value (masked where secret)."""

    field: str
    rule: str
    value: str = ""

    def __str__(self) -> str:
        return f"{self.field}: {self.rule}" + (f" (given: {self.value})" if self.value else "")


class Invalid(RelayError):
    """What a person wrote breaks one or more rules; all of them are told at once."""

    exit_code = 2

    def __init__(self, *problems: Problem) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems


class ConfigProblem(Invalid):
    """The configuration breaks one or more rules."""


class Conflict(RelayError):
    """Somebody else was first: the id exists, or the version that was edited is no longer the newest."""


class Stale(Conflict):
    """The version that was edited is no longer the newest: look at it again."""


class NotFound(RelayError):
    """There is nothing under that id."""

    exit_code = 3


class NotAllowed(RelayError):
    """The rules of the account do not permit it (quota, another account's), or the broker refuses us."""

    exit_code = 4


class Unreachable(RelayError):
    """The broker does not answer."""

    exit_code = 5


class TopicProblem(RelayError):
    """A topic is missing or set up so that promises could not be kept; the message names the command that mends it."""


class InstanceTaken(RelayError):
    """Another worker has this one's place in the group."""

    exit_code = 2


class TooManyMalformed(RelayError):
    """So many records are malformed that the producer or the topic is wrong, not they; they stay uncommitted."""
