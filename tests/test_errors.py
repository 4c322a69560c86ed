import inspect

import pytest

from relay import errors
from relay.errors import (
    ConfigProblem,
    Conflict,
    InstanceTaken,
    Invalid,
    Malformed,
    NotAllowed,
    NotFound,
    Problem,
    RelayError,
    Stale,
    TooManyMalformed,
    TopicProblem,
    Unreachable,
)

# Section 12 of the design: scripts decide by these.
EXIT_CODES = {
    RelayError: 1,
    Malformed: 1,
    Conflict: 1,
    Stale: 1,
    TopicProblem: 1,
    InstanceTaken: 2,
    TooManyMalformed: 1,
    Invalid: 2,
    ConfigProblem: 2,
    NotFound: 3,
    NotAllowed: 4,
    Unreachable: 5,
}

THERE = [one for _, one in inspect.getmembers(errors, inspect.isclass) if issubclass(one, Exception)]
MANY = (Problem("url", "must be https", "http://a/"), Problem("name", "is needed"), Problem("events", "is empty", "[]"))


def test_every_error_has_the_exit_code_of_the_contract() -> None:
    """Also one that is added: it is listed here, with a code that was thought about."""
    assert EXIT_CODES == {one: one.exit_code for one in THERE if issubclass(one, RelayError)}


def test_every_error_is_relays_own() -> None:
    """One root tells what relay raises on purpose from its faults."""
    assert [] == [one for one in THERE if not issubclass(one, RelayError)]


@pytest.mark.parametrize("kind", [Invalid, ConfigProblem])
def test_all_that_is_wrong_is_told_at_once(kind: type[Invalid]) -> None:
    """One problem a line, in the order in which they were found; and as values, for who would rather have those."""
    error = kind(*MANY)

    assert "url: must be https (given: http://a/)\nname: is needed\nevents: is empty (given: [])" == str(error)
    assert MANY == error.problems


@pytest.mark.parametrize(
    ("problem", "text"),
    [
        (Problem("RELAY_GROUP", "must not be empty"), "RELAY_GROUP: must not be empty"),
        (Problem("RELAY_START", "is no time", "noon"), "RELAY_START: is no time (given: noon)"),
        (Problem("RELAY_IN_FLIGHT", "must be 1 to 10000", "0"), "RELAY_IN_FLIGHT: must be 1 to 10000 (given: 0)"),
    ],
)
def test_a_problem_says_where_which_rule_and_what_was_given(problem: Problem, text: str) -> None:
    """What was given is left out where there is nothing, or it may not be shown."""
    assert text == str(problem)
