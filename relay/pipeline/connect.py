"""
Where connections come from: each is judged before it is made, and belongs to the rules that it was made under. Edge.

The guard sits in the connector: aiohttp hands every host, literals included, to `_resolve_host` (its documentation's
cookbook overrides it too), and connects to just what that returns, so an address is judged once and there is no second
look-up between check and use. `socket_factory` judges every socket again, as the last line.

Behind RELAY_EGRESS_PROXY the one address that is connected to is the proxy's, and what is judged is the URL: literals
and local names as ever; what a public name resolves to is the proxy's to judge.
"""

import asyncio
import errno
import re
import socket
from collections.abc import Sequence
from functools import partial
from http import HTTPStatus
from typing import Any, cast

import aiohttp
from aiohttp import ClientRequest, ClientTimeout
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.client_proto import ResponseHandler
from aiohttp.helpers import is_ip_address
from aiohttp.http_exceptions import HttpProcessingError

from relay.networks import Proxy
from relay.pipeline import tls
from relay.pipeline.egress import OWN, Egress
from relay.pipeline.names import Names
from relay.pipeline.sign import USER_AGENT

LINE_BYTES = 8190  # of a status line or a header field: nginx's and aiohttp's own bound
HEADERS = 128
HEAD_END = re.compile(rb"\n\r?\n")
BLANK = re.compile(rb"(?:\r?\n)+")  # before a head: the line end of one whose last lines came alone, or nothing at all
LINE_ENDS = (b"\r", b"\n")
HEADS_A_PIECE = 4  # looked for: the final one, after an interim one or two
READ_BUFFER_BYTES = 8 * 1024  # twice that may wait in each connection; 512 of them must stay small
KEEPALIVE_S = 15.0  # shorter than what most servers keep, so that we seldom write into a connection they are closing
PROXY_SHARE = 0.5  # of the time to connect, for reaching the proxy: what is left over is the receiver's to spend
# An errno that no connect() has, for happy eyeballs keep that alone of two that are alike. Not EACCES: Linux gives it
# where an IPv6 firewall says that it is administratively prohibited, which is the receiver's failure and may pass.
REFUSED_BY_US = errno.EDOM
FINAL = 200  # what is below is interim (RFC 9110, section 15.2)


class Blocked(OSError):
    """The address may not be called. An OSError, for aiohttp wraps those and loses others (happy eyeballs)."""

    def __init__(self, why: str) -> None:
        super().__init__(REFUSED_BY_US, why)


class ProxyFault(aiohttp.ClientConnectionError):
    """The proxy did not do its part: nothing has reached the receiver, and nothing is known of it."""


class HeadFirst(ResponseHandler):
    """
    A connection on which a complete head counts, whatever comes with it, and an answer that nobody asked for does not.

    On an error the parser drops all that it had read of the same piece: of a 204 with a body in one segment, the 204.
    """

    def data_received(self, data: bytes) -> None:
        start = 0
        for _ in range(HEADS_A_PIECE):
            if not self._awaits_head():
                break
            end = BLANK.match(data) if start == 0 and data[:1] in LINE_ENDS else HEAD_END.search(data, start)
            if end is None:
                break
            super().data_received(data[start : end.end()])
            start = end.end()
        if start == 0 or start < len(data):
            super().data_received(data[start:])  # nothing at all lets the parser go on
        if self._exception is not None and self._payload is not None and not self._payload.is_eof():
            self._payload.set_exception(aiohttp.ClientPayloadError())  # else it would be waited for until the timeout

    def is_connected(self) -> bool:
        """Whether the next request may go out here: not where something has been said since the last answer."""
        return super().is_connected() and not self.should_close

    def _awaits_head(self) -> bool:
        return self._exception is None and (self._payload is None or self._payload.is_eof())


class Connector(aiohttp.TCPConnector):
    """What both kinds are: unbounded, and of connections on which a complete head counts."""

    def __init__(self, egress: Egress, **more: Any) -> None:  # noqa: ANN401
        super().__init__(
            limit=0,  # bounded by RELAY_IN_FLIGHT, not here
            keepalive_timeout=KEEPALIVE_S,
            ssl=tls.public(),
            **more,
        )
        self._factory = cast(partial[ResponseHandler], partial(HeadFirst, loop=self._loop))
        self._egress = egress

    def _own_listener(self, address: str, port: int) -> str | None:
        """Why it may not be called if it is one of this machine's, and our listener is on all of them."""
        return OWN if port in self._egress.everywhere and _is_of_this_machine(address) else None


class GuardedConnector(Connector):
    """Connects only to addresses that the egress rules allow."""

    def __init__(self, egress: Egress, *, resolver: AbstractResolver | None = None) -> None:
        super().__init__(egress, resolver=resolver, socket_factory=self._guarded_socket)

    async def _resolve_host(self, host: str, port: int, traces: Sequence[Any] | None = None) -> list[ResolveResult]:
        found = await super()._resolve_host(_absolute(host), port, traces)
        why = self._egress.refusal_of_name(host, [one["host"] for one in found], port)
        if why is not None:
            raise Blocked(why)
        return found

    def _guarded_socket(self, address: tuple[Any, ...]) -> socket.socket:
        family, kind, protocol, _, target = address
        why = self._egress.refusal(target[0], target[1]) or self._own_listener(target[0], target[1])
        if why is not None:
            raise Blocked(why)
        return socket.socket(family, kind, protocol)


