"""
What a person wrote of a subscription -> values of its fields, or every problem at once. Pure.

A form is a mapping of the fields that were said; what was not said keeps its value, or its default. The same readers
serve the options of `relay subscriptions create|update` (texts) and the files of `apply` (texts and lists).
"""

import difflib
import re
from binascii import Error as NotBase64
from collections.abc import Callable, Mapping
from typing import Any

import orjson

from relay.config import Config
from relay.errors import Invalid, Problem
from relay.model import ACTIONS, EVENT_TYPES, EVERY_ACCOUNT, RESOURCE, Tls
from relay.pipeline.filters import compile_filter
from relay.pipeline.keys import WHPK, WHSK, ed25519_key, standard_webhooks_key
from relay.settings import cited, shown
from relay.store import limits, sound
from relay.store.codec import NOT_BUILT
from relay.store.sound import ID, MAX_BOTS, MAX_HEADERS, MAX_ID_BYTES, TOKEN
from relay.urls import normalise

MAX_NAME_CHARACTERS = 200  # one line of a list
MAX_REASON_CHARACTERS = 1_000  # a sentence or two
MAX_SECRET_BYTES = 256
SHORT_SECRET_BYTES = 16  # shorter ones are accepted with a warning: the seed's own is `test`
MAX_HEADER_BYTES = 4 * 1024  # of a value; servers refuse heads over 8 KiB or so
# What was written there is not shown: credentials, a key pasted where its name belongs, a list of URLs.
HIDDEN = ("headers", "tls", "url")
_HEADER_VALUE = re.compile(r"[\t -~]*")  # RFC 9110 section 5.5, ASCII: what every server reads alike
_SEED_NAMES = {f"{RESOURCE}{action}": f"{RESOURCE}.{action}" for action in ACTIONS}  # LeadUpdated, in lower case


def read_form(said: Mapping[str, object], *, config: Config) -> dict[str, Any]:
    """
    The values of what was said, by field.

    Args:
        said: Field -> what was written: `id`, `account_id`, `bot_ids`, `name`, `url`, `events`, `filter`, `signatures`,
            `headers` (name -> plain value), `tls` (names in RELAY_TLS_DIR), `timeout_s`, `rate_per_s`,
            `max_in_flight`, `record_response`.
        config: Whether plain HTTP is allowed, and the longest timeout.

    Raises:
        Invalid: All that is wrong; no URL's path and no header's value is among the values shown.
    """
    readers = _readers(config)
    values: dict[str, Any] = {}
    problems: list[Problem] = []
    for field, written in said.items():
        if field in NOT_BUILT:
            if written != NOT_BUILT[field]:
                problems.append(Problem(field, "this version does not do that: leave it out", cited(written)))
        elif field not in readers:
            near = difflib.get_close_matches(str(field), readers, 1)  # YAML has numbers for keys
            problems.append(Problem(str(field), "is no field of a subscription" + (f": {near[0]}?" if near else "")))
        else:
            try:
                values[field] = readers[field](written)
            except Invalid as invalid:
                problems.extend(invalid.problems)
            except ValueError as rule:
                problems.append(Problem(field, str(rule), "" if field in HIDDEN else cited(written)))
    if problems:
        raise Invalid(*problems)
    return values


def read_secret(raw: bytes) -> bytes:
    """
    The secret in a file or on stdin: its bytes, less one line end.

    Raises:
        Invalid: It could not sign; the secret itself is in no message.
    """
    secret = raw.removesuffix(b"\r\n") if raw.endswith(b"\r\n") else raw.removesuffix(b"\n")
    try:
        secret.decode()
    except UnicodeDecodeError:
        raise Invalid(Problem("secret", "must be UTF-8")) from None
    if not 1 <= len(secret) <= MAX_SECRET_BYTES:
        raise Invalid(Problem("secret", f"must have 1 to {MAX_SECRET_BYTES} bytes", f"{len(secret)} bytes"))
    if secret.startswith(WHPK):
        raise Invalid(Problem("secret", "begins with whpk_: a public key signs nothing"))
    try:
        key = ed25519_key(secret) if secret.startswith(WHSK) else standard_webhooks_key(secret)
    except NotBase64:
        key = b""
    except ValueError as rule:
        raise Invalid(Problem("secret", str(rule))) from None
    if not key:
        raise Invalid(Problem("secret", "begins with whsec_, and what follows is no base64"))
    return secret


def read_verifying(raw: bytes) -> bytes:
    """
    As `read_secret`; also a public key, `whpk_` and base64, with which nothing can be signed.

    Raises:
        Invalid: As there; a public key is not looked at further.
    """
    return raw.strip() if raw.startswith(WHPK) else read_secret(raw)


def is_short(secret: bytes) -> bool:
    """Whether a person should be warned; of `whsec_` it is the key behind it that may be guessed."""
    return len(standard_webhooks_key(secret)) < SHORT_SECRET_BYTES


