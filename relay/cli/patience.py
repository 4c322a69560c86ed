"""
How long a command waits: for as long as the broker answers, or as its work moves on. Edge (asyncio).

aiokafka tries again without an end where it is not told when to stop, and its `stop` waits for brokers that are gone.
So nothing here bounds a single question: the whole work is watched from beside, and ended when it is hopeless, or when
somebody has pressed Ctrl-C.
"""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from relay.broker import CONNECT_S, Broker
from relay.cli.common import run
from relay.config import Config
from relay.ending import watched
from relay.errors import Unreachable

T = TypeVar("T")

LOOK_S = 1.0  # between looks
SILENT_S = CONNECT_S + LOOK_S  # within some 10 s, and after a first question has told in its own words what is wrong
LONGEST_S = 120.0  # of a question to a broker that is there: 30 edits that are overtaken, or a million subscriptions
DOUBT = ", and the edit may have been made"


@dataclass(slots=True)
class Steps:
    """How far work has come, in whatever it counts."""

    made: int = 0


def ask(config: Config, work: Coroutine[Any, Any, T], *, doubt: str = "") -> T:
    """
    What the work comes to, for as long as the broker answers.

    Args:
        config: Where the broker is.
        work: Questions to it.
        doubt: What may have happened all the same when the answer is missing, for people.

    Raises:
        Unreachable: It answers no longer; or it does, and not this.
    """
    return run(watched(work, _silent(config, doubt)))


def publish(work: Coroutine[Any, Any, T], steps: Steps, *, doubt: str) -> T:
    """
    What the work comes to, for as long as it moves on.

    Args:
        work: Counts its steps as it makes them.
        steps: Where it counts them.
        doubt: As of `ask`.

    Raises:
        Unreachable: It made none for CONNECT_S.
    """
    return run(watched(work, _still(steps, doubt)))


@asynccontextmanager
async def started(client: Any) -> AsyncIterator[None]:  # noqa: ANN401  an untyped library's
    """The client is started, and stopped also where its start was cut short: aiokafka's own `async with` forgets it."""
    try:
        await client.start()
        yield
    finally:
        await client.stop()


async def _silent(config: Config, doubt: str) -> Unreachable:
    """Once the broker has not answered for so long, be it as it restarts; or it answers all the while, and not this."""
    clock = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(LONGEST_S), asyncio.timeout(SILENT_S) as silence:
            while True:
                await asyncio.sleep(LOOK_S)
                with suppress(Unreachable):
                    async with Broker(config):  # opened, it has answered
                        silence.reschedule(clock.time() + SILENT_S)
    except TimeoutError:
        if silence.expired():
            return Unreachable(f"the broker at {config.kafka_bootstrap_servers} stopped answering{doubt}")
        return Unreachable(f"the broker answers, but has not done this for {LONGEST_S:.0f} s{doubt}")


async def _still(steps: Steps, doubt: str) -> Unreachable:
    """Once nothing has moved for so many looks; a clock would run on while this process itself is stopped."""
    before, looks = steps.made, 0
    while looks * LOOK_S < CONNECT_S:
        await asyncio.sleep(LOOK_S)
        before, looks = steps.made, (looks + 1 if steps.made == before else 0)
    return Unreachable(f"the broker stopped answering{doubt}")
