"""
Tokens <-> the bytes of their records (schemas/token.v1.json). Pure.

Whoever can write to their topic is believed no further than this: a token whose scope, account or expiry cannot be
read lets nobody in.
"""

import re
from typing import Any

import orjson

from relay.access.values import Scope, Token
from relay.errors import Malformed
from relay.store.fields import account, fitting, json_object, text
from relay.store.sound import MOMENT

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
    raw = json_object(value)
    try:
        token = Token(
            id=text(raw["id"]),
            name=text(raw["name"]),
            prefix=text(raw["prefix"]),
            hash=fitting(_HASH, raw["hash"]),
            scope=Scope(text(raw["scope"])),
            account_id=account(raw["account_id"]),
            created_at=fitting(MOMENT, raw["created_at"]),
            created_by=text(raw["created_by"]),
            expires_at=None if raw["expires_at"] is None else fitting(MOMENT, raw["expires_at"]),
        )
    except (KeyError, TypeError, ValueError):
        raise Malformed("it is no token that this version can read") from None
    if key != token.id.encode():
        raise Malformed("its key is not its id")
    return token