def event_type(written: str) -> str:
    """
    The canonical name of an event.

    >>> event_type("LeadUpdated"), event_type("lead:completed"), event_type("lead.created")
    ('lead.updated', 'lead.completed', 'lead.created')

    Raises:
        ValueError: There is no such event.
    """
    name = written.strip().replace(":", ".").lower()
    name = _SEED_NAMES.get(name, name)
    if name not in EVENT_TYPES:
        raise ValueError(f"{shown(written)} is no event: {', '.join(EVENT_TYPES)}, or * for all")
    return name


def account_id(written: object) -> str:
    """
    An account's id: text that a line of a list can show.

    Raises:
        ValueError: It is none.
    """
    return _identifier(written, "an account id")


def reason(written: str) -> str:
    """
    Why a subscription is in the state that it is in: one line.

    Raises:
        ValueError: It is none.
    """
    return line(written, MAX_REASON_CHARACTERS)


def _readers(config: Config) -> Mapping[str, Callable[[Any], Any]]:
    return {
        "id": _id,
        "account_id": account_id,
        "bot_ids": lambda written: tuple(dict.fromkeys(_identifier(bot, "a bot id") for bot in _listed(written))),
        "name": _name,
        "url": lambda written: normalise(_text(written), allow_http=config.allow_http),
        "events": _events,
        "filter": _filter,
        "signatures": lambda written: limits.signatures(_listed(written)),
        "headers": _headers,
        "tls": _tls,
        "timeout_s": lambda written: limits.timeout_s(written, config.timeout_s),
        "rate_per_s": limits.rate_per_s,
        "max_in_flight": limits.max_in_flight,
        "record_response": _flag,
    }


def _text(written: object) -> str:
    if not isinstance(written, str):
        raise ValueError("must be text")  # noqa: TRY004  a rule that was broken, as all others
    return written


def _listed(written: object) -> list[str]:
    """A list of texts, or one text with commas."""
    parts = [part.strip() for part in written.split(",") if part.strip()] if isinstance(written, str) else written
    if not isinstance(parts, list | tuple) or len(parts) > MAX_BOTS:
        raise ValueError(f"must be a list of at most {MAX_BOTS}")
    return [_text(part) for part in parts]


def _identifier(written: object, what: str) -> str:
    text = _text(written)
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        size = 0
    if not 1 <= size <= MAX_ID_BYTES:
        raise ValueError(f"{what} has 1 to {MAX_ID_BYTES} bytes")
    if not text.isprintable():
        raise ValueError("must be printable")
    return text


def _id(written: object) -> str:
    text = _text(written)
    if not ID.fullmatch(text):
        raise ValueError("must be 1 to 64 of A-Z a-z 0-9 _ -, the first a letter or digit")
    return text


def _name(written: object) -> str:
    return line(_text(written), MAX_NAME_CHARACTERS)


def line(text: str, most: int) -> str:
    """
    What a line of a list can show.

    Raises:
        ValueError: It is none.
    """
    if not 1 <= len(text) <= most or not text.isprintable():
        raise ValueError(f"must be 1 to {most} printable characters")
    return text


def _events(written: object) -> tuple[str, ...]:
    listed = _listed(written)
    wanted = {one for part in listed for one in (EVENT_TYPES if part == EVERY_ACCOUNT else (event_type(part),))}
    if not wanted:
        raise ValueError(f"names no event: {', '.join(EVENT_TYPES)}, or * for all")
    return tuple(one for one in EVENT_TYPES if one in wanted)


def _filter(written: object) -> Mapping[str, Any] | None:
    value = written
    if isinstance(written, str):
        try:
            value = orjson.loads(written)
        except orjson.JSONDecodeError as error:
            raise ValueError(f"must be JSON: {error}") from None
    if value is not None:
        if not isinstance(value, dict):
            raise ValueError("must be a JSON object, or null for none")
        compile_filter(value)
    return value


def _headers(written: object) -> dict[str, str]:
    if not isinstance(written, Mapping) or len(written) > MAX_HEADERS:
        raise ValueError(f"must be at most {MAX_HEADERS} names and values")
    headers = {_header_name(name): _header_value(name, value) for name, value in written.items()}
    if len(headers) != len(written):
        raise ValueError("names a header twice")
    return headers


def _header_name(written: object) -> str:
    name = _text(written).lower()
    if not TOKEN.fullmatch(name):
        raise ValueError(f"{shown(name)} is no name of a header")
    if sound.is_reserved(name):
        raise ValueError(f"{name} is relay's own to set")
    return name


def _header_value(name: object, written: object) -> str:
    text = _text(written).strip(" \t")
    if len(text) > MAX_HEADER_BYTES or not _HEADER_VALUE.fullmatch(text):
        raise ValueError(f"the value of {name} must be at most {MAX_HEADER_BYTES} printable ASCII characters")
    return text


def _tls(written: object) -> Tls | None:
    if not isinstance(written, str):
        return sound.own_tls(written)
    try:
        return sound.own_tls(orjson.loads(written))
    except orjson.JSONDecodeError as error:
        raise ValueError(f"must be JSON: {error}") from None


def _flag(written: object) -> bool:
    if not isinstance(written, bool):
        raise ValueError("must be true or false")  # noqa: TRY004  as above
    return written
