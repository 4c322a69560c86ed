"""`relay.progress`, `relay.results` and dead letters over a time range -> a report. Edge (aiokafka)."""

from collections.abc import Callable

from relay.completeness.values import Report
from relay.config import Config


async def reconcile(
    config: Config, *, since_ms: int, until_ms: int | None = None, progress: Callable[[int, int], None] | None = None
) -> Report:
    """
    What workers told of since then, and whether every match has its outcome.

    Args:
        config: Where the topics are.
        since_ms: Events whose fan-outs were settled (and told of) since then are looked at, epoch milliseconds.
        until_ms: And before then; None: up to now.
        progress: Told how many records have been read, and how many are to be.

    Raises:
        Unreachable: The broker does not answer.
        TopicProblem: A topic is missing.
    """
    raise NotImplementedError
