"""What callers are told of what went wrong."""

import pytest

from relay import errors
from relay.console.problems import trouble
from relay.store.history.values import HistoryProblem, Unavailable

WRONG = errors.Problem("url", "must begin with https://", "ftp://x")


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (errors.Invalid(WRONG), 422),
        (errors.ConfigProblem(errors.Problem("RELAY_SECRET_KEYS", "is not set")), 503),
        (errors.NotFound("no"), 404),
        (errors.NotAllowed("no"), 403),
        (errors.Conflict("no"), 409),
        (errors.Stale("no"), 412),
        (errors.Unreachable("no"), 503),
        (errors.TopicProblem("no"), 503),
        (Unavailable("no"), 503),
        (HistoryProblem("no"), 503),
        (errors.RelayError("no"), 500),
    ],
)
def test_each_kind_of_error_has_its_status(error: errors.RelayError, status: int) -> None:
    """A 503 says when to try again."""
    told = trouble(error, operator=True)

    assert status == told.status == told.body()["status"]
    assert (status == 503) == ("Retry-After" in told.headers)


def test_what_is_wrong_is_told_by_field() -> None:
    """As the title, the detail and the list of RFC 9457's."""
    assert {
        "type": "about:blank",
        "title": "Unprocessable Entity",
        "status": 422,
        "detail": "url: must begin with https:// (given: ftp://x)",
        "problems": [{"field": "url", "rule": "must begin with https://", "value": "ftp://x"}],
    } == {**trouble(errors.Invalid(WRONG), operator=False).body(), "title": "Unprocessable Entity"}


def test_where_brokers_and_databases_are_is_an_operators_business() -> None:
    """Whoever is bound to an account hears that something is away."""
    error = errors.Unreachable("no Kafka answers at kafka-1.internal:9092")

    assert "kafka-1.internal" in trouble(error, operator=True).detail
    assert "kafka-1.internal" not in trouble(error, operator=False).detail
