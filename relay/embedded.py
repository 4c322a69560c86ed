"""
The embedded broker: librdkafka's mock cluster, in this process, in memory. For the demo and fast tests.

No Java, no Docker. Topics appear on first use with four partitions; it knows no topic settings, fences no rival writer,
and what it holds ends with it. Never what a production install needs: `confluent-kafka` is an extra.
"""

from types import TracebackType
from typing import Any, Self

from relay.errors import RelayError


class EmbeddedBroker:
    """Runs for as long as its `with`; `bootstrap` is its address on loopback."""

    def __init__(self) -> None:
        self.bootstrap = ""
        self._cluster: Any = None

    def __enter__(self) -> Self:
        """
        Raises:
            RelayError: The extra is not installed.
        """
        try:
            from confluent_kafka import Producer  # noqa: PLC0415  an extra
        except ImportError as error:
            raise RelayError("the embedded broker is an extra: pip install 'relay[demo]'") from error
        # The cluster belongs to the client that asked for it, and tells its addresses as that client's own metadata.
        self._cluster = Producer({"test.mock.num.brokers": 1, "log_level": 0, "bootstrap.servers": ""})
        brokers = self._cluster.list_topics(timeout=10).brokers.values()
        self.bootstrap = ",".join(f"{one.host}:{one.port}" for one in brokers)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._cluster = None
