"""Something in memory is as a compacted topic is: read to its end, and followed from then on. Edge (aiokafka)."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from typing import Any

from aiokafka.errors import KafkaError, OffsetOutOfRangeError

from relay.broker import kafka_settings
from relay.config import Config
from relay.model import Record
from relay.refusals import lost
from relay.store.follow import Follower

AGAIN_S = 1.0  # between tries while the broker is in trouble

Take = Callable[[Sequence[Record]], None]


class Following:
    """Hands on what the topic holds, and then what comes."""

    def __init__(
        self,
        settings: dict[str, Any],
        topic: str,
        *,
        committed_only: bool,
        all_of_it: Take,
        more: Take,
        troubled: Callable[[KafkaError], None],
    ) -> None:
        """
        Args:
            settings: Of every client.
            topic: Which; its partition 0.
            committed_only: Whether the broker has transactions.
            all_of_it: Takes everything that the topic holds, in place of all that came before.
            more: Takes what has come since.
            troubled: Told of each error of the broker's that `follow` gets over.
        """
        self._settings = settings
        self._topic = topic
        self._committed_only = committed_only
        self._all_of_it = all_of_it
        self._more = more
        self._troubled = troubled
        self._stack = AsyncExitStack()
        self._follower: Follower | None = None

    async def load(self) -> None:
        """
        Everything that there is now was taken.

        Raises:
            KafkaError: The broker is in trouble.
        """
        if self._follower is None:
            follower = Follower(self._settings, self._topic, committed_only=self._committed_only)
            self._follower = await self._stack.enter_async_context(follower)
        self._all_of_it(await self._follower.everything())

    async def follow(self) -> None:
        """What comes is taken as it is written, until cancelled. Never raises for trouble of the broker's."""
        assert self._follower is not None, "follow comes after load"
        while True:
            try:
                self._more(await self._follower.more())
            except OffsetOutOfRangeError:
                await self._reload()
            except KafkaError as error:
                await self._wait(error)

    async def close(self) -> None:
        """Disconnected."""
        await self._stack.aclose()

    async def _reload(self) -> None:
        """The log was cut or made anew under our feet: what it holds now is what there is."""
        try:
            await self.load()
        except KafkaError as error:
            await self._wait(error)

    async def _wait(self, error: KafkaError) -> None:
        self._troubled(error)
        await asyncio.sleep(AGAIN_S)


class Followed:
    """What a process keeps of a compacted topic from `start` to `close`; both may come again, one after the other."""

    def __init__(
        self,
        config: Config,
        topic: str,
        *,
        look: Callable[[], Awaitable[bool]],
        all_of_it: Take,
        more: Take,
        troubled: Callable[[KafkaError], None],
    ) -> None:
        """
        Args:
            config: Where the broker is.
            topic: Which; its partition 0.
            look: `Writer.look` of it.
            all_of_it: As of `Following`.
            more: Likewise.
            troubled: Likewise.
        """
        self._config = config
        self._topic = topic
        self._look = look
        self._take = (all_of_it, more, troubled)
        self._following: Following | None = None

    async def start(self) -> None:
        """
        Everything that there is now was taken.

        Raises:
            Unreachable: The broker does not answer.
            NotAllowed: It refuses us.
            TopicProblem: There is no such topic.
        """
        all_of_it, more, troubled = self._take
        self._following = Following(
            kafka_settings(self._config),
            self._topic,
            committed_only=await self._look(),
            all_of_it=all_of_it,
            more=more,
            troubled=troubled,
        )
        try:
            await self._following.load()
        except KafkaError as error:
            raise lost(error, self._config.kafka_bootstrap_servers) from error

    async def follow(self) -> None:
        """As of `Following`."""
        assert self._following is not None, "follow comes after start"
        await self._following.follow()

    async def close(self) -> None:
        """Disconnected."""
        if self._following is not None:
            await self._following.close()
