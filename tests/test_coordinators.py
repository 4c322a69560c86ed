"""A broker that wakes up, as one does that was frozen: it answers, and names no broker at first."""

import asyncio
import struct

from aiokafka import AIOKafkaConsumer
from aiokafka.protocol.admin import ApiVersionRequest_v0, ApiVersionResponse_v0
from aiokafka.protocol.api import Response
from aiokafka.protocol.coordination import FindCoordinatorRequest_v0, FindCoordinatorResponse_v0
from aiokafka.protocol.metadata import MetadataRequest_v0, MetadataResponse_v0

import relay.broker  # noqa: F401  as in everything that connects

ID = 7


class Waking:
    """Answers by Kafka's protocol, and names itself from its second answer on."""

    def __init__(self) -> None:
        self.port = self.named = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await reader.read(4):
            request = await reader.readexactly(*struct.unpack(">i", head))
            key, _, correlation = struct.unpack(">hhi", request[:8])
            answer = struct.pack(">i", correlation) + self.answer(key).encode()
            writer.write(struct.pack(">i", len(answer)) + answer)
        writer.close()

    def answer(self, key: int) -> Response:
        if key == ApiVersionRequest_v0.API_KEY:
            known = (ApiVersionRequest_v0, MetadataRequest_v0, FindCoordinatorRequest_v0)
            return ApiVersionResponse_v0(0, [(one.API_KEY, 0, 0) for one in known])
        if key == MetadataRequest_v0.API_KEY:
            self.named += 1
            return MetadataResponse_v0([(ID, "127.0.0.1", self.port)] if self.named > 1 else [], [])
        return FindCoordinatorResponse_v0(0, ID, "127.0.0.1", self.port)


async def test_a_group_waits_for_a_cluster_that_names_no_broker_yet() -> None:
    """It is trouble of the broker's, and passes: whoever asks is answered once there is one."""
    waking = Waking()
    async with await asyncio.start_server(waking.serve, "127.0.0.1", 0) as server:
        waking.port = server.sockets[0].getsockname()[1]
        consumer = AIOKafkaConsumer(bootstrap_servers=f"127.0.0.1:{waking.port}", group_id="a-group")
        await consumer.start()
        try:
            assert not consumer._client.cluster.brokers()

            await consumer._coordinator.ensure_coordinator_known()

            assert ID == consumer._coordinator.coordinator_id
        finally:
            await consumer.stop()
