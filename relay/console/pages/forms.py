"""
What a browser sends of a form -> what the desk takes; and a webhook -> what its form shows. Pure.

Only what has another shape in a form is read here: the rules of each field are the desk's alone, and its problems come
back by the field's name.
"""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

import orjson

from relay.console.pages import words
from relay.errors import Problem
from relay.model import EVENT_TYPES, Signature
from relay.store.sound import MAX_HEADERS

Written = Mapping[str, Sequence[str]]  # a field's name -> all that was sent under it

SIGNATURES = tuple(one.value for one in Signature)
DEFAULT_SIGNATURES = ("artibot-sha1", "standard-webhooks")
NUMBERS = ("timeout_s", "rate_per_s", "max_in_flight")
PLAIN = ("name", "url")


def text(written: Written, field: str) -> str:
    """What was typed, without the white space around it; empty where nothing was."""
    said = written.get(field) or ("",)
    return said[0].replace("\r\n", "\n").strip()


def every(written: Written, field: str) -> list[str]:
    """All that was ticked."""
    return [one for one in written.get(field, ()) if one]


def webhook(written: Written, *, is_new: bool) -> tuple[dict[str, object], list[Problem]]:
    """
    The desk's form, and what cannot even be told to it.

    Args:
        written: What the browser sent.
        is_new: A new one has an account and an id; of one that there is, headers that nobody mentions stay.
    """
    problems: list[Problem] = []
    said: dict[str, object] = {name: text(written, name) for name in PLAIN}
    said["events"] = every(written, "events")
    said["bot_ids"] = [line.strip() for line in text(written, "bot_ids").split("\n") if line.strip()]
    said["filter"] = text(written, "filter") or None
    said["signatures"] = every(written, "signatures")
    said["tls"] = {name: typed for name in ("client_cert", "ca") if (typed := text(written, f"tls_{name}"))} or None
    said |= {name: _number(text(written, name)) for name in NUMBERS}
    said["record_response"] = bool(every(written, "record_response"))
    if is_new:
        said |= {name: typed for name in ("account_id", "id") if (typed := text(written, name))}
    headers = text(written, "headers")
    if headers or every(written, "no_headers"):
        try:
            said["headers"] = header_lines(headers)
        except ValueError as rule:
            problems.append(Problem("headers", str(rule)))
    return said, problems


def header_lines(typed: str) -> dict[str, str]:
    r"""
    A header a line.

    >>> header_lines("Authorization: Bearer x\n\nX-Team: leads")
    {'Authorization': 'Bearer x', 'X-Team': 'leads'}

    Raises:
        ValueError: A line is none, or names one that another names; no value is in the message.
    """
    headers: dict[str, str] = {}
    lines = [(number, line) for number, line in enumerate(typed.splitlines(), 1) if line.strip()]
    if len(lines) > MAX_HEADERS:
        raise ValueError(f"must be at most {MAX_HEADERS} lines")
    for number, line in lines:
        name, colon, value = line.partition(":")
        if not colon or not name.strip():
            raise ValueError(f"line {number} is no header: write `Name: value`")
        if name.strip().lower() in {one.lower() for one in headers}:
            raise ValueError(f"line {number} names a header twice")
        headers[name.strip()] = value.strip()
    return headers


def blank(account: str | None) -> dict[str, Any]:
    """What the form of a new webhook shows."""
    return {
        **dict.fromkeys(("name", "url", "filter", "bot_ids", "tls_client_cert", "tls_ca", "headers", *NUMBERS), ""),
        "account_id": account or "",
        "events": ["lead.updated"],
        "signatures": list(DEFAULT_SIGNATURES),
        "record_response": True,
        "no_headers": False,
    }


def of(subscription: Mapping[str, Any]) -> dict[str, Any]:
    """What the form of this webhook shows; values of headers are nobody's to see."""
    filter_, tls = subscription["filter"], subscription["tls"] or {}
    return {
        "account_id": subscription["account_id"],
        "name": subscription["name"],
        "url": subscription["url"],
        "events": list(subscription["events"]),
        "filter": "" if filter_ is None else pretty(filter_),
        "bot_ids": "\n".join(subscription["bot_ids"]),
        "signatures": list(subscription["signatures"]),
        "record_response": subscription["record_response"],
        "headers": "",
        "no_headers": False,
        "tls_client_cert": tls.get("client_cert") or "",
        "tls_ca": tls.get("ca") or "",
        **{name: "" if subscription[name] is None else words.figure(subscription[name]) for name in NUMBERS},
    }


def again(written: Written) -> dict[str, Any]:
    """What was typed, to be put right; the secret and the values of headers go back to nobody."""
    names = ("account_id", "name", "url", "filter", "bot_ids", "tls_client_cert", "tls_ca", *NUMBERS)
    return {
        **{name: text(written, name) for name in names},
        "events": [one for one in every(written, "events") if one in EVENT_TYPES],
        "signatures": every(written, "signatures"),
        "record_response": bool(every(written, "record_response")),
        "headers": "",
        "no_headers": bool(every(written, "no_headers")),
    }


def by_field(problems: Sequence[Problem]) -> dict[str, str]:
    """What stands beside each field; the first problem of each."""
    told: dict[str, str] = {}
    for one in problems:
        told.setdefault(one.field, one.rule + (f" (given: {one.value})" if one.value else ""))
    return told


def pretty(value: object) -> str:
    """JSON for people."""
    return orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()


def _number(typed: str) -> object:
    """
    As a number where it is one, so that the desk judges it; else as it was typed.

    >>> _number("2.5"), _number("4"), _number(""), _number("many")
    (2.5, 4, None, 'many')
    """
    if not typed:
        return None
    if typed.isascii() and typed.isdigit() and len(typed) <= 15:  # noqa: PLR2004  below what a float holds exactly
        return int(typed)
    try:
        return float(typed)
    except ValueError:
        return typed


def query(pairs: Mapping[str, str | None]) -> str:
    """
    Behind a path; nothing where there is nothing.

    >>> query({"text": "a&b", "state": ""}), query({})
    ('?text=a%26b', '')
    """
    encoded = urlencode([(name, value) for name, value in pairs.items() if value])
    return f"?{encoded}" if encoded else ""
