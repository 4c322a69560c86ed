"""
A process that did not run for longer than a session: the group may have given its partitions to others. Edge.

It wakes in the middle of what it did, before its client has heard anything. So nothing of it is started, and no retry
is written, until a heartbeat has been taken; if it is refused, the client joins the group anew and the assignment ends.
"""

import asyncio
import contextlib
from typing import Protocol

import structlog
from aiokafka import TopicPartition
from aiokafka.errors import IllegalStateError, KafkaError

from relay.pipeline.client import HEARTBEAT_MS, SESSION_MS
from relay.pipeline.holdings import Holdings

log = structlog.get_logger()

# Without any turn of ours. The session runs from the last heartbeat, which was sent up to a second before the last
# turn, and took its time.
FROZEN_S = (SESSION_MS - 2 * HEARTBEAT_MS) / 1000
AGAIN_S = 0.5  # between heartbeats, while the broker is in trouble or the client joins anew


class Member(Protocol):
    """Of the group; what of the client is needed here."""

    group: str

    @property
    def generation(self) -> int: ...

    async def confirmed(self) -> bool: ...

    def seek(self, partition: TopicPartition, offset: int) -> None: ...


class Freeze:
    """Whether there is doubt that the group still has us."""

    def __init__(self, member: Member, holdings: Holdings) -> None:
        self._member = member
        self._holdings = holdings
        self._held = False  # there is an assignment, and no rebalance
        self._doubt = False
        self._pulse_s = 0.0

    def assigned(self, now_s: float) -> None:
        """The group has just had us."""
        self._held, self._pulse_s = True, now_s

    def revoked(self) -> None:
        """The group rebalances: that decides, and no heartbeat."""
        self._held = self._doubt = False

    def pulse(self, now_s: float) -> bool:
        """We live. Whether we did not for as long as a session, and hold what the group must confirm."""
        silent_s, self._pulse_s = now_s - self._pulse_s, now_s
        if silent_s <= FROZEN_S or not self._held or not self._holdings.doubt():
            return False
        log.warning("worker.frozen", seconds=round(silent_s, 1), group=self._member.group)
        self._doubt = True
        return True

    async def confirm(self) -> bool:
        """There is no doubt any more; whether there was, and a heartbeat was taken: all goes on where it was."""
        generation = self._member.generation
        while self._doubt:
            if await self._taken() and self._doubt:  # no rebalance has begun meanwhile
                self._doubt = False
                with contextlib.suppress(IllegalStateError):  # one begins just now
                    for at, ledger in self._holdings.trust(generation).items():
                        self._member.seek(TopicPartition(*at), ledger.position)
                return True
            if self._doubt:
                await asyncio.sleep(AGAIN_S)
        return False

    async def _taken(self) -> bool:
        try:
            return await self._member.confirmed()
        except KafkaError:
            return False
