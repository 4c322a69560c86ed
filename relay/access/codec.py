"""
Tokens and entries of the audit <-> the bytes of their records (schemas/token.v1.json, schemas/audit.v1.json). Pure.

Whoever can write to these topics is believed no further than this: a token whose scope, account or expiry cannot be
read lets nobody in, and an entry that cannot be read is told as such.
"""

import re
from typing import Any

import orjson

from relay import __version__
from relay.access.values import AuditEntry, Scope, Token
from relay.errors import Malformed
from relay.model import Outgoing
from relay.pipeline.decode import MAX_DEPTH, too_deep
from relay.store.sound import MAX_ID_BYTES, MOMENT

MAX_RECORD_BYTES = 64 * 1024  # an entry names up to a hundred fields or ids; a token has some 600 bytes
MAX_TEXT_CHARACTERS = 1_000  # of an actor or subject: names of people's and ids, each far below it
_HASH = re.compile(r"[0-9a-f]{64}")


def encode_token(token: Token) -> bytes:
    """The record's value, which `decode_token` can read."""
    return orjson.dumps(
        {
            "id": token.id,
            "name": token.name,
            "prefix": token.prefix,
            "hash": token.hash,
            "scope": token.scope.value,
            "account_id": token.account_id,
            "created_at": token.created_at,
            "created_by": token.created_by,
            "expires_at": token.expires_at,
        }
    )


def shown(token: Token) -> dict[str, Any]:
    """As people see it: all but the hash."""
    said: dict[str, Any] = orjson.loads(encode_token(token))
    del said["hash"]
    return said


def decode_token(key: bytes | None, value: bytes) -> Token:
    """
    The token in a record.

    Raises:
        Malformed: It is none that this version can honour; the message cites nothing of it.
    """
    raw = _object(value)
    try:
        token = Token(
            id=_text(raw["id"]),
            name=_text(raw["name"]),
            prefix=_text(raw["prefix"]),
            hash=_fitting(_HASH, raw["hash"]),
            scope=Scope(_text(raw["scope"])),
            account_id=_account(raw["account_id"]),
            created_at=_fitting(MOMENT, raw["created_at"]),
            created_by=_text(raw["created_by"]),
            expires_at=None if raw["expires_at"] is None else _fitting(MOMENT, raw["expires_at"]),
        )
    except (KeyError, TypeError, ValueError):
        raise Malformed("it is no token that this version can read") from None
    if key != token.id.encode():
        raise Malformed("its key is not its id")
    return token


def encode_entry(entry: AuditEntry) -> bytes:
    """The record's value, which `decode_entry` can read."""
    return orjson.dumps(
        {
            "at": entry.at,
            "actor": entry.actor,
            "action": entry.action,
            "account_id": entry.account_id,
            "subject": entry.subject,
            "details": entry.details,
            "relay_version": __version__,
        }
    )


def outgoing(entry: AuditEntry, topic: str) -> Outgoing:
    """Its record, for the transaction of what it tells of."""
    return Outgoing(topic=topic, key=entry.actor.encode(), value=encode_entry(entry), partition=0)


def decode_entry(value: bytes) -> AuditEntry:
    """
    The entry in a record; of a newer relay's, what this version knows.

    Raises:
        Malformed: It is none.
    """
    raw = _object(value)
    try:
        return AuditEntry(
            at=_fitting(MOMENT, raw["at"]),
            actor=_text(raw["actor"]),
            action=_text(raw["action"]),
            account_id=_account(raw["account_id"]),
            subject=_text(raw["subject"]),
            details=_is(raw["details"], dict),
        )
    except (KeyError, TypeError, ValueError):
        raise Malformed("it is no entry that this version can read") from None


def _object(value: bytes) -> dict[str, Any]:
    if len(value) > MAX_RECORD_BYTES:
        raise Malformed(f"over {MAX_RECORD_BYTES} bytes")
    try:
        raw = _is(orjson.loads(value), dict)
    except (orjson.JSONDecodeError, TypeError):
        raise Malformed("not a JSON object") from None
    if too_deep(value, raw):
        raise Malformed(f"nested deeper than {MAX_DEPTH}")
    return raw


def _is(value: Any, kind: type[dict[str, Any]]) -> dict[str, Any]:  # noqa: ANN401  whatever JSON holds
    if type(value) is not kind:
        raise TypeError
    return value


def _text(value: Any) -> str:  # noqa: ANN401
    if type(value) is not str or len(value) > MAX_TEXT_CHARACTERS:
        raise TypeError
    return value


def _fitting(rule: re.Pattern[str], value: Any) -> str:  # noqa: ANN401
    text = _text(value)
    if not rule.fullmatch(text):
        raise ValueError
    return text


def _account(value: Any) -> str | None:  # noqa: ANN401
    if value is None:
        return None
    text = _text(value)
    if not 1 <= len(text.encode()) <= MAX_ID_BYTES:
        raise ValueError
    return text
