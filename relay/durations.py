"""Durations as people write them: `5s`, `2m`, `6h`, `5d`. relay writes each in one way, for topics are named so."""

import re

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_WRITTEN = re.compile(r"([0-9]{1,9})([smhd])")


def parse(text: str) -> int:
    """
    Seconds.

    >>> parse("2m"), parse("24h"), parse("5d")
    (120, 86400, 432000)

    Raises:
        ValueError: It is not a whole number and one of s, m, h, d.
    """
    match = _WRITTEN.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is no duration: write a whole number and a unit, as in 30s, 10m, 6h or 5d")
    return int(match[1]) * _UNITS[match[2]]


def written(seconds: int) -> str:
    """
    The shortest whole spelling in s, m or h; never d, so that a day is `24h` as in the default schedule.

    >>> [written(s) for s in (0, 5, 90, 120, 3600, 86400)]
    ['0s', '5s', '90s', '2m', '1h', '24h']
    """
    for unit in ("h", "m"):
        if seconds and seconds % _UNITS[unit] == 0:
            return f"{seconds // _UNITS[unit]}{unit}"
    return f"{seconds}s"
