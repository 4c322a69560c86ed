"""
Instants as records and people write them: RFC 3339, with a zone. Pure.

Without a zone it may be hours off, and nobody would see; a negative timestamp has a meaning of its own to Kafka; and
what relay could not write itself, no record or page could hold.
"""

from datetime import UTC, datetime, timedelta

LATEST_MS = 253_402_300_799_999  # the end of the year 9999, the last that RFC 3339 can write
RULE = "a time with its zone, as in 2026-01-31T08:00:00Z, of the years 1970 to 9999"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)


def epoch_ms(text: str) -> int:
    """
    Milliseconds since the epoch; what is finer is left out.

    >>> epoch_ms("1970-01-01T01:00:00.250+01:00")
    250

    Raises:
        ValueError: It is none, says no zone, or is not within these years in UTC.
    """
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"must be {RULE}") from None
    if at.tzinfo is None or not 0 <= (ms := (at - _EPOCH) // _MS) <= LATEST_MS:
        raise ValueError(f"must be {RULE}")
    return ms
