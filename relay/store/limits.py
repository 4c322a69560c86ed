"""
What a subscription may be limited to: the bounds, and how people write a number within them. Pure.

Options of a command are texts, files have numbers and null; both are read alike. Nothing is bent into its bounds.
"""

import math
import re
from collections.abc import Iterable
from typing import Any

from relay.model import Signature

LEAST_TIMEOUT_S = 0.1  # a receiver further away would never be in time
# Slower than one in ten seconds, nearly all would be put off again and again. Beyond the other there is no limit to
# speak of, and null says so more plainly: it is of all workers together, and each sends some thousands a second.
LEAST_RATE_PER_S, MOST_RATE_PER_S = 0.1, 10_000
MOST_IN_FLIGHT = 10_000  # as many as RELAY_IN_FLIGHT may be
NO_LIMIT = "null"  # as an option says it, and as it says that there is no filter
_DIGITS = re.compile(r"[0-9]{1,15}")  # more than any bound here has, fewer than int() minds


def timeout_s(written: object, most: float) -> float | None:
    """
    Seconds; None where none was said.

    Raises:
        ValueError: It is no number from LEAST_TIMEOUT_S to `most`.
    """
    if written is None:
        return None
    seconds = _number(written)
    if not LEAST_TIMEOUT_S <= seconds <= most:
        raise ValueError(f"must be from {LEAST_TIMEOUT_S} to {most:g} seconds (RELAY_TIMEOUT_S)")
    return seconds


def rate_per_s(written: object) -> float | None:
    """
    Requests a second; None: no limit.

    >>> rate_per_s("2.5"), rate_per_s(10), rate_per_s("null"), rate_per_s(None)
    (2.5, 10.0, None, None)

    Raises:
        ValueError: It is neither a number within the bounds nor null.
    """
    if written in (None, NO_LIMIT):
        return None
    rate = _number(written)
    if not LEAST_RATE_PER_S <= rate <= MOST_RATE_PER_S:
        bounds = f"from {LEAST_RATE_PER_S} to {MOST_RATE_PER_S}"
        raise ValueError(f"must be {bounds} requests a second, or {NO_LIMIT} for no limit")
    return rate


def max_in_flight(written: object) -> int | None:
    """
    Requests under way at once; None: no limit.

    >>> max_in_flight("4"), max_in_flight(10_000), max_in_flight("null"), max_in_flight(None)
    (4, 10000, None, None)

    Raises:
        ValueError: It is neither a whole number within the bounds nor null.
    """
    if written in (None, NO_LIMIT):
        return None
    most = int(written) if isinstance(written, str) and _DIGITS.fullmatch(written) else written
    if type(most) is not int or not 1 <= most <= MOST_IN_FLIGHT:  # a boolean is no number
        raise ValueError(f"must be a whole number from 1 to {MOST_IN_FLIGHT}, or {NO_LIMIT} for no limit")
    return most


def signatures(names: Iterable[Any]) -> tuple[Signature, ...]:
    """
    The schemes by these names, each once, in the order of `Signature`.

    Raises:
        ValueError: One is unknown, there is none, or two of them stand in the same header.
    """
    try:
        wanted = {Signature(name) for name in names}
    except ValueError as unknown:
        raise ValueError(f"{unknown}: this version speaks {', '.join(Signature)}") from None
    if not wanted:
        raise ValueError("must name at least one: nobody could tell who sent a request")
    if wanted >= {Signature.ARTIBOT_SHA1, Signature.ARTIBOT_URL}:
        raise ValueError("artibot-sha1 and artibot-url stand in the same header: name one of them")
    return tuple(one for one in Signature if one in wanted)


def _number(written: object) -> float:
    """What it says; not a number, which compares false with every bound, where it says none."""
    try:
        return float(written) if isinstance(written, str | int | float) and not isinstance(written, bool) else math.nan
    except (ValueError, OverflowError):  # the latter: a whole number that no float holds
        return math.nan
