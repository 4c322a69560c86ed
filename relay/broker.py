"""What the broker is asked besides records: what it can do, which topics it has, and to make some. Edge (aiokafka)."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import (
    GroupCoordinatorNotAvailableError,
    KafkaError,
    TopicAlreadyExistsError,
    TopicAuthorizationFailedError,
    for_code,
)
from aiokafka.protocol.metadata import MetadataRequest

import relay.batches  # every consumer that is told how to connect reads by it
import relay.coordinators  # noqa: F401  and every client looks for coordinators by it
from relay.config import Config
from relay.credentials import credentials
from relay.errors import NotAllowed, RelayError
from relay.refusals import UNAUTHORISED, cause, told
from relay.topics import Cluster, Wanted

CONNECT_S = 8.0  # commands say within 10 s that there is no broker
REQUEST_MS = 5_000  # a broker that takes longer for a question about topics is as good as gone
DESCRIBE_CONFIGS = 32  # the key of that API: librdkafka's mock cluster does not have it, every real broker does
OFFSETS_TOPIC = "__consumer_offsets"  # made when the first group asks for its coordinator
TOUCH_S = 10.0  # until a topic that was asked for has a leader


def kafka_settings(config: Config) -> dict[str, Any]:
    """
    What every client of aiokafka is told about the connection.

    Raises:
        ConfigProblem: See `credentials`.
    """
    servers = {"bootstrap_servers": config.kafka_bootstrap_servers.split(","), "client_id": "relay"}
    return servers | dict(credentials(config))


def bootstrap(config: Config) -> list[tuple[str, int]]:
    """Host and port of each broker that the configuration names."""
    servers = (server.rpartition(":") for server in config.kafka_bootstrap_servers.split(","))
    return [(host.strip("[] "), int(port)) for host, _, port in servers]


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What this broker can do; a real one can do all of it."""

    transactions: bool  # fences a rival writer, and readers of committed records get past a transaction
    topic_configs: bool  # tells topics' settings, and makes topics when told to


