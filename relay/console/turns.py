"""Who asks the broker's logs, and who waits meanwhile."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from weakref import WeakValueDictionary

QUESTIONS = 8  # at once: each is a connection of its own, and a page of records
OF_ONE = 3  # account's: a broker that is slow for two of them has room for a third


class Turns:
    """So many at once, and fewer of one account: it keeps nobody else out."""

    def __init__(self) -> None:
        self._all = asyncio.Semaphore(QUESTIONS)
        self._of: WeakValueDictionary[str | None, asyncio.Semaphore] = WeakValueDictionary()

    @asynccontextmanager
    async def of(self, account: str | None) -> AsyncIterator[None]:
        """It is this account's turn for as long as the `async with`; None: of whoever is bound to none."""
        own = self._of.setdefault(account, asyncio.Semaphore(OF_ONE))
        async with own, self._all:
            yield
