"""
What a group has committed, asked so that the answer is never older than the last commit. Edge (aiokafka's protocol).

Kafka 4's coordinator answers an ordinary OffsetFetch from what its log had confirmed when it was last looked at. Behind
a change of leader that may be some commits ago, or nothing at all: a group that is known looks new (measured on 4.1.1,
a partition was read from its beginning again). Asked for stable offsets (KIP-447, OffsetFetch 7) it writes to its log
first, and answers behind that. aiokafka 0.14 speaks up to version 3.
"""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from aiokafka.errors import GroupLoadInProgressError, KafkaError, NotCoordinatorForGroupError, for_code
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.commit import OffsetFetchRequest_v3
from aiokafka.protocol.types import (
    Boolean,
    CompactArray,
    CompactString,
    Int16,
    Int32,
    Int64,
    Schema,
    TaggedFields,
)

from relay.pipeline.holdings import Partition
from relay.pipeline.ledger import Commit

STABLE = 7  # the first version that can be asked for stable offsets; brokers from 2.5 on speak it
NO_OFFSET = -1
MOVED = (GroupLoadInProgressError, NotCoordinatorForGroupError)


class UnstableOffsets(KafkaError):  # type: ignore[misc]
    """A transaction that commits offsets of this group is open (UNSTABLE_OFFSET_COMMIT, 88): ask again."""

    errno = 88
    retriable = True


class OffsetFetchResponse_v7(Response):  # type: ignore[misc]  # noqa: N801  as aiokafka's
    """Kafka's protocol guide, OffsetFetch, version 7."""

    API_KEY = 9
    API_VERSION = STABLE
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "topics",
            CompactArray(
                ("name", CompactString("utf-8")),
                (
                    "partitions",
                    CompactArray(
                        ("partition", Int32),
                        ("offset", Int64),
                        ("leader_epoch", Int32),
                        ("metadata", CompactString("utf-8")),
                        ("error_code", Int16),
                        ("tags", TaggedFields),
                    ),
                ),
                ("tags", TaggedFields),
            ),
        ),
        ("error_code", Int16),
        ("tags", TaggedFields),
    )


class OffsetFetchRequest_v7(RequestStruct):  # type: ignore[misc]  # noqa: N801
    """Likewise."""

    FLEXIBLE_VERSION = True
    API_KEY = 9
    API_VERSION = STABLE
    RESPONSE_TYPE = OffsetFetchResponse_v7
    SCHEMA = Schema(
        ("group_id", CompactString("utf-8")),
        (
            "topics",
            CompactArray(("name", CompactString("utf-8")), ("partitions", CompactArray(Int32)), ("tags", TaggedFields)),
        ),
        ("require_stable", Boolean),
        ("tags", TaggedFields),
    )


class StableOffsetFetch(Request[OffsetFetchRequest_v3 | OffsetFetchRequest_v7]):  # type: ignore[misc]
    """Stable offsets, of a broker that knows what that is."""

    API_KEY = 9

    def __init__(self, group: str, topics: dict[str, list[int]]) -> None:
        self._group = group
        self._topics = topics

    def build(self, request_struct_class: type[Any]) -> Any:  # noqa: ANN401  aiokafka's
        if request_struct_class.API_VERSION < STABLE:
            return request_struct_class(self._group, list(self._topics.items()))
        return request_struct_class(self._group, [(name, at, {}) for name, at in self._topics.items()], True, {})


async def committed(coordinator: Any, partitions: Iterable[Partition]) -> dict[Partition, Commit]:  # noqa: ANN401
    """
    Offset and metadata in one answer, of those of these partitions that have any.

    Args:
        coordinator: A consumer's.
        partitions: Of its group.

    Raises:
        KafkaError: The broker is in trouble.
    """
    asked: dict[str, list[int]] = defaultdict(list)
    for topic, partition in partitions:
        asked[topic].append(partition)
    if not asked:
        return {}
    await coordinator.ensure_coordinator_known()
    response = await coordinator._send_req(StableOffsetFetch(coordinator.group_id, asked))  # noqa: SLF001
    _check(response.error_code, coordinator)
    found: dict[Partition, Commit] = {}
    for topic, answers, *_ in response.topics:
        for partition, offset, *epoch, metadata, error_code, _ in (_with_tags(one, response) for one in answers):
            del epoch
            _check(error_code, coordinator)
            if offset != NO_OFFSET:
                found[topic, partition] = Commit(offset, metadata or "")
    return found


def _with_tags(answer: tuple[Any, ...], response: Any) -> tuple[Any, ...]:  # noqa: ANN401
    """Of every version in one form."""
    return answer if response.API_VERSION >= STABLE else (*answer, {})


def _check(code: int, coordinator: Any) -> None:  # noqa: ANN401
    if code == UnstableOffsets.errno:
        raise UnstableOffsets
    kind = for_code(code)
    if kind.errno:
        if issubclass(kind, MOVED):
            coordinator.coordinator_dead()
        raise kind
