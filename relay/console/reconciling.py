"""
Whether every match has its outcome, asked by people: one at a time, as work of the console's own. Edge.

It takes minutes, so that no request waits for it: how far it is, and what came of the last, is there for whoever looks.
Another console knows nothing of it, and it ends with its process.
"""

import asyncio
from dataclasses import replace

from aiokafka.errors import KafkaError

from relay.clock import Clock
from relay.completeness.reading import reconcile
from relay.config import Config
from relay.console.reconciliations import Reconciliation, Reconciliations
from relay.errors import Conflict, Invalid, Problem, RelayError

# That one reads: each outcome has 16 bytes in memory, which is everybody's here; some 320 MB, and some minutes.
MOST_RECORDS = 20_000_000


class Reconciler:
    """Carries out the one that was asked for."""

    def __init__(self, config: Config, *, clock: Clock) -> None:
        self._config = config
        self._clock = clock
        self._asked = asyncio.Event()
        self.there = Reconciliations()

    def start(self, *, since_ms: int, until_ms: int | None, by: str) -> None:
        """
        It is under way.

        Raises:
            Conflict: Another is.
        """
        if self.there.running is not None:
            raise Conflict("a reconciliation is under way: try again when it is done")
        one = Reconciliation(since_ms=since_ms, until_ms=until_ms, by=by, started_ms=self._clock.now_ms())
        self.there = Reconciliations(running=one, last=self.there.last)
        self._asked.set()

    async def run(self) -> None:
        """Whichever is asked for, until cancelled. Never raises for trouble of the broker's."""
        while True:
            await self._asked.wait()
            self._asked.clear()
            if self.there.running is not None:
                await self._carry_out(self.there.running)

    async def _carry_out(self, one: Reconciliation) -> None:
        def told(read: int, due: int) -> None:
            if due > MOST_RECORDS:
                rule = f"is too long ago: {due} records would be read, and a console reads {MOST_RECORDS}"
                raise Invalid(Problem("since", f"{rule}; `relay reconcile` reads more, by itself"))
            self.there = replace(self.there, running=replace(one, read=read, due=due))

        report, problem = None, None
        try:
            report = await reconcile(self._config, since_ms=one.since_ms, until_ms=one.until_ms, progress=told)
        except (KafkaError, RelayError, OSError) as error:
            problem = str(error) or repr(error)
        ended = replace(self.there.running or one, ended_ms=self._clock.now_ms(), report=report, problem=problem)
        if report is None:
            self.there = Reconciliations(last=self.there.last, failed=ended)
        else:
            self.there = Reconciliations(last=ended)
