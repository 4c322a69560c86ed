"""
A run <-> the bytes of its record on `relay.runs`, and what records make of the runs that there were. Pure.

Its key is the run's id, its value JSON (schemas/run.v1.json): the newest is the run as it stands, for compaction keeps
no other.
"""

from collections.abc import Iterable, Mapping, MutableMapping
from typing import Any

import orjson

from relay.errors import Malformed
from relay.model import Record
from relay.pipeline.results import rfc3339
from relay.replay.values import Kind, Lost, Positions, Run, RunState

MAX_BYTES = 1024 * 1024  # some 20,000 partitions' positions
KEPT_MS = 30 * 86_400_000  # after its end; results are kept for as long, and none would tell of it any more
ID_BYTES = 13  # 104 random bits


def run_id(dice: bytes) -> str:
    """
    An id of these random bytes.

    >>> run_id(bytes(range(13)))
    'run_000102030405060708090a0b0c'
    """
    return "run_" + dice[:ID_BYTES].hex()


def is_old(run: Run, now_ms: int) -> bool:
    """Whether it was over so long ago that it is forgotten."""
    return run.is_over and run.updated_at < rfc3339(max(0, now_ms - KEPT_MS))


def encode(run: Run) -> bytes:
    """Its record's value."""
    return orjson.dumps(shown(run))


def shown(run: Run) -> dict[str, Any]:
    """As JSON has it, in the order of the schema."""
    return {
        "id": run.id,
        "kind": run.kind,
        "subscription_id": run.subscription_id,
        "account_id": run.account_id,
        "incarnation": run.incarnation,
        "by": run.by,
        "created_at": run.created_at,
        "updated_at": run.updated_at,
        "state": run.state,
        "why": run.why,
        "since_ms": run.since_ms,
        "from_offsets": None if run.from_offsets is None else _written(run.from_offsets),
        "undelivered": run.undelivered,
        "starts": _written(run.starts),
        "positions": _written(run.positions),
        "until": _written(run.until),
        "lost": [
            {"topic": one.topic, "partition": one.partition, "first": one.first, "end": one.end} for one in run.lost
        ],
        "read": run.read,
        "matched": run.matched,
        "skipped": run.skipped,
        "sent": run.sent,
        "worker": run.worker,
    }


def decode(key: bytes | None, value: bytes) -> Run:
    """
    The run in a record.

    Raises:
        Malformed: It was not written by relay; fields of a newer one are passed over.
    """
    if len(value) > MAX_BYTES:
        raise Malformed(f"over {MAX_BYTES} bytes")
    try:
        raw = orjson.loads(value)
        if not isinstance(raw, dict) or _is(raw["id"], str).encode() != key:
            raise Malformed("no run, or another's")
        return _run(raw)
    except (ValueError, TypeError, KeyError, OverflowError) as error:
        raise Malformed(f"no run: {error!r}"[:200]) from None


def _run(raw: Mapping[str, Any]) -> Run:
    return Run(
        id=raw["id"],
        kind=Kind(raw["kind"]),
        subscription_id=_is(raw["subscription_id"], str),
        account_id=_is(raw["account_id"], str),
        incarnation=_is(raw["incarnation"], str),
        by=_is(raw["by"], str),
        created_at=_is(raw["created_at"], str),
        updated_at=_is(raw["updated_at"], str),
        state=RunState(raw["state"]),
        why=_or_null(raw["why"], str),
        since_ms=_or_null(raw["since_ms"], int),
        from_offsets=None if raw["from_offsets"] is None else _read(raw["from_offsets"]),
        undelivered=_is(raw["undelivered"], bool),
        starts=_read(raw["starts"]),
        positions=_read(raw["positions"]),
        until=_read(raw["until"]),
        lost=tuple(
            Lost(
                topic=_is(one["topic"], str),
                partition=_is(one["partition"], int),
                first=_or_null(one["first"], int),
                end=_is(one["end"], int),
            )
            for one in _is(raw["lost"], list)
        ),
        read=_is(raw["read"], int),
        matched=_is(raw["matched"], int),
        skipped=_is(raw["skipped"], int),
        sent=_is(raw["sent"], int),
        worker=_or_null(raw["worker"], str),
    )


def fold(records: Iterable[Record], onto: MutableMapping[str, Run]) -> list[str]:
    """
    The runs are as these records say; what could not be read, by its key.

    A run that is over stays so: on a broker without transactions whoever carried it on may write once more before it
    has heard that it was cancelled.
    """
    unreadable = []
    for record in records:
        key = (record.key or b"").decode(errors="backslashreplace")
        if record.value is None:
            onto.pop(key, None)
            continue
        try:
            run = decode(record.key, record.value)
        except Malformed:
            unreadable.append(key)
            continue
        before = onto.get(run.id)
        if before is None or run.is_over or not before.is_over:
            onto[run.id] = run
    return unreadable


def _written(positions: Positions) -> dict[str, int]:
    return {f"{topic}/{partition}": offset for (topic, partition), offset in sorted(positions.items())}


def _read(raw: Any) -> dict[tuple[str, int], int]:  # noqa: ANN401  whatever JSON holds
    positions = {}
    for name, offset in _is(raw, dict).items():
        topic, slash, partition = name.rpartition("/")
        if not slash or not (partition.isascii() and partition.isdigit()) or _is(offset, int) < 0:
            raise ValueError(name)
        positions[topic, int(partition)] = offset
    return positions


def _is(value: Any, kind: type[Any]) -> Any:  # noqa: ANN401  whatever JSON holds
    if type(value) is not kind:
        raise TypeError
    return value


def _or_null(value: Any, kind: type[Any]) -> Any:  # noqa: ANN401
    return None if value is None else _is(value, kind)
