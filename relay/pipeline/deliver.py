"""Request -> Reply over HTTP/1.1. A refused, slow or lying receiver is a Reply, never an exception. Edge."""

import re
from collections.abc import Set as AbstractSet
from functools import lru_cache
from typing import Protocol, Self

import aiohttp
from aiohttp.abc import AbstractResolver
from aiohttp.http_exceptions import HttpProcessingError
from yarl import URL

from relay.errors import Invalid
from relay.model import Answer, Failure, Reason, Reply, Request
from relay.networks import Proxy
from relay.pipeline import tls
from relay.pipeline.connect import (
    HEADERS,
    LINE_BYTES,
    READ_BUFFER_BYTES,
    REFUSED_BY_US,
    Blocked,
    Connector,
    Pools,
    ProxyFault,
)
from relay.pipeline.egress import Egress
from relay.urls import masked, normalise

CITED = re.compile(r"b?['\"]|\n")  # where the parser's words end and a peer's begin
URLS_CACHED = 10_000  # parsed URLs kept: as many as there are busy subscriptions


class Deliver(Protocol):
    """The HTTP edge: one request out, one reply back."""

    async def __call__(self, request: Request) -> Reply:
        """Never raises for anything that the receiver, the network or the URL does."""
        ...


@lru_cache(maxsize=URLS_CACHED)
def callable_url(url: str, schemes: AbstractSet[str]) -> URL:
    """
    Parsed, as it is sent: judged by the same rules as when it was written, whoever wrote it.

    Raises:
        InvalidURL: It is no URL that may be called; the message has no more of it than its origin.
    """
    try:
        normalise(url, allow_http="http" in schemes)
        return URL(url, encoded=True)
    except (Invalid, ValueError) as error:
        raise aiohttp.InvalidURL(masked(url), str(error)) from None


@lru_cache(maxsize=1_000)
def timeouts(total_s: float, connect_s: float) -> aiohttp.ClientTimeout:
    """Of one request; connecting has no more than the whole."""
    return aiohttp.ClientTimeout(total=total_s, connect=min(connect_s, total_s))


class SessionDeliver:
    """On aiohttp's ClientSession. Bodies are kept up to `response_bytes`; the rest is never read."""

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
        self._contexts = contexts or tls.Contexts()
        self._schemes = egress.schemes
        self._connect_timeout_s = connect_timeout_s
        self._response_bytes = response_bytes
        self.pools = Pools(egress, proxy=proxy, resolver=resolver)
        self._sessions: dict[Connector, aiohttp.ClientSession] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for session in self._sessions.values():
            await session.close()
        await self.pools.close()

    def _session(self, pool: Connector) -> aiohttp.ClientSession:
        if pool not in self._sessions:
            self._sessions[pool] = aiohttp.ClientSession(
                connector=pool,
                connector_owner=False,
                cookie_jar=aiohttp.DummyCookieJar(),  # a receiver's cookies would come back on another's delivery
                auto_decompress=False,  # stored bytes are the wire's, and a gzip bomb stays small
                trust_env=False,  # a proxy from the environment would see everything and bypass the guard
                read_bufsize=READ_BUFFER_BYTES,
                max_line_size=LINE_BYTES,
                max_field_size=LINE_BYTES,
                max_headers=HEADERS,
            )
        return self._sessions[pool]

    async def __call__(self, request: Request) -> Reply:
        try:
            response = await self._session(self.pools.of(request.account_id)).post(
                callable_url(request.url, self._schemes),
                data=request.body,
                headers=request.headers,
                allow_redirects=False,
                ssl=self._contexts.of(request.account_id, request.tls),
                timeout=timeouts(request.timeout_s, self._connect_timeout_s),
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
        case _ if isinstance(cause, Blocked) or getattr(error, "errno", None) == REFUSED_BY_US:
            reason = Reason.BLOCKED_ADDRESS
        case ProxyFault():
            reason = Reason.PROXY
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
    return Failure(reason, f"{type(error).__name__}: {had_against_it or _told(error)[:200]}")


def _told(error: BaseException) -> str:
    """What the client says of it, but for what it cites: a URL's path, or what came back of our request."""
    match error:
        case aiohttp.InvalidURL():
            return error.description or ""
        case HttpProcessingError() | aiohttp.ClientResponseError():
            return CITED.split(error.message, maxsplit=1)[0]
        case aiohttp.ServerDisconnectedError() if not isinstance(error.message, str):
            return "it ended inside of a head"  # which is the message
        case ProxyFault():
            cause = error.__cause__
            return str(error) if cause is None else f"{error}: {type(cause).__name__}: {_told(cause)}"
        case _:
            return str(error)
