"""The board, kept up to date. Edge (Kafka)."""

from contextlib import AsyncExitStack
from typing import Any

from aiokafka.errors import KafkaError

from relay.broker import Broker, kafka_settings
from relay.config import Config
from relay.errors import TopicProblem
from relay.notices.board import KEPT, Board
from relay.pipeline.news import News
from relay.refusals import lost
from relay.topics import Topics


class Notices:
    """What people must hear of, as of now."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._topic = Topics(config.topic_prefix).notices
        self._board = Board()
        self._stack = AsyncExitStack()
        self._news: News | None = None

    async def start(self) -> None:
        """
        All that there is has been read.

        Raises:
            Unreachable: The broker does not answer.
            NotAllowed: It refuses us.
            TopicProblem: There is no such topic.
        """
        async with Broker(self._config) as broker:
            transactions = (await broker.capabilities()).transactions
            if not transactions:
                await broker.touch([self._topic])
            partitions = (await broker.topics()).get(self._topic)
        if partitions is None:
            raise TopicProblem(f"there is no topic {self._topic}: `relay topics apply` makes it")
        news = News(kafka_settings(self._config), self._topic, partitions, committed_only=transactions)
        try:
            self._news = await self._stack.enter_async_context(news)
            await self._news.everything(self._board.put)
        except KafkaError as error:
            raise lost(error, self._config.kafka_bootstrap_servers) from error

    async def follow(self) -> None:
        """What comes is on the board, until cancelled. Never raises for trouble of the broker's."""
        assert self._news is not None, "follow comes after start"
        await self._news.follow(self._board.put)

    async def close(self) -> None:
        """Disconnected; the board stays as it is."""
        await self._stack.aclose()

    def page(self, *, account: str | None, limit: int = KEPT) -> list[dict[str, Any]]:
        """The newest 1,000 at most, newest first, each as in schemas/notice.v1.json; of this account alone, if any."""
        return self._board.page(account=account, limit=limit)

    def standing(self, *, account: str | None) -> list[dict[str, Any]]:
        """The notices of what is failing or disabled now, the latest first."""
        return self._board.standing(account=account)