class ProxiedConnector(Connector):
    """
    Connects to the proxy alone, and asks it for a tunnel to each receiver (CONNECT, RFC 9110 section 9.3.6).

    With a tunnel for plain HTTP too, what the proxy says and what a receiver says never mix, and the proxy's
    credentials are in no request of a receiver's.
    """

    def __init__(self, egress: Egress, proxy: Proxy) -> None:
        super().__init__(egress)
        self._proxy = proxy

    async def _create_connection(self, req: ClientRequest, traces: Sequence[Any], timeout: ClientTimeout) -> Any:  # noqa: ANN401, ARG002, ASYNC109  aiohttp's
        host, port = req.url.raw_host or "", req.url.port or 0
        why = self._egress.refusal_unresolved(host, port)
        if why is None and is_ip_address(host):
            why = self._own_listener(host, port)
        if why is not None:
            raise Blocked(why)
        transport, protocol = await self._reached((timeout.connect or KEEPALIVE_S) * PROXY_SHARE)
        try:
            await self._tunnelled(transport, protocol, f"[{host}]:{port}" if ":" in host else f"{host}:{port}")
            if req.is_ssl():
                _, behind = await self._start_tls_connection(transport, req=req, timeout=timeout)
            else:
                behind = self._factory()
                transport.set_protocol(behind)
                behind.connection_made(transport)
        except BaseException:
            transport.abort()
            raise
        return behind

    async def _reached(self, within_s: float) -> tuple[asyncio.Transport, ResponseHandler]:
        try:
            async with asyncio.timeout(within_s):
                return await self._loop.create_connection(self._factory, self._proxy.host, self._proxy.port)
        except OSError as error:  # TimeoutError is one
            raise ProxyFault("the proxy cannot be reached") from error

    async def _tunnelled(self, transport: asyncio.Transport, protocol: ResponseHandler, to: str) -> None:
        """
        What comes next on this connection goes to the receiver.

        Raises:
            ProxyFault: The proxy would not, or spoke no HTTP.
            ClientOSError, ConnectionTimeoutError: It tried, and says that the receiver cannot be reached.
        """
        given = self._proxy.authorization
        credentials = "" if given is None else f"proxy-authorization: {given}\r\n"
        protocol.set_response_params(
            read_until_eof=True, max_line_size=LINE_BYTES, max_field_size=LINE_BYTES, max_headers=HEADERS
        )
        transport.write(
            f"CONNECT {to} HTTP/1.1\r\nhost: {to}\r\nuser-agent: {USER_AGENT}\r\n{credentials}\r\n".encode()
        )
        status = 0
        try:
            while status < FINAL:
                message, _ = await protocol.read()
                status = message.code
        except (aiohttp.ClientError, HttpProcessingError, OSError) as error:
            raise ProxyFault("the proxy did not answer CONNECT") from error
        match status:
            case HTTPStatus.OK:
                return
            case HTTPStatus.BAD_GATEWAY | HTTPStatus.SERVICE_UNAVAILABLE:  # RFC 9110, 15.6.3; Squid, Envoy: 503
                raise aiohttp.ClientOSError(errno.ECONNREFUSED, f"the proxy could not connect: {status}")
            case HTTPStatus.GATEWAY_TIMEOUT:
                raise aiohttp.ConnectionTimeoutError(f"the proxy could not connect: {status}")
            case _:
                raise ProxyFault(f"the proxy answered CONNECT with {status}")


class Pools:
    """A pool of connections for each set of rules: none is used under rules that it was not made under."""

    def __init__(self, egress: Egress, *, proxy: Proxy | None = None, resolver: AbstractResolver | None = None) -> None:
        self._egress = egress
        self._proxy = proxy
        self._resolver = resolver or Names()  # one for all: a name that is slow is so under any rules
        self._pools: dict[Egress, Connector] = {}  # few: one, and of each account with networks

    def of(self, account_id: str) -> Connector:
        """For what is sent to one account's subscriptions."""
        rules = self._egress.of(account_id)
        pool = self._pools.get(rules)
        if pool is None:
            pool = self._pools[rules] = self._made(rules)
        return pool

    def obey(self, egress: Egress) -> None:
        """From now on these rules hold. What was connected under others finishes its request and is used no more."""
        self._egress = egress

    async def close(self) -> None:
        """Disconnected."""
        for pool in self._pools.values():
            await pool.close()

    def _made(self, rules: Egress) -> Connector:
        if self._proxy is not None:
            return ProxiedConnector(rules, self._proxy)
        return GuardedConnector(rules, resolver=self._resolver)


def _absolute(host: str) -> str:
    """
    With the root's dot, so that no search domain makes another name of it: `foo` is not foo.default.svc.cluster.local.

    A hosts file knows no such names; `localhost` alone stands in every one, and so is asked for as it is (RFC 6761).
    """
    return host if is_ip_address(host) or host.endswith(".") or host == "localhost" else f"{host}."


def _is_of_this_machine(address: str) -> bool:
    """Whether one of its interfaces has it: only then can a socket be bound there. Of a listener on all of them."""
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((address, 0))
        except OSError:
            return False
    return True
