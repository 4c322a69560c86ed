"""
A record of the results topic -> an attempt and the delivery that it alone would make, or why it cannot be read. Pure.

What a listing shows and searches is checked and becomes columns; the rest stays in the record as it was written, so
that what a newer relay adds is kept. Nothing here depends on when the record is read.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import orjson

from relay.instants import epoch_ms
from relay.pipeline.decode import MAX_DEPTH, too_deep
from relay.store.history.values import Attempt, Delivery, State, Unreadable

MAX_RESULT_BYTES = 1024 * 1024  # the largest that relay writes: 64 KiB of a reply, six times that as JSON, 48 KiB more
MAX_TEXT_BYTES = 256  # of an id; an index entry holds two of them, and PostgreSQL takes 2,704 bytes
MAX_WORD = 64  # characters of a verdict, a reason, a trigger
MAX_INT = 2**63 - 1
SUPERSEDED = "superseded"  # another copy of the delivery goes on, and it is that one which tells how it stands

STATES = {
    "delivered": State.DELIVERED,
    "retry": State.PENDING,
    "deferred": State.PENDING,
    "gave_up": State.GAVE_UP,
    "dropped": State.DROPPED,
}


class Unfit(Exception):
    """A field is not what the history needs; the message says which."""


def read(id_: int, value: bytes | None) -> tuple[Attempt, Delivery] | Unreadable:
    """
    What a record says.

    Args:
        id_: Its `place`; also the delivery's, until an earlier one is known.
        value: Its bytes.

    Never raises: every record, none at all included, is one of the two.
    """
    try:
        return _read(id_, value)
    except Unfit as why:
        return Unreadable(id_, str(why), len(value or b""))


def _read(id_: int, value: bytes | None) -> tuple[Attempt, Delivery]:
    if value is None or len(value) > MAX_RESULT_BYTES:
        raise Unfit("no value" if value is None else f"over {MAX_RESULT_BYTES} bytes")
    try:
        raw = orjson.loads(value)
        text = value.decode()
    except ValueError as error:
        raise Unfit(f"not JSON: {str(error)[:200]}") from None
    if type(raw) is not dict:
        raise Unfit("not a JSON object")
    if too_deep(value, raw):  # what shows it nests it a little deeper, and writes JSON of 254 at most
        raise Unfit(f"nested deeper than {MAX_DEPTH}")
    started_ms = _time(raw, "started_at")
    delivery = _delivery(raw, id_, started_ms, len(value))
    return Attempt(id_, id_, _text(raw, "attempt_id"), started_ms, text), delivery


def _delivery(raw: Mapping[str, Any], id_: int, started_ms: int, size: int) -> Delivery:
    verdict, reason = _word(raw, "verdict"), _word(raw, "reason")
    next_ms = None if raw.get("next_attempt_at") is None else _time(raw, "next_attempt_at")
    state = STATES.get(verdict)
    if state is None:
        state = State.OTHER if next_ms is None else State.PENDING
    return Delivery(
        id=id_,
        delivery_id=_text(raw, "delivery_id"),
        subscription_id=_text(raw, "subscription_id"),
        account_id=_text(raw, "subscription_account_id"),
        lead_account_id=_text(raw, "account_id"),
        lead_id=_text(raw, "lead_id"),
        event_type=_word(raw, "event_type"),
        event_topic=None if raw.get("event_topic") is None else _text(raw, "event_topic"),
        event_partition=_number(raw, "event_partition"),
        event_offset=_number(raw, "event_offset"),
        created_ms=started_ms,
        records=1,
        bytes=size,
        delivered_ms=started_ms if state is State.DELIVERED else None,
        newest_ms=0 if reason == SUPERSEDED else started_ms,  # 0: whatever else there is, is newer
        newest_id=id_,
        state=int(state),
        verdict=verdict,
        reason=reason,
        ended_by=None if raw.get("ended_by") is None else _word(raw, "ended_by"),
        status=_number(raw, "status"),
        trigger=_word(raw, "trigger"),
        run_id=None if raw.get("run_id") is None else _text(raw, "run_id"),
        attempt=_number(raw, "attempt") or 0,
        deferrals=_number(raw, "deferrals") or 0,
        elapsed_ms=_number(raw, "elapsed_ms"),
        next_attempt_ms=next_ms,
    )


def _text(raw: Mapping[str, Any], name: str) -> str:
    value = raw.get(name)
    if type(value) is not str or not value or len(value) > MAX_TEXT_BYTES:
        raise Unfit(f"{name} is no text of 1 to {MAX_TEXT_BYTES} bytes")
    if not value.isascii() and len(value.encode()) > MAX_TEXT_BYTES:
        raise Unfit(f"{name} is no text of 1 to {MAX_TEXT_BYTES} bytes")
    if "\0" in value:
        raise Unfit(f"{name} holds a NUL, which PostgreSQL cannot")
    return value


def _word(raw: Mapping[str, Any], name: str) -> str:
    value = raw.get(name)
    if type(value) is not str or not 0 < len(value) <= MAX_WORD or "\0" in value:
        raise Unfit(f"{name} is no word of 1 to {MAX_WORD} characters")
    return value


def _number(raw: Mapping[str, Any], name: str) -> int | None:
    value = raw.get(name)
    if value is None:
        return None
    if type(value) is not int or not 0 <= value <= MAX_INT:
        raise Unfit(f"{name} is no whole number")
    return value


def _time(raw: Mapping[str, Any], name: str) -> int:
    value = raw.get(name)
    if type(value) is str and len(value) <= MAX_WORD:
        if len(value) == 24 and value[19] == "." and value[23] == "Z" and value[20:23].isdecimal():  # noqa: PLR2004  as relay writes it
            seconds_ms = _second_ms(value[:19])
            if seconds_ms is not None:
                return seconds_ms + int(value[20:23])
        other = _ms(value)
        if other is not None:
            return other
    raise Unfit(f"{name} is no time from 1970 to 9999 with a zone")


@lru_cache(maxsize=1024)  # of the order of time: a batch holds the same few seconds again and again
def _second_ms(text: str) -> int | None:
    return _ms(text + "+00:00")


def _ms(text: str) -> int | None:
    try:
        return epoch_ms(text)
    except ValueError:
        return None
