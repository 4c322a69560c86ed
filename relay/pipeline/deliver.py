"""What an HTTP edge keeps to: a refused, slow or lying receiver is a Reply, never an exception. Edge (aiohttp)."""

import re
from collections.abc import Set as AbstractSet
from functools import lru_cache
from typing import Protocol

import aiohttp
from aiohttp.http_exceptions import HttpProcessingError
from yarl import URL

from relay.errors import Invalid
from relay.model import Failure, Reason, Reply, Request
from relay.pipeline import tls
from relay.pipeline.connect import REFUSED_BY_US, Blocked, ProxyFault
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
