"""
Records that are JSON objects, and their fields, as those read them who need not say what is wrong with which. Pure.

Whoever can write to a topic is believed no further than this; what is raised cites nothing of what was read.
"""

import re
from collections.abc import Mapping
from typing import Any

import orjson

from relay.errors import Malformed
from relay.store.sound import MAX_ID_BYTES

MAX_RECORD_BYTES = 64 * 1024  # an entry names up to a hundred fields or ids; a token has some 600 bytes
MAX_TEXT_CHARACTERS = 1_000  # of an actor or subject: names of people's and ids, each far below it
MAX_DEPTH = 16  # of an entry's details, which are lists of names; writers of JSON end at some 250, and so would a page


def json_object(value: bytes) -> dict[str, Any]:
    """
    What a record holds.

    Raises:
        Malformed: It is no JSON object, or too large.
    """
    if len(value) > MAX_RECORD_BYTES:
        raise Malformed(f"over {MAX_RECORD_BYTES} bytes")
    try:
        read = orjson.loads(value)
    except orjson.JSONDecodeError:
        read = None
    if type(read) is not dict:
        raise Malformed("not a JSON object")
    return read


def text(value: object) -> str:
    """
    A string of a sensible length.

    Raises:
        TypeError: It is none.
    """
    if type(value) is not str or len(value) > MAX_TEXT_CHARACTERS:
        raise TypeError
    return value


def fitting(rule: re.Pattern[str], value: object) -> str:
    """
    Text that a rule matches as a whole.

    Raises:
        TypeError, ValueError: It is none.
    """
    read = text(value)
    if not rule.fullmatch(read):
        raise ValueError
    return read


def account(value: object) -> str | None:
    """
    An account's id, or None.

    Raises:
        TypeError, ValueError: It is neither.
    """
    if value is None:
        return None
    read = text(value)
    if not 1 <= len(read.encode()) <= MAX_ID_BYTES:
        raise ValueError
    return read


def shallow(value: object) -> Mapping[str, Any]:
    """
    An object with few levels within.

    Raises:
        TypeError, ValueError: It is none, or deep.
    """
    if type(value) is not dict:
        raise TypeError
    if not _ends(value, MAX_DEPTH):
        raise ValueError
    return value


def _ends(value: object, levels: int) -> bool:
    within = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return not within or (levels > 0 and all(_ends(one, levels - 1) for one in within))
