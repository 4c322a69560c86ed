"""What is told and what is committed are of one moment, and the telling comes first."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from relay.pipeline.client import Client
from relay.pipeline.commit import Commits
from relay.pipeline.holdings import Found, Holdings, Partition
from relay.pipeline.ledger import NOTHING, Commit, Ledger
from tests.builders import Fetched

AT = ("leads.events", 0)


@dataclass
class Broker:
    """Takes commits, and hears what is told before."""

    generation: int = 1
    heard: list[str] = field(default_factory=list)
    ledger: Ledger | None = None
    meanwhile: int | None = None  # settled while what was told is on its way

    def at(self, _: Partition) -> int:
        return -1

    async def commit_once(self, _: int, commits: Mapping[Partition, Commit]) -> bool:
        self.heard.append(f"committed {commits[AT].offset}")
        return True

    def cover(self, ledger: Ledger) -> None:
        self.heard += [f"covered {run.first}-{run.first + run.length}" for run in ledger.covered.taken()[0]]

    async def told(self) -> None:
        await asyncio.sleep(0)
        if self.meanwhile is not None and self.ledger is not None:
            self.ledger.settle(self.meanwhile, 1, 0)
        self.heard.append("told")


def a_worker() -> tuple[Broker, Ledger, Commits]:
    """It has taken three records."""
    broker, holdings = Broker(), Holdings(told=True)
    holdings.assigned([AT], 1)
    broker.ledger, _ = holdings.begin(AT, Found(held=NOTHING, start=0))
    broker.ledger.take([Fetched(value=b"", offset=n) for n in range(3)])
    fake: Any = broker
    return broker, broker.ledger, Commits(cast("Client", fake), holdings, fake)


async def test_what_is_committed_was_told_before() -> None:
    """And what is settled while that is on its way is in neither: the next one has it."""
    broker, ledger, commits = a_worker()
    ledger.settle(0, 2, 0)
    broker.meanwhile = 1

    await commits.commit()
    broker.meanwhile = None
    await commits.commit()
    await commits.commit()

    assert ["covered 0-1", "told", "committed 1", "covered 1-2", "told", "committed 2"] == broker.heard


async def test_of_a_delivery_topic_nothing_is_kept_to_be_told() -> None:
    """Its ledgers are made without."""
    holdings = Holdings()
    holdings.assigned([AT], 1)
    ledger, _ = holdings.begin(AT, Found(held=NOTHING, start=0))
    ledger.take([Fetched(value=b"", offset=5)])
    ledger.settle(5, 1, 0)

    assert () == ledger.covered.taken()[0]
