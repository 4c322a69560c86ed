"""
How the settings of where requests may go, and come from, are written: networks, for everybody or for one account, the
proxy, and who speaks for users. Pure.

As in `settings`, each reader takes text and returns its value, or raises ValueError saying the rule; that of the proxy
never cites what it read.
"""

import ipaddress
import re
from base64 import b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote_to_bytes

from relay.settings import address

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

MAX_ACCOUNT_BYTES = 256  # as of every account's id (DESIGN.md section 5)
_HEADER = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,63}")
_TAKEN = {"authorization", "cookie", "host", "origin", "connection", "x-forwarded-for"}  # by other meanings
_PROXY = re.compile(r"http://(?:(?P<user>[!-~]{1,1024})@)?(?P<address>[^@/]{1,300})/?")


@dataclass(frozen=True, slots=True)
class Allowance:
    """An entry of RELAY_ALLOW_NETWORKS."""

    network: Network
    account_id: str | None = None  # the subscription's, to whom alone it is allowed; None: to all

    def __str__(self) -> str:
        return str(self.network) + ("" if self.account_id is None else f"@{self.account_id}")


@dataclass(frozen=True, slots=True)
class Proxy:
    """RELAY_EGRESS_PROXY: it is asked for a tunnel to every receiver (CONNECT, RFC 9110 section 9.3.6)."""

    host: str  # a name, or an address without brackets
    port: int
    authorization: str | None = field(default=None, repr=False)  # the value of Proxy-Authorization


def network(text: str) -> Network:
    """A CIDR, or one address."""
    try:
        return ipaddress.ip_network(text)
    except ValueError:
        raise ValueError("must be a CIDR without host bits, as in 10.0.0.0/8 or fd00::/8") from None


def user_header(text: str) -> str:
    """The name of a header in which a proxy says who the user is."""
    if not _HEADER.fullmatch(text) or text.lower() in _TAKEN:
        raise ValueError("must be the name of a header that means nothing else, as in X-Forwarded-User")
    return text


def allowance(text: str) -> Allowance:
    """
    `CIDR`, or `CIDR@account`; an operator's own subscriptions have the account `*`.

    >>> str(allowance("10.0.0.0/8@account-1"))
    '10.0.0.0/8@account-1'
    """
    cidr, at, account_id = text.partition("@")
    if not at:
        return Allowance(network(cidr))
    if not 1 <= len(account_id.encode(errors="replace")) <= MAX_ACCOUNT_BYTES or not account_id.isprintable():
        raise ValueError(f"must name an account of 1 to {MAX_ACCOUNT_BYTES} bytes behind the @, as in 10.0.0.0/8@a1")
    return Allowance(network(cidr), account_id)


def to_all(allowances: Iterable[Allowance]) -> tuple[Network, ...]:
    """Those that are allowed to every account."""
    return tuple(one.network for one in allowances if one.account_id is None)


def to_some(allowances: Iterable[Allowance]) -> Mapping[str, tuple[Network, ...]]:
    """The others, by account."""
    some: dict[str, tuple[Network, ...]] = {}
    for one in allowances:
        if one.account_id is not None:
            some[one.account_id] = (*some.get(one.account_id, ()), one.network)
    return some


def proxy(text: str) -> Proxy:
    """`http://host:port`, or `http://user:password@host:port` (percent-encoded where they hold `@`, `/` or `:`)."""
    match = _PROXY.fullmatch(text)
    if match is None:
        raise ValueError("must be http://host:port or http://user:password@host:port; TLS to the proxy is not built")
    try:
        host, port = address(match["address"])
    except ValueError:
        port = 0
    if port == 0:
        raise ValueError("must name the proxy's host and its port, IPv6 in brackets, as in http://proxy:3128")
    if match["user"] is None:
        return Proxy(host, port)
    user, colon, password = match["user"].partition(":")
    if not colon:
        raise ValueError("must have a colon between user and password, as in http://user:password@host:port")
    credentials = unquote_to_bytes(user) + b":" + unquote_to_bytes(password)  # RFC 7617
    return Proxy(host, port, "Basic " + b64encode(credentials).decode())
