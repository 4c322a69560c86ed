"""
Request -> Reply over HTTP/1.1. A refused, slow or lying receiver is a Reply, never an exception.

The guard sits in the connector: aiohttp hands every host, literals included, to `_resolve_host` (its documentation's
cookbook overrides it too), and connects to just what that returns, so an address is judged once and there is no second
look-up between check and use. `socket_factory` judges every socket again, as the last line.
"""

import errno
import re
import socket
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from functools import lru_cache, partial
from typing import Any, Protocol, Self, cast

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.client_proto import ResponseHandler
from yarl import URL

from relay.model import Answer, Failure, Reason, Reply, Request
from relay.pipeline import tls
from relay.pipeline.egress import OWN, Egress

LINE_BYTES = 8190  # of a status line or a header field: nginx's and aiohttp's own bound
HEADERS = 128
HEAD_END = re.compile(rb"\n\r?\n")
BLANK = re.compile(rb"(?:\r?\n)+")  # before a head: the line end of one whose last lines came alone, or nothing at all
LINE_ENDS = (b"\r", b"\n")
HEADS_A_PIECE = 4  # looked for: the final one, after an interim one or two
READ_BUFFER_BYTES = 8 * 1024  # twice that may wait in each connection; 512 of them must stay small
KEEPALIVE_S = 15.0  # shorter than what most servers keep, so that we seldom write into a connection they are closing
URLS_CACHED = 10_000  # parsed URLs kept: as many as there are busy subscriptions


class Deliver(Protocol):
    """The HTTP edge: one request out, one reply back."""

    async def __call__(self, request: Request) -> Reply:
        """Never raises for anything that the receiver, the network or the URL does."""
        ...


class Blocked(OSError):
    """The address may not be called. An OSError, for aiohttp wraps those and loses others (happy eyeballs)."""

    def __init__(self, why: str) -> None:
        super().__init__(errno.EACCES, why)


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


class GuardedConnector(aiohttp.TCPConnector):
    """Connects only to addresses that the egress rules allow."""

    def __init__(self, egress: Egress, *, resolver: AbstractResolver | None = None) -> None:
        super().__init__(
            limit=0,  # bounded by RELAY_IN_FLIGHT, not here
            keepalive_timeout=KEEPALIVE_S,
            resolver=resolver,
            socket_factory=self._guarded_socket,
            ssl=tls.public(),
        )
        self._factory = cast(partial[ResponseHandler], partial(HeadFirst, loop=self._loop))
        self._egress = egress

    async def _resolve_host(self, host: str, port: int, traces: Sequence[Any] | None = None) -> list[ResolveResult]:
        found = await super()._resolve_host(host, port, traces)
        why = self._egress.refusal_of_name(host, [one["host"] for one in found], port)
        if why is not None:
            raise Blocked(why)
        return found

    def _guarded_socket(self, address: tuple[Any, ...]) -> socket.socket:
        family, kind, protocol, _, target = address
        why = self._egress.refusal(target[0], target[1])
        if why is None and target[1] in self._egress.everywhere and _is_of_this_machine(family, target[0]):
            why = OWN
        if why is not None:
            raise Blocked(why)
        return socket.socket(family, kind, protocol)


def _is_of_this_machine(family: int, address: str) -> bool:
    """Whether one of its interfaces has it: only then can a socket be bound there. Of a listener on all of them."""
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((address, 0))
        except OSError:
            return False
    return True


@lru_cache(maxsize=URLS_CACHED)
def callable_url(url: str, schemes: AbstractSet[str]) -> URL:
    """
    Parsed, as it is sent.

    Raises:
        InvalidURL: It is no URL that may be called.
    """
    try:
        parsed = URL(url, encoded=True)
    except (ValueError, IndexError) as error:  # the latter is yarl's on `https://[::1]@`
        raise aiohttp.InvalidURL(url, str(error)) from error
    if parsed.scheme not in schemes or not parsed.raw_host:
        raise aiohttp.InvalidURL(url, f"it is not {' or '.join(sorted(schemes))} with a host")
    return parsed


@lru_cache(maxsize=1_000)
def _timeout(total_s: float, connect_s: float) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(total=total_s, connect=min(connect_s, total_s))


class SessionDeliver:
    """On aiohttp's ClientSession. Bodies are kept up to `response_bytes`; the rest is never read."""

    def __init__(
        self,
        egress: Egress,
        *,
        connect_timeout_s: float,
        response_bytes: int,
        resolver: AbstractResolver | None = None,
        contexts: tls.Contexts | None = None,
    ) -> None:
        self._contexts = contexts or tls.Contexts()
        self._schemes = egress.schemes
        self._connect_timeout_s = connect_timeout_s
        self._response_bytes = response_bytes
        self._session = aiohttp.ClientSession(
            connector=GuardedConnector(egress, resolver=resolver),
            cookie_jar=aiohttp.DummyCookieJar(),  # a receiver's cookies would come back on another's delivery
            auto_decompress=False,  # stored bytes are the wire's, and a gzip bomb stays small
            trust_env=False,  # a proxy from the environment would see everything and bypass the guard
            read_bufsize=READ_BUFFER_BYTES,
            max_line_size=LINE_BYTES,
            max_field_size=LINE_BYTES,
            max_headers=HEADERS,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def __call__(self, request: Request) -> Reply:
        try:
            response = await self._session.post(
                callable_url(request.url, self._schemes),
                data=request.body,
                headers=request.headers,
                allow_redirects=False,
                ssl=self._contexts.of(request.account_id, request.tls),
                timeout=_timeout(request.timeout_s, self._connect_timeout_s),
            )
        except (aiohttp.ClientError, OSError, ValueError) as error:  # TimeoutError is an OSError
            return failure(error)
        body, truncated = await self._body(response)
        return Answer(
            status=response.status,
            headers=tuple((name.lower(), value) for name, value in response.headers.items()),
            body=body,
            truncated=truncated,
        )

    async def _body(self, response: aiohttp.ClientResponse) -> tuple[bytes, bool]:
        """What came of the body up to the bound, and whether there was more or it broke off."""
        content, kept, whole = response.content, b"", False
        try:
            while not content.at_eof() and len(kept) <= self._response_bytes:
                kept += await content.read(self._response_bytes + 1 - len(kept))
            whole = len(kept) <= self._response_bytes
        except (aiohttp.ClientError, OSError, ValueError):
            pass  # the head has decided
        finally:
            if whole:
                response.release()
            else:
                response.close()
        return kept[: self._response_bytes], not whole


def failure(error: BaseException) -> Failure:
    """
    What an exception of the client's means.

    Never raises; what is unknown is a fault of the protocol, since a connection stood.
    """
    cause = getattr(error, "os_error", None)
    had_against_it = tls.in_words(error)
    match error:
        case aiohttp.InvalidURL() | aiohttp.NonHttpUrlClientError():
            reason = Reason.INVALID_URL
        case _ if isinstance(cause, Blocked) or getattr(error, "errno", None) == errno.EACCES:
            reason = Reason.BLOCKED_ADDRESS
        case aiohttp.ClientConnectorDNSError():
            reason = Reason.DNS
        case aiohttp.ServerFingerprintMismatch():
            reason = Reason.TLS
        case _ if had_against_it is not None:
            reason = Reason.TLS
        case TimeoutError():
            reason = Reason.TIMEOUT
        case aiohttp.ClientOSError() | aiohttp.ServerDisconnectedError() | OSError():
            reason = Reason.CONNECT
        case _:
            reason = Reason.PROTOCOL
    return Failure(reason, f"{type(error).__name__}: {had_against_it or str(error)[:200]}")