class Broker:
    """
    A connection for questions; open for as long as its `async with`.

    Raises:
        Unreachable: From every method: it does not answer, or no longer.
        NotAllowed: Likewise: it does, and refuses us.
        ConfigProblem: When it is made; see `credentials`.
    """

    def __init__(self, config: Config) -> None:
        self._servers = config.kafka_bootstrap_servers
        self._bootstrap = bootstrap(config)
        self._events = config.events_topics
        self._settings = kafka_settings(config)
        self._admin = AIOKafkaAdminClient(**self._settings, request_timeout_ms=REQUEST_MS)

    async def __aenter__(self) -> Self:
        try:
            async with self._answering():
                await self._admin.start()
        except BaseException:
            await self._admin.close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._admin.close()

    @asynccontextmanager
    async def _answering(self, seconds: float = CONNECT_S) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(seconds):
                yield
        except (KafkaError, OSError, TimeoutError) as error:
            why = await cause(error, (*self._bootstrap, *self.brokers()), self._settings)
            raise told(why, self._servers) from error

    async def capabilities(self) -> Capabilities:
        """What it can do, by the APIs that it says it has."""
        async with self._answering():
            client = self._admin._client  # noqa: SLF001  the versions are not shown otherwise
            connection = await client._get_conn(client.get_random_node())  # noqa: SLF001
            if connection is None:
                raise OSError("the connection broke")
            real = DESCRIBE_CONFIGS in connection._versions  # noqa: SLF001
        return Capabilities(transactions=real, topic_configs=real)

    def brokers(self) -> list[tuple[str, int]]:
        """Where they are by their own word: host and port of each."""
        return [(one.host, one.port) for one in self._admin._client.cluster.brokers()]  # noqa: SLF001

    async def topics(self) -> dict[str, int]:
        """Every topic and how many partitions it has; asks for all, so none is created."""
        async with self._answering():
            metadata = await self._admin._get_cluster_metadata(topics=None)  # noqa: SLF001  list_topics drops the counts
        return {one["topic"]: len(one["partitions"]) for one in metadata.to_object()["topics"]}

    async def cluster(self, names: Iterable[str]) -> Cluster:
        """
        What there is: all topics, and the settings of those of these names that exist.

        Raises:
            NotAllowed: One of them, or an events topic, may be there, and we may not see it.
        """
        partitions = await self.topics()
        await self._look_closer([name for name in (*names, *self._events) if name not in partitions])
        asked = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names if name in partitions]
        configs: dict[str, Mapping[str, str]] = {}
        async with self._answering():
            brokers = len(self.brokers())
            for reply in await self._admin.describe_configs(asked) if asked else ():
                for resource in reply.to_object()["resources"]:
                    if resource["error_code"]:
                        what = (
                            f"DescribeConfigs of {resource['resource_name']}: {resource['error_message'] or 'refused'}"
                        )
                        raise for_code(resource["error_code"])(what)
                    entries = resource["config_entries"]
                    configs[resource["resource_name"]] = {one["config_names"]: one["config_value"] for one in entries}
        return Cluster(partitions=partitions, configs=configs, brokers=brokers)

    async def missing(self, *names: str) -> list[str]:
        """
        Of these topics, those that are not there.

        Raises:
            NotAllowed: One of them may be there, and we may not see it.
        """
        there = await self.topics()
        missing = [name for name in names if name not in there]
        await self._look_closer(missing)
        return missing

    async def _look_closer(self, missing: Sequence[str]) -> None:
        """What we may not see is in no list: asked for by name, the broker says so. This asking creates no topic."""
        if not missing:
            return
        async with self._answering():
            asked = MetadataRequest(list(missing), allow_auto_topic_creation=False)
            metadata = await self._admin._send_request(asked)  # noqa: SLF001  describe_topics would create them
            codes = {one["topic"]: one["error_code"] for one in metadata.to_object()["topics"]}
            if hidden := [name for name in missing if codes.get(name) == TopicAuthorizationFailedError.errno]:
                raise TopicAuthorizationFailedError("Describe of " + ", ".join(hidden))

    async def create(self, topics: Sequence[Wanted]) -> None:
        """
        They exist, and are listed; one that somebody else made meanwhile stays as it is.

        Raises:
            RelayError: The broker refused one; those before it may have been made.
            NotAllowed: It did because we may not.
        """
        if not topics:
            return
        new = [NewTopic(one.name, one.partitions, one.replicas, topic_configs=dict(one.configs)) for one in topics]
        async with self._answering():
            reply = await self._admin.create_topics(new, timeout_ms=REQUEST_MS)
        refused = [
            f"{name}: {for_code(code).__name__}{f' ({message})' if message else ''}"
            for name, code, message in ((one[0], one[1], one[2] if len(one) > 2 else "") for one in reply.topic_errors)  # noqa: PLR2004
            if code not in (0, TopicAlreadyExistsError.errno)
        ]
        if refused:
            codes = {one[1] for one in reply.topic_errors}
            kind = NotAllowed if codes & {error.errno for error in UNAUTHORISED} else RelayError
            raise kind("the broker refused to make topics\n" + "\n".join(refused))
        async with self._answering(TOUCH_S):  # the controller has answered before the brokers have heard of them
            while True:
                if {one.name for one in topics} <= (await self.topics()).keys():
                    return
                await asyncio.sleep(0.05)

    async def touch(self, names: Iterable[str]) -> None:
        """They exist, on a broker that makes topics when they are asked for: the embedded one."""
        async with self._answering(TOUCH_S):
            while True:
                metadata = await self._admin._get_cluster_metadata(list(names))  # noqa: SLF001
                if all(one["error_code"] == 0 for one in metadata.to_object()["topics"]):
                    return
                await asyncio.sleep(0.05)

    async def backlog(self, group: str, topics: Iterable[str]) -> dict[str, int]:
        """Of each of these topics, how many offsets lie between what the group has committed and the end."""
        partitions = await self.topics()
        ats = [TopicPartition(name, number) for name in topics for number in range(partitions[name])]
        if not ats:
            return {}
        async with self._answering():
            committed = await self._committed(group, ats, known=OFFSETS_TOPIC in partitions)
            async with AIOKafkaConsumer(**self._settings) as consumer:
                begins, ends = await consumer.beginning_offsets(ats), await consumer.end_offsets(ats)
        behind: dict[str, int] = {}
        for at in ats:
            offset = max(committed.get(at, 0), begins[at])  # none is committed as -1
            behind[at.topic] = behind.get(at.topic, 0) + max(0, ends[at] - offset)
        return behind

    async def committed(self, group: str, topics: Iterable[str]) -> dict[tuple[str, int], int]:
        """Of each partition of these topics that there are, what the group has committed; left out: nothing yet."""
        partitions = await self.topics()
        ats = [TopicPartition(name, number) for name in topics for number in range(partitions.get(name, 0))]
        async with self._answering():
            found = await self._committed(group, ats, known=OFFSETS_TOPIC in partitions) if ats else {}
        return {(at.topic, at.partition): offset for at, offset in found.items() if offset >= 0}

    async def _committed(self, group: str, ats: Sequence[TopicPartition], *, known: bool) -> dict[TopicPartition, int]:
        """
        Args:
            group: Whose.
            ats: Partitions.
            known: Whether any group has ever been here; else there is no coordinator, and nothing committed.
        """
        try:
            found = await self._admin.list_consumer_group_offsets(group, partitions=ats)
        except GroupCoordinatorNotAvailableError:
            if known:
                raise
            return {}
        return {at: one.offset for at, one in found.items()}
