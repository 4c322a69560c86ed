"""
Request -> Reply over HTTP/1.1, on aiohttp's connector and its C parser.

A request is one write: the head is made here, for all of it is known (no redirects, no cookies, no encodings), and the
client session on top costs as much again as everything below it (68 microseconds of CPU a request, this 36).
"""

import asyncio
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import lru_cache
from ssl import SSLContext
from typing import Self

import aiohttp
from aiohttp import ClientRequest, hdrs
from aiohttp.abc import AbstractResolver
from aiohttp.connector import Connection
from aiohttp.http import RawResponseMessage
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.streams import StreamReader

from relay.model import Answer, Reply, Request
from relay.networks import Proxy
from relay.pipeline import tls
from relay.pipeline.connect import FINAL, HEADERS, LINE_BYTES, READ_BUFFER_BYTES, Pools
from relay.pipeline.deliver import URLS_CACHED, callable_url, failure, timeouts
from relay.pipeline.egress import Egress

JOINED_BYTES = (
    64 * 1024
)  # a body up to this is copied behind its head, for one small copy is less than a second segment
SWITCHING_PROTOCOLS = 101  # ends HTTP on this connection, though it is below FINAL; nobody asked for it


@dataclass(frozen=True, slots=True)
class Target:
    """Where a URL leads, worked out once."""

    asked: ClientRequest  # what the connector wants to know: where to, and whether by TLS
    start: str  # the request line and Host


class WireDeliver:
    """Keeps connections alive; bodies are read up to `response_bytes`, the rest never."""

    def __init__(
        self,
        egress: Egress,
        *,
        connect_timeout_s: float,
        response_bytes: int,
        proxy: Proxy | None = None,
        resolver: AbstractResolver | None = None,
        contexts: tls.Contexts | None = None,
    ) -> None:
        self.pools = Pools(egress, proxy=proxy, resolver=resolver)
        self._contexts = contexts or tls.Contexts()
        self._connect_timeout_s = connect_timeout_s
        self._response_bytes = response_bytes
        self._schemes = egress.schemes
        self._known = lru_cache(maxsize=URLS_CACHED)(_target)  # of those whose TLS is everybody's

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.pools.close()

    async def __call__(self, request: Request) -> Reply:
        try:
            context = self._contexts.of(request.account_id, request.tls)
            # one with a context of its own is not kept: it would keep that, a megabyte, long after its renewal
            target = (self._known if context is True else _target)(request.url, self._schemes, context)
        except (tls.Unusable, ValueError) as error:  # InvalidURL is one
            return failure(error)
        connection: Connection | None = None
        message: RawResponseMessage | None = None
        kept = bytearray()
        try:
            head = _head(target.start, request)
            async with asyncio.timeout(request.timeout_s):
                pool = self.pools.of(request.account_id)
                within = timeouts(request.timeout_s, self._connect_timeout_s)
                connection = await pool.connect(target.asked, [], within)
                message, content = await _exchanged(connection, head, request.body)
                await self._read(content, kept)
        except (aiohttp.ClientError, HttpProcessingError, OSError, ValueError) as error:  # TimeoutError is an OSError
            if message is None:
                return failure(error)
            return _answer(message, bytes(kept[: self._response_bytes]), truncated=True)  # its head has decided
        else:
            truncated = len(kept) > self._response_bytes
            transport = connection.transport
            if not truncated and transport is not None and not transport.get_write_buffer_size():
                connection.release()  # else there is more to come, or they answered before they had read it all
            return _answer(message, bytes(kept[: self._response_bytes]), truncated=truncated)
        finally:
            if connection is not None:
                connection.close()

    async def _read(self, content: StreamReader, kept: bytearray) -> None:
        """The body is in `kept`; of a longer one a byte more than is wanted."""
        most = self._response_bytes + 1
        if content.is_eof():
            kept += content.read_nowait(most)
            return
        while not content.at_eof() and len(kept) < most:
            kept += await content.read(most - len(kept))


async def _exchanged(connection: Connection, head: bytes, body: bytes) -> tuple[RawResponseMessage, StreamReader]:
    """The request is on its way, and the final head has come."""
    protocol, transport = connection.protocol, connection.transport
    if (
        protocol is None or transport is None
    ):  # lost already; why stands there, as an alert that refuses our certificate
        raise (protocol and protocol.exception()) or aiohttp.ServerDisconnectedError
    protocol.set_response_params(
        read_until_eof=True,
        auto_decompress=False,  # stored bytes are the wire's, and a gzip bomb stays small
        read_bufsize=READ_BUFFER_BYTES,
        max_line_size=LINE_BYTES,
        max_field_size=LINE_BYTES,
        max_headers=HEADERS,
    )
    if len(body) <= JOINED_BYTES:
        transport.write(head + body)
    else:
        transport.writelines((head, body))
    while True:
        message, content = await protocol.read()
        if message.code >= FINAL or message.code == SWITCHING_PROTOCOLS:
            return message, content


def _target(url: str, schemes: AbstractSet[str], context: SSLContext | bool) -> Target:  # noqa: FBT001  aiohttp's
    """
    Raises:
        InvalidURL: It is no URL that may be called.
    """
    parsed = callable_url(url, schemes)
    asked = ClientRequest(hdrs.METH_POST, parsed, loop=asyncio.get_running_loop(), ssl=context)
    return Target(asked, f"POST {parsed.raw_path_qs} HTTP/1.1\r\nhost: {parsed.host_port_subcomponent}\r\n")


def _head(start: str, request: Request) -> bytes:
    """
    Everything before the body.

    Raises:
        ValueError: A value would begin another line: none is ever meant to.
    """
    lines = [f"{name}: {value}\r\n" for name, value in request.headers.items()]
    text = f"{start}{''.join(lines)}content-length: {len(request.body)}\r\n\r\n"
    ends = len(lines) + 4  # request line, Host, Content-Length, and the empty one
    if not text.count("\r") == text.count("\n") == text.count("\r\n") == ends:
        raise ValueError("a header holds a line end")
    return text.encode()


def _answer(message: RawResponseMessage, body: bytes, *, truncated: bool) -> Answer:
    headers = tuple([(name.lower(), value) for name, value in message.headers.items()])
    return Answer(status=message.code, headers=headers, body=body, truncated=truncated)
