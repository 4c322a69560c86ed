"""Results as workers write them, with only the field that matters: `a_result(verdict="retry")`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from relay.model import Headers
from relay.pipeline.results import rfc3339
from relay.store.history.rows import read
from relay.store.history.values import Attempt, Delivery, Unreadable, place

EXAMPLES = Path(__file__).parents[3] / "schemas/examples"
DAY_MS = 86_400_000
NOON_MS = 1_559_908_800_000  # 2019-06-07T12:00:00Z
AFTER: dict[str, dict[str, Any]] = {
    "delivered": {"reason": "ok", "status": 200},
    "retry": {"reason": "status", "status": 503},
    "gave_up": {"reason": "status", "status": 500, "ended_by": "exhausted"},
    "deferred": {"reason": "circuit_open", "status": None, "elapsed_ms": None},
    "dropped": {"reason": "subscription_deleted", "status": None, "elapsed_ms": None},
}
GOES_ON = {"retry", "deferred"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A record of the results topic (`relay.model.Record`)."""

    value: bytes | None
    offset: int
    partition: int = 0
    topic: str = "relay.results"
    timestamp: int = NOON_MS
    key: bytes | None = b"lead_1"
    headers: Headers = ()


def a_result(
    number: int = 1,
    *,
    delivery: int | None = None,
    verdict: str = "delivered",
    at_ms: int = NOON_MS,
    **fields: Any,  # noqa: ANN401
) -> dict[str, Any]:
    """The record that has this number, of the delivery that has this one; by default each is of its own delivery."""
    result: dict[str, Any] = orjson.loads((EXAMPLES / "result.delivered.json").read_bytes())
    result |= {
        "attempt_id": f"att_{number:032x}",
        "delivery_id": f"dlv_{number if delivery is None else delivery:032x}",
        "subscription_id": "sub_1",
        "subscription_account_id": "acct-1",
        "account_id": "acct-1",
        "lead_id": "lead_1",
        "verdict": verdict,
        "started_at": rfc3339(at_ms),
        "elapsed_ms": 42,
        "next_attempt_at": rfc3339(at_ms + 5_000) if verdict in GOES_ON else None,
    }
    return result | AFTER.get(verdict, {}) | fields


def a_record(offset: int, result: dict[str, Any] | bytes | None, *, partition: int = 0) -> Written:
    value = orjson.dumps(result) if isinstance(result, dict) else result
    return Written(value=value, offset=offset, partition=partition)


def a_row(number: int = 1, *, partition: int = 0, **fields: Any) -> tuple[Attempt, Delivery]:  # noqa: ANN401
    """What is made of the record at this offset."""
    row = read(place(0, partition, number), orjson.dumps(a_result(number, **fields)))
    assert not isinstance(row, Unreadable), row.reason
    return row
