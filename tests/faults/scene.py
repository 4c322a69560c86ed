"""What scenarios share: work beside a block, members that are there, and an end with a judgement."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from tests.faults.oracle import Judgement, judge
from tests.faults.stage import Stage
from tests.kafka.driver import until


async def ended(stage: Stage) -> Judgement:
    """Everything delivered, everybody stopped, and what the oracle says."""
    await stage.load.flush()
    lag = await stage.settled(60)
    await stage.fleet.stop_all()
    return judge(await stage.history(lag))


@asynccontextmanager
async def beside(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """A load or a sampler, for as long as the block lasts."""
    async with asyncio.TaskGroup() as group:
        task = group.create_task(work)
        yield
        task.cancel()


async def all_in(stage: Stage, group: str, members: int) -> None:
    """So many workers are in the group."""

    async def there() -> bool:
        return await stage.tool.members(group) == members

    await until(there, 30)
