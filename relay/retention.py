"""
How long each kind of topic keeps its records, by RELAY_RETENTION: `results=7d,dead-letters=3d`; the rest as by default.

Bodies and answers are personal data, and whoever must not keep them for a month says so here. Pure.
"""

from relay import durations

DAY_S = 86_400
MONTH_S = 30 * DAY_S
Retention = tuple[tuple[str, int], ...]
"""Kind of topic, and seconds."""

DEFAULT: Retention = (
    ("deliveries", 7 * DAY_S),  # beyond each topic's delay: what a worker that is down for a week comes back to
    ("results", MONTH_S),
    ("progress", MONTH_S),
    ("notices", MONTH_S),
    ("dead-letters", MONTH_S),
    ("audit", 365 * DAY_S),  # who changed what is asked when something has gone wrong, and that may be long ago
)
LEAST_S = 3600  # less, and a restart or a night's outage loses what has not been read yet
MOST_S = 3650 * DAY_S  # ten years: whoever means for ever says so to Kafka


def read(text: str) -> Retention:
    """
    Of every kind, what was said or else the default.

    >>> dict(read("results=7d, notices=72h"))["results"]
    604800

    Raises:
        ValueError: All that is wrong with it.
    """
    kinds = dict(DEFAULT)
    said: dict[str, int] = {}
    broken = []
    for entry in (entry.strip() for entry in text.split(",")):
        kind, _, written = entry.partition("=")
        seconds = _seconds(written)
        if kind in said or kind not in kinds or not LEAST_S <= seconds <= MOST_S:
            broken.append(ascii(entry[:60]))
        said[kind] = seconds
    if broken:
        rule = f"must be `kind=duration` between commas, of {', '.join(kinds)}, each once, 1h to 3650d"
        raise ValueError(f"{rule}; not {', '.join(broken)}")
    return tuple((kinds | said).items())


def _seconds(written: str) -> int:
    """0 where it is no duration."""
    try:
        return durations.parse(written)
    except ValueError:
        return 0
