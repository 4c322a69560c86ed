"""What went wrong -> what is told of it: problem details (RFC 9457), and the same words on a page. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from relay.errors import (
    ConfigProblem,
    Conflict,
    Invalid,
    NotAllowed,
    NotFound,
    RelayError,
    Stale,
    TopicProblem,
    Unreachable,
)
from relay.store.history.values import HistoryProblem, Unavailable

CONTENT_TYPE = "application/problem+json"
RETRY_AFTER_S = 5  # a broker that restarts, or a database that is locked, is back by then or later

AWAY = "something that this needs does not answer just now: try again in a moment"

# The first that fits counts: a kind stands before what it is a kind of.
STATUSES: tuple[tuple[type[RelayError], HTTPStatus], ...] = (
    (ConfigProblem, HTTPStatus.SERVICE_UNAVAILABLE),  # an operator's to mend, not the caller's
    (TopicProblem, HTTPStatus.SERVICE_UNAVAILABLE),
    (Unreachable, HTTPStatus.SERVICE_UNAVAILABLE),
    (Unavailable, HTTPStatus.SERVICE_UNAVAILABLE),
    (HistoryProblem, HTTPStatus.SERVICE_UNAVAILABLE),
    (Stale, HTTPStatus.PRECONDITION_FAILED),
    (Conflict, HTTPStatus.CONFLICT),
    (NotFound, HTTPStatus.NOT_FOUND),
    (NotAllowed, HTTPStatus.FORBIDDEN),
    (Invalid, HTTPStatus.UNPROCESSABLE_ENTITY),
    (RelayError, HTTPStatus.INTERNAL_SERVER_ERROR),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """A status, and what is told with it."""

    status: HTTPStatus
    detail: str
    problems: tuple[Mapping[str, str], ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)

    def body(self) -> dict[str, Any]:
        """As RFC 9457 has it; `problems` is ours: what is wrong with each field."""
        return {
            "type": "about:blank",
            "title": self.status.phrase,
            "status": int(self.status),
            "detail": self.detail,
            "problems": list(self.problems),
        }


def trouble(error: RelayError, *, operator: bool = False) -> Trouble:
    """
    What a caller is told of it.

    Args:
        error: What went wrong.
        operator: They may see every account; to others addresses of ours are nobody's business.
    """
    status = next(status for kind, status in STATUSES if isinstance(error, kind))
    headers = {"Retry-After": str(RETRY_AFTER_S)} if status is HTTPStatus.SERVICE_UNAVAILABLE else {}
    if isinstance(error, Invalid) and status is HTTPStatus.UNPROCESSABLE_ENTITY:
        problems = tuple({"field": one.field, "rule": one.rule, "value": one.value} for one in error.problems)
        return Trouble(status=status, detail="; ".join(map(str, error.problems)), problems=problems)
    away = status is HTTPStatus.SERVICE_UNAVAILABLE and not operator
    return Trouble(status=status, detail=AWAY if away else str(error), headers=headers)
