"""
A coordinator is looked for also where a cluster names no broker yet. Edge (aiokafka 0.14).

A broker that wakes up answers before it names any, itself included. The client asserts that it knows one, and whoever
asked dies of that. Here it hears that there is none yet, and takes it for the broker's trouble, as which it passes.
"""

from typing import Any

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import NodeNotReadyError

_looked_up = AIOKafkaClient.coordinator_lookup


async def looked_up(client: Any, kind: int, key: str) -> int:  # noqa: ANN401  an untyped library's
    """
    The id of the broker that coordinates this group, or this transactional id.

    Raises:
        NodeNotReadyError: No broker is known; the client tries again.
        KafkaError: As of the client's own.
    """
    if not client.cluster.brokers():
        raise NodeNotReadyError("the cluster names no broker yet")
    found: int = await _looked_up(client, kind, key)
    return found


AIOKafkaClient.coordinator_lookup = looked_up
