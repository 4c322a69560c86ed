"""Trying a filter out at the desk, and looking on as results are written. Edge."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from random import Random
from typing import Any

import orjson

from relay.access.values import Principal, Scope
from relay.console.desk.means import Seat
from relay.console.live import Missed, Result
from relay.errors import Malformed, Unreachable
from relay.model import Source
from relay.pipeline.decode import Skipped, read_event
from relay.pipeline.filters import compile_filter
from relay.replay.lookup import Gone, records
from relay.samples import ACCOUNT, sample_event
from relay.store.history.listing import fits
from relay.store.history.values import Delivery, Search, Unavailable


def seen(who: Principal, one: Result | Missed) -> Result | Missed:
    """What of it they may see: how many were passed over is counted over all accounts."""
    return Missed(one.id, None) if isinstance(one, Missed) and who.account is not None else one


@dataclass(frozen=True, slots=True, kw_only=True)
class FilterTrial:
    """Whether a filter lets an event through."""

    matches: bool
    event: Mapping[str, Any]
    source: str | None  # where the log has it, `topic/partition/offset`; None: it is a sample, or was given


class Trying(Seat):
    """Whoever may read may look."""

    async def try_filter(
        self,
        who: Principal,
        filter: Mapping[str, Any] | None,  # noqa: A002  the subscription's word
        *,
        event: Mapping[str, Any] | None = None,
    ) -> FilterTrial:
        """
        Whether it lets this event through; a recent one of theirs where none is given, or else a sample.

        Args:
            who: Who asks.
            filter: As a subscription has it; None lets everything through.
            event: What to try it on.
        """
        who.require(Scope.READ)
        matches = compile_filter(filter or {})
        found, source = (event, None) if event is not None else await self._recent(who)
        return FilterTrial(matches=matches(found), event=found, source=source)

    @property
    def onlookers(self) -> int:
        """How many streams there are."""
        return self._means.live.onlookers

    async def stream(
        self, who: Principal, search: Search, *, after: str | None = None
    ) -> AsyncGenerator[Result | Missed, None]:
        """
        Results as they are written, of the deliveries that are asked for.

        Args:
            who: Who looks on.
            search: Which; of each result as it is, for what the whole delivery is like it does not say.
            after: The id of the last that was seen; None: only what comes from now on.

        Raises:
            Unreachable: Too many look on.
            TooSlow: This one does not keep up.
        """
        who.require(Scope.READ)

        def wants(one: Delivery) -> bool:
            return who.sees(one.account_id) and fits(one, search)

        async with aclosing(self._means.live.news(after, wants, account=who.account)) as news:
            async for one in news:
                yield seen(who, one)

    async def _recent(self, who: Principal) -> tuple[Mapping[str, Any], str | None]:
        try:
            newest = await self._means.history.recent(account=who.account)
            theirs = newest is not None and who.sees(newest.lead_account_id)
            if newest is not None and theirs and newest.event_topic is not None:
                source = Source(newest.event_topic, newest.event_partition or 0, newest.event_offset or 0)
                async with self._means.asking.of(who.account):
                    record = (await records(self._means.config, [source]))[source]
                if not isinstance(record, Gone):
                    event = read_event(record, max_bytes=self._means.config.max_event_bytes)
                    if not isinstance(event, Skipped) and who.sees(event.account_id):
                        return orjson.loads(event.body), str(source)
        except (Unavailable, Unreachable, Malformed):
            pass  # a sample serves as well
        now_ms = self._means.clock.now_ms()
        dice, account = Random(now_ms), who.account or ACCOUNT  # noqa: S311  sample data
        return sample_event("lead.updated", now_ms=now_ms, random=dice, account_id=account), None
