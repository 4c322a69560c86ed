"""Bytes of a request or an answer -> what a page shows of them: text, and no more than a page bears. Pure."""

from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

MAX_SHOWN = 256 * 1024  # characters; an event may have 1 MiB, which no person reads in a page
MAX_PRETTY = 64 * 1024  # bytes of JSON that are written anew for people: it grows with its indents
MAX_DEPTH = 32  # each level indents all that is in it


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A body."""

    raw: str
    pretty: str | None  # None: it is no JSON, or reads better as it is
    is_cut: bool  # this is only its beginning
    is_binary: bool  # in place of the bytes stands their hexadecimal form


def shown(body: bytes) -> Shown:
    """As text where it is that, else in hexadecimal. Never raises."""
    try:
        text, is_binary = body.decode(), False
    except UnicodeDecodeError:
        text, is_binary = body[: MAX_SHOWN // 3].hex(" "), True
    if "\0" in text:
        text = text.replace("\0", "�")
    return Shown(
        raw=text[:MAX_SHOWN],
        pretty=None if is_binary else _pretty(body, text),
        is_cut=len(text) > MAX_SHOWN or (is_binary and len(body) > MAX_SHOWN // 3),
        is_binary=is_binary,
    )


def answer(result: Mapping[str, Any]) -> Shown | None:
    """What a result holds of the receiver's answer; None: nothing. Never raises, whoever wrote the result."""
    body = result.get("response_body")
    if not isinstance(body, str):
        return None
    if result.get("response_body_encoding") == "base64":
        try:
            return shown(b64decode(body, validate=True))
        except ValueError:
            pass  # as it is written, then
    return shown(body.encode("utf-8", "replace"))


def _pretty(body: bytes, text: str) -> str | None:
    if len(body) > MAX_PRETTY or text[:1] not in "{[" or not text or _depth(text) > MAX_DEPTH:
        return None
    try:
        return orjson.dumps(orjson.loads(body), option=orjson.OPT_INDENT_2).decode()
    except (orjson.JSONDecodeError, orjson.JSONEncodeError):
        return None


def _depth(text: str) -> int:
    """At most so deep: brackets in strings count too, and then it is shown as it is."""
    depth = deepest = 0
    for one in text:
        if one in "{[":
            depth += 1
            deepest = max(deepest, depth)
        elif one in "}]":
            depth -= 1
    return deepest
