"""
Idempotency-Key (draft-ietf-httpapi-idempotency-key-header-07): a call that is made again is not done again. Pure.

Kept in the memory of the console that answered, for 24 h and within bounds. Not in the history's database: that is a
projection which may be dropped at any time, and answers hold secrets that are shown once. So a console that was started
again has forgotten; a webhook that is made with a key gets its id from the key, and is refused the second time as one
that exists, whichever console is asked.
"""

from base64 import b32encode
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from hashlib import sha256

KEPT_S = 24 * 3600
MOST = 10_000  # answers
MOST_BYTES = 32 * 1024 * 1024  # of their bodies
MAX_KEY = 255


@dataclass(frozen=True, slots=True)
class Kept:
    """An answer as it was given."""

    status: int
    body: bytes
    headers: Mapping[str, str]


class Refusal(Enum):
    """Why a call is not done."""

    UNDER_WAY = "a call with this Idempotency-Key is under way: try again when it is done"
    OTHER = "this Idempotency-Key was used for another call: take a new one for each"


@dataclass(slots=True)
class _Entry:
    print: bytes
    until_s: float
    answer: Kept | None = None


Name = tuple[str, str]  # who, and the key


def sound(key: str) -> bool:
    """Whether it can be a key: 1 to 255 visible ASCII characters."""
    return 1 <= len(key) <= MAX_KEY and all("!" <= one <= "~" for one in key)


def printed(method: str, path: str, body: bytes) -> bytes:
    """What tells one call from another."""
    return sha256(b"\n".join((method.encode(), path.encode("utf-8", "surrogateescape"), body))).digest()


def subscription_id(who: str, key: str) -> str:
    """The id of a webhook that is made with this key: as long as a random one, and the same each time."""
    digest = sha256(f"{len(who)}:{who}{key}".encode("utf-8", "surrogateescape")).digest()
    return "sub_" + b32encode(digest[:16]).decode().rstrip("=").lower()


class Answers:
    """By who asked and their key."""

    def __init__(self) -> None:
        self._entries: OrderedDict[Name, _Entry] = OrderedDict()
        self._bytes = 0

    def begin(self, name: Name, print_: bytes, now_s: float) -> Kept | Refusal | None:
        """None: it is to be done, and is under way from now on; else the answer, or why there is none."""
        self._forget(now_s)
        there = self._entries.get(name)
        if there is None:
            self._entries[name] = _Entry(print_, now_s + KEPT_S)
            return None
        if there.print != print_:
            return Refusal.OTHER
        return Refusal.UNDER_WAY if there.answer is None else there.answer

    def end(self, name: Name, answer: Kept | None) -> None:
        """It is done; None: it came to nothing, and may be tried again."""
        entry = self._entries.get(name)
        if entry is None:
            return
        if answer is None:
            del self._entries[name]
            return
        entry.answer = answer
        self._bytes += len(answer.body)

    def _forget(self, now_s: float) -> None:
        """What is too old, and the oldest of what is too much. What is under way stays: it is bounded by requests."""
        for name, entry in list(self._entries.items()):
            if entry.until_s > now_s and len(self._entries) < MOST and self._bytes < MOST_BYTES:
                break
            if entry.answer is not None:
                self._bytes -= len(entry.answer.body)
                del self._entries[name]
