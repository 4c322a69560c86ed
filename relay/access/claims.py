"""
Who a request says that it is from. Pure: whether that is so is asked elsewhere.

Anybody can send any header. What a proxy says of a user, and of whom it speaks for, counts only where the connection
comes from RELAY_TRUSTED_PROXIES; from everywhere else it is not so much as looked at.
"""

import ipaddress
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from relay.access.values import MARK
from relay.networks import Network

# No Domain and only over TLS, or the browser refuses it (RFC 6265bis, section 4.1.3.2): no other host of the same site
# can put one there. Browsers take http://127.0.0.1 for as good as TLS (Chromium 156).
COOKIE = "__Host-relay"
MAX_USER_CHARACTERS = 200  # of a name that a proxy gives; an e-mail address has at most 254, and mostly 30
MAX_COOKIE_CHARACTERS = 512  # ours has some 120
MAX_HOPS = 20  # of X-Forwarded-For that are looked at, from our end; nobody stands behind more proxies
# `address:port` and `[address]:port`, as gateways of Azure and others write; an IPv6 address alone has more colons.
_WITH_PORT = re.compile(r"(?:\[(?P<v6>[^\]]*)\]|(?P<v4>[^:\[\]]*))(?::[0-9]{1,5})?")
_V6_PREFIX = 64  # of one customer's: counting single addresses of IPv6 counts nothing

Values = Callable[[str], Sequence[str]]
"""Every value of a header, by its name."""


@dataclass(frozen=True, slots=True)
class Bearer:
    """`Authorization: Bearer …` (RFC 6750): a program's."""

    token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Cookie:
    """The cookie of a session: a browser's, which sends it along whoever asks."""

    value: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Proxied:
    """A proxy that we trust has let this user in; also sent along with whatever a browser sends."""

    user: str


@dataclass(frozen=True, slots=True)
class Nobody:
    """It does not say."""


@dataclass(frozen=True, slots=True)
class Garbled:
    """It says what cannot be; `status` is the answer's."""

    status: int
    why: str


Claim = Bearer | Cookie | Proxied | Nobody | Garbled


def claim(values: Values, *, user_header: str | None) -> Claim:
    """
    The one claim that counts; a token before a proxy's word, that before a cookie.

    Args:
        values: Of its headers.
        user_header: Where a proxy names the user; None: it is from none that we trust.
    """
    authorization = values("Authorization")
    users = [one for one in values(user_header) if one] if user_header else []
    if len(authorization) > 1:
        return Garbled(400, "there is more than one Authorization header")
    if len(users) > 1:
        return Garbled(400, f"there is more than one {user_header} header")
    scheme, _, token = (authorization[0] if authorization else "").partition(" ")
    if scheme.lower() == "bearer" and token.strip().startswith(MARK):
        return Bearer(token.strip())
    if users:
        user = users[0].strip()
        named = 1 <= len(user) <= MAX_USER_CHARACTERS and user.isprintable()
        return Proxied(user) if named else Garbled(400, f"{user_header} names nobody")
    if authorization:  # of the proxy's own affairs, where it named a user above
        return Garbled(401, "Authorization must be `Bearer` and a token of relay's")
    return _cookie(values("Cookie"))


def _cookie(headers: Sequence[str]) -> Cookie | Nobody:
    pairs = [one.strip().partition("=") for header in headers for one in header.split(";")]
    found = [value for name, _, value in pairs if name == COOKIE]
    if len(found) == 1 and len(found[0]) <= MAX_COOKIE_CHARACTERS:
        return Cookie(found[0])
    return Nobody()


def is_trusted(address: str | None, proxies: Iterable[Network]) -> bool:
    """Whether a connection from there is a proxy's that we trust; None: it has no address."""
    ip = _ip(address or "")
    return ip is not None and any(ip in network for network in proxies)


def counted_as(peer: str | None, forwarded_for: Sequence[str], proxies: Sequence[Network]) -> str:
    """
    The address that tries are counted by: the peer's; behind proxies that we trust, the last that they name and do not
    stand for themselves. Of IPv6 its /64. Never raises.

    Args:
        peer: Where the connection comes from.
        forwarded_for: Each value of `X-Forwarded-For`.
        proxies: RELAY_TRUSTED_PROXIES.
    """
    hops = [one.strip() for value in forwarded_for for one in value.split(",")][-MAX_HOPS:]
    address = _ip(peer or "")
    while hops and address is not None and any(address in network for network in proxies):
        said = _ip(hops.pop())
        if said is None:
            break
        address = said
    if isinstance(address, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((address, _V6_PREFIX), strict=False))
    return str(address) if address else "nowhere"


def _ip(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """An address, without the port and zone that some write behind it; one of IPv4 in IPv6's clothes is of IPv4."""
    written = _WITH_PORT.fullmatch(text)
    bare = (written["v6"] or written["v4"] or "") if written else text
    try:
        address = ipaddress.ip_address(bare.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address
