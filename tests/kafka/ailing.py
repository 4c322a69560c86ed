"""
A worker that falls ill, in a process of its own: `python -m tests.kafka.ailing KIND`, once it has its partitions.

It is relay's own worker but for that and for its patience, which is seconds where relay's is a minute.
"""

import asyncio
import sys
import time
from collections.abc import Callable

from relay.cli.app import main
from relay.pipeline import produce, watch, watchdog, wiring
from relay.pipeline.consume import Intake
from relay.pipeline.fan import Fan
from relay.pipeline.produce import Produce
from relay.store.catalogue import Catalogue

STUCK_S = 4.0
LOOK_S = 0.5


def block_the_loop(_: Intake) -> None:
    asyncio.get_running_loop().call_soon(time.sleep, 600)


def kill_the_fetcher(intake: Intake) -> None:
    intake.consumer._fetcher._fetch_task.cancel()


def kill_the_coordinator(intake: Intake) -> None:
    intake.consumer._coordinator._coordination_task.cancel()


def never_settle(_: Intake) -> None:
    Fan._finish = lambda _: None  # type: ignore[assignment, method-assign]


def lose_acknowledgements(_: Intake) -> None:
    Produce._acknowledge = lambda *_: None  # type: ignore[method-assign]


def stop_committing(_: Intake) -> None:
    async def never(_: Intake) -> None:
        await asyncio.get_running_loop().create_future()

    Intake.commit = never  # type: ignore[assignment, method-assign]


def end_a_service(_: Intake) -> None:
    async def ended(_: Catalogue) -> None:
        """It returns, where it should follow for ever."""

    Catalogue.follow = ended  # type: ignore[assignment, method-assign]


def nothing(_: Intake) -> None:
    """It stays well."""


AT_ONCE = (end_a_service,)
ILLS: dict[str, Callable[[Intake], None]] = {
    ill.__name__: ill
    for ill in (
        *(block_the_loop, kill_the_fetcher, kill_the_coordinator, never_settle, lose_acknowledgements),
        *(stop_committing, end_a_service, nothing),
    )
}


def infect(ill: Callable[[Intake], None]) -> None:
    wiring.REQUEST_MS = int(STUCK_S / watch.STUCK_S * produce.REQUEST_MS)  # type: ignore[attr-defined]
    wiring.STUCK_S = STUCK_S  # type: ignore[attr-defined]
    watchdog.LOOK_S = LOOK_S
    if ill in AT_ONCE:
        ill(None)  # type: ignore[arg-type]
        return
    begin = Intake._load

    async def load(self: Intake, loading: object) -> None:
        await begin(self, loading)  # type: ignore[arg-type]
        if self.ledgers and "events" in self.topics[0]:
            ill(self)

    Intake._load = load  # type: ignore[method-assign]


if __name__ == "__main__":
    infect(ILLS[sys.argv[1]])
    sys.exit(main(["worker"]))
