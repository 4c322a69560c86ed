"""What a console asks of a history, whichever database keeps it."""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from typing import Protocol

from relay.store.history.values import Age, Counts, Delivery, Detail, Overview, Page, Refused, Search


class History(Protocol):
    """
    What a console asks. `account`: only what is that account's; None: everything, for operators.

    Every method raises `Unavailable` while the store is locked, full or gone.
    """

    async def deliveries(
        self, search: Search, *, account: str | None, cursor: str | None, limit: int
    ) -> Page | Refused:
        """A page of a listing."""
        ...

    async def delivery(self, delivery_id: str, *, account: str | None) -> Detail | None:
        """One with all its attempts; None: there is none that this account may see."""
        ...

    def every(self, search: Search, *, account: str | None) -> AsyncIterator[Delivery]:
        """All of a listing, newest first; raises `Invalid` for what is refused."""
        ...

    async def delivered(self, delivery_ids: Iterable[str]) -> set[str]:
        """Which of these were ever delivered."""
        ...

    async def recent(self, *, account: str | None) -> Delivery | None:
        """The newest of an event that the log has, not of a test."""
        ...

    async def overview(
        self, *, account: str | None, subscription_id: str | None, since_ms: int, until_ms: int
    ) -> Overview | Refused:
        """Figures of a time range."""
        ...

    async def sparklines(
        self, subscription_ids: Sequence[str], *, account: str | None, since_ms: int
    ) -> Mapping[str, tuple[Counts, ...]]:
        """By the hour, of each of these."""
        ...

    async def age(self) -> Age:
        """How far behind it is."""
        ...

    async def erase(self, lead_id: str) -> int:
        """Everything of this lead is gone; how many deliveries that were."""
        ...
