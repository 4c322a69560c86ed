"""A worker process: the broker reached, everything wired together, run, and taken apart again. Edge."""

import asyncio
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import structlog
from aiokafka.errors import KafkaError

from relay.config import Config
from relay.ending import unless
from relay.errors import RelayError
from relay.metrics import Metrics
from relay.pipeline.ground import PAUSES_S, reached
from relay.pipeline.listener import listening
from relay.pipeline.wiring import wired
from relay.refusals import UNAUTHORISED, lost

log = structlog.get_logger()


async def run_worker(config: Config, stop: asyncio.Event, *, socket_path: Path | None = None) -> None:
    """
    Deliver until told to stop.

    Args:
        config: All of it.
        stop: Set when it should end.
        socket_path: Where to listen instead of at the metrics address, which somebody else has; none may call either.

    Raises:
        ConfigProblem: The metrics address cannot be listened on, or the key ring opens none of the subscriptions.
        TopicProblem: A topic is missing or could not keep a promise; nothing was read.
        NotAllowed: The broker refuses us, or what we ask for.
        TooManyMalformed: See `faults`.
    """
    metrics = Metrics()
    async with listening(config.metrics_address, metrics, socket=socket_path) as listener:
        while (ground := await reached(config, stop)) is not None:
            async with AsyncExitStack() as stack:
                try:
                    work = await unless(stop, wired(config, metrics, ground, listener, stack))
                except KafkaError as error:  # it was there a moment ago
                    if isinstance(error, UNAUTHORISED):
                        raise lost(error, config.kafka_bootstrap_servers) from error
                    log.warning("broker.unreachable", error=repr(error), retry_in_s=PAUSES_S[0])
                    await unless(stop, asyncio.sleep(PAUSES_S[0]))
                    continue
                if work is not None:
                    await _done(work(stop))
            return


async def _done(work: Coroutine[Any, Any, None]) -> None:
    try:
        await work
    except BaseExceptionGroup as group:
        raise _cause(group) from group


def _cause(group: BaseExceptionGroup[Any]) -> BaseException:
    """The one of ours in a group of failed tasks, for its message and exit code; else the first."""
    leaves = list(_leaves(group))
    return next((error for error in leaves if isinstance(error, RelayError)), leaves[0])


def _leaves(error: BaseException) -> list[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        return [leaf for inner in error.exceptions for leaf in _leaves(inner)]
    return [error]
