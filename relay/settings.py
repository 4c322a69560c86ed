"""
How settings are written: each reader takes text and returns its value, or raises ValueError saying the rule.

Pure. The message of `key_ring` never cites what it read; nor does the message of any reader that is given a secret.
"""

import base64
import binascii
import ipaddress
import re
import reprlib
import shlex
from collections.abc import Callable
from typing import Literal, TypeVar

from relay import durations
from relay.instants import RULE, epoch_ms

T = TypeVar("T")
Choice = TypeVar("Choice", bound=str)
Number = TypeVar("Number", int, float)
Reader = Callable[[str], T]

KIB, MIB, GIB = 1024, 1024**2, 1024**3
KEY_BYTES = 32  # AES-256
_SHOWN = 200  # characters of a value in a message; a longer one is no help to the eye
_UNITS = {"GiB": GIB, "MiB": MIB, "KiB": KIB, "B": 1}
_SIZE = re.compile(r"([0-9]{1,15}) ?(B|KiB|MiB|GiB)?")
_WHOLE = re.compile(r"[0-9]{1,15}")
_DECIMAL = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?")
_ZERO = re.compile(r"0[smhd]?")
_NAME = re.compile(r"(?!\.\.?\Z)[a-zA-Z0-9._-]+")  # Kafka's rule for topics and group instance ids
_VISIBLE = re.compile(r"[!-~]+")
_ADDRESS = re.compile(r"(?:\[(?P<v6>[^\[\]]+)\]|(?P<host>[A-Za-z0-9_][A-Za-z0-9_.-]{0,252})):(?P<port>[0-9]{1,5})")
_KEY_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_STARTS: dict[str, Literal["latest", "earliest"]] = {"latest": "latest", "earliest": "earliest"}
_LAST_PORT = 65_535
_MOST_DELAYS = 50  # each is a topic with as many partitions as the events topic
_DATABASES = ("sqlite+aiosqlite:///", "postgresql+asyncpg://")  # the drivers that await


def within(read: Reader[Number], low: str, high: str, why: str) -> Reader[Number]:
    """A number within bounds, both included; the bounds are written as the value is."""
    least, most = read(low), read(high)

    def read_within(text: str) -> Number:
        value = read(text)
        if not least <= value <= most:
            raise ValueError(f"must be from {low} to {high}: {why}")
        return value

    return read_within


def whole(text: str) -> int:
    """A whole number, not negative."""
    if not _WHOLE.fullmatch(text):
        raise ValueError("must be a whole number, as in 512")
    return int(text)


def seconds(text: str) -> float:
    """A plain number of seconds, not negative; the unit is in the setting's name."""
    if not _DECIMAL.fullmatch(text):
        raise ValueError("must be a plain number of seconds, as in 30 or 0.5")
    return float(text)


def share(text: str) -> float:
    """A part of a whole, as a plain number: 0.8 is 80 in 100."""
    if not _DECIMAL.fullmatch(text):
        raise ValueError("must be a plain number, as in 0.8 for 80 in 100")
    return float(text)


def duration(text: str) -> int:
    """Seconds, from a whole number and its unit."""
    try:
        return durations.parse(text)
    except ValueError:
        raise ValueError("must be a whole number and a unit, as in 30s, 10m, 6h or 5d") from None


def or_zero(read: Reader[int]) -> Reader[int]:
    """As this reads it, or 0 with or without a unit."""
    return lambda text: 0 if _ZERO.fullmatch(text) else read(text)


def size(text: str) -> int:
    """
    Bytes.

    >>> size("4096"), size("4KiB"), size("1 MiB")
    (4096, 4096, 1048576)
    """
    match = _SIZE.fullmatch(text)
    if match is None:
        raise ValueError("must be a number of bytes, alone or with KiB, MiB or GiB, as in 4096, 4KiB or 64MiB")
    return int(match[1]) * _UNITS[match[2] or "B"]


def shown(text: str) -> str:
    """Fit for a message: one line, not too long, nothing in it that a terminal would obey."""
    cut = text if len(text) <= _SHOWN else text[:_SHOWN] + "…"
    return cut if cut.isprintable() else ascii(cut)


def cited(written: object) -> str:
    """As `shown`, of whatever a file held: YAML's aliases make gigabytes of a few lines, so no more than its head."""
    return shown(written if isinstance(written, str) else reprlib.repr(written))


def listed(read: Reader[T]) -> Reader[tuple[T, ...]]:
    """Entries between commas, in their order; every entry that is wrong is told."""

    def read_all(text: str) -> tuple[T, ...]:
        values, broken = [], []
        for entry in (entry.strip() for entry in text.split(",")):
            try:
                values.append(read(entry))
            except ValueError as problem:
                broken.append(f"{shown(entry) or 'an empty entry'}: {problem}")
        if broken:
            raise ValueError("; ".join(dict.fromkeys(broken)))
        return tuple(values)

    return read_all


def delays(text: str) -> tuple[int, ...]:
    """1 to 50 delays of 1 s to 7 d, in the order given; seconds."""
    values = listed(within(duration, "1s", "7d", "0 is `.now`, and who was not well for a week is not waited for"))(
        text
    )
    if len(values) > _MOST_DELAYS:
        raise ValueError(f"must hold 1 to {_MOST_DELAYS} delays, not {len(values)}: each one is a topic")
    return values


def schedule(text: str) -> tuple[int, ...]:
    """Delays that never shrink; seconds."""
    values = delays(text)
    if list(values) != sorted(values):
        raise ValueError("delays must not shrink: a receiver that stays unwell is to be asked less often, not more")
    return values


def holds(text: str) -> tuple[int, ...]:
    """Distinct delays, shortest first; seconds. Their order means nothing: they are looked up by length."""
    return tuple(sorted(set(delays(text))))


def one_of(*choices: Choice) -> Reader[Choice]:
    """Exactly one of these words."""

    def read(text: str) -> Choice:
        for choice in choices:
            if choice == text:
                return choice
        raise ValueError(f"must be {' or '.join(choices)}")

    return read


def flag(text: str) -> bool:
    """True or false; no other word is guessed at."""
    return one_of("true", "1", "yes", "false", "0", "no")(text) in {"true", "1", "yes"}


def name(longest: int, why: str) -> Reader[str]:
    """What Kafka takes for the name of a topic: letters, digits, `.`, `_` and `-`."""
    return _spelled(_NAME, "of a-z, A-Z, 0-9, '.', '_' and '-', and not '.' or '..'", longest, why)


def visible(longest: int, why: str) -> Reader[str]:
    """Visible ASCII without spaces."""
    return _spelled(_VISIBLE, "visible ASCII characters without spaces", longest, why)


def _spelled(rule: re.Pattern[str], words: str, longest: int, why: str) -> Reader[str]:
    def read(text: str) -> str:
        if not rule.fullmatch(text) or len(text) > longest:
            raise ValueError(f"must be 1 to {longest} {words}: {why}")
        return text

    return read


def address(text: str) -> tuple[str, int]:
    """
    `host:port`, IPv6 in brackets, as (host without brackets, port); port 0 means any.

    >>> address("127.0.0.1:9464"), address("[::1]:0")
    (('127.0.0.1', 9464), ('::1', 0))
    """
    match = _ADDRESS.fullmatch(text)
    if match is None or int(match["port"]) > _LAST_PORT:
        raise ValueError("must be host:port, at most 65535, IPv6 in brackets, as in 0.0.0.0:9464 or [::1]:9464")
    if match["v6"] is not None:
        ipaddress.IPv6Address(match["v6"])  # its ValueError says what is wrong
    return match["v6"] or match["host"], int(match["port"])


def spelled(host: str, port: int) -> str:
    """
    As `address` reads it.

    >>> spelled("127.0.0.1", 9464), spelled("::1", 0)
    ('127.0.0.1:9464', '[::1]:0')
    """
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def brokers(text: str) -> str:
    """`host:port` between commas, each with a port that can be connected to; as the client takes it."""

    def broker(entry: str) -> str:
        if address(entry)[1] == 0:
            raise ValueError("port 0 cannot be connected to")
        return entry

    return ",".join(listed(broker)(text))


def start(text: str) -> Literal["latest", "earliest"] | int:
    """`latest`, `earliest`, or an `instant`."""
    return _STARTS[text] if text in _STARTS else instant(text, otherwise="latest, earliest or ")


def instant(text: str, *, otherwise: str = "") -> int:
    """As `epoch_ms`; the rule also says what else might stand there."""
    try:
        return epoch_ms(text)
    except ValueError:
        raise ValueError(f"must be {otherwise}{RULE}") from None


def since(text: str, now_ms: int) -> int:
    """
    A time, or how long ago it was, as milliseconds since the epoch.

    >>> since("2m", 180_000), since("1970-01-01T00:00:01Z", 180_000)
    (60000, 1000)
    """
    try:
        return max(0, now_ms - durations.parse(text) * 1000)
    except ValueError:
        return instant(text, otherwise="how long ago, as in 24h, or ")


def command(text: str) -> str:
    """A program and its arguments, quoted as a shell reads them; no shell runs it. Its error cites nothing of it."""
    try:
        words = shlex.split(text)
    except ValueError:
        words = []
    if not words or "\0" in text:
        raise ValueError("must be a program and its arguments, with quotes that are closed; no shell runs it")
    return text


def key_ring(text: str) -> tuple[tuple[str, bytes], ...]:
    """`id:base64key` between commas as (id, 32 bytes), newest first. Errors tell the place in the list, no text."""
    ring: dict[str, bytes] = {}
    broken = []
    for place, entry in enumerate((entry.strip() for entry in text.strip().split(",")), 1):
        key_id, _, encoded = entry.partition(":")
        try:
            key = base64.b64decode(encoded, validate=True)
        except (binascii.Error, ValueError):
            key = b""
        if not _KEY_ID.fullmatch(key_id) or len(key) != KEY_BYTES:
            broken.append(f"key {place} must be `id:key`, 1 to 64 of a-z, A-Z, 0-9, '_', '-' and 32 bytes in base64")
        elif key_id in ring:
            broken.append(f"key {place} has the id of an earlier one: a stored secret names its key by id alone")
        ring[key_id] = key
    if broken:
        raise ValueError("; ".join(broken))
    return tuple(ring.items())


def database(text: str) -> str:
    """An SQLAlchemy URL of a database and driver that the history knows."""
    if not text.startswith(_DATABASES):
        raise ValueError(f"must begin with {' or '.join(_DATABASES)}")
    return text
