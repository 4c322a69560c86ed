"""
A receiver's URL, in the one spelling that is stored, shown, signed and sent.

A URL that two parsers read differently is how a guard is passed. So it is parsed once, when it is written; everything
that leaves room for a second reading is refused rather than mended; and from then on it is used byte for byte, as
`yarl.URL(url, encoded=True)`. Which addresses may be called is not decided here but in `pipeline.egress`, at each call.
"""

import re
from ipaddress import AddressValueError, IPv4Address, IPv6Address

from yarl import URL

from relay import ports
from relay.errors import Invalid, Problem

MAX_CHARACTERS = 2048  # what browsers, proxies and databases have long agreed to carry
MAX_HOST_CHARACTERS = 253  # RFC 1035's 255 bytes, less the root's and the first label's length
MAX_PORT = 65_535

# White space and control characters split requests, browsers read a backslash as a slash, and yarl drops surrogates.
_UNREADABLE = re.compile(r"[\s\\\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_PARTS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://([^/?]*)((?:[/?].*)?)")
_AUTHORITY = re.compile(r"(\[[^\[\]]*\]|[^\[\]:]+)(?::([0-9]{0,5}))?")
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")  # with underscores: RFC 2181 has them, and so do some
_NUMERIC = re.compile(r"[0-9]+|0x[0-9a-f]*")  # a last label that getaddrinfo reads as (part of) an IPv4 address
_NO_HOST = "must have a host of letters, digits, hyphens and dots, at most 63 characters between dots"
_ORIGIN = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://(?:[\w.-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?(?=[/?#]|\Z)")


def normalise(url: str, *, allow_http: bool) -> str:
    """
    The spelling of `url` that everything after uses; normalising that once more changes nothing.

    Scheme and host are in lower case, the host in ASCII (IDNA) and without the root's dot, IPv6 compressed, a default
    port left out, dot segments resolved, path and query percent-encoded, and the path is at least `/`.

    Raises:
        Invalid: One problem of the field `url`, whose value shows the origin at most: paths and queries carry secrets.
    """
    try:
        return _normalised(url, ("https", "http") if allow_http else ("https",))
    except ValueError as rule:
        shown = "…" if "@" in url or "\\" in url else masked(url)  # what is before an @ may be a password
        raise Invalid(Problem("url", str(rule), shown)) from None


def webhook(text: str) -> str:
    """
    As `normalise`, of a setting: whether http:// is allowed is another one's.

    Raises:
        ValueError: The rule; it cites nothing of the URL.
    """
    try:
        return normalise(text, allow_http=True)
    except Invalid as error:
        raise ValueError(error.problems[0].rule) from None


def masked(url: str) -> str:
    """
    The origin and `/…`, to be shown where the path may not be. Never raises; what is no URL is `…`.

    >>> masked("https://example.com:8443/hooks/t0ken?key=1")
    'https://example.com:8443/…'
    """
    origin = _ORIGIN.match(url)
    return f"{origin[0]}/…" if origin else "…"


def host(url: str) -> str:
    """The host that a normalised URL calls: in ASCII, IPv6 without brackets. Never raises; garbage has none."""
    try:
        return URL(url, encoded=True).raw_host or ""
    except (ValueError, IndexError):  # the latter is yarl's on `[::1]@`
        return ""


def _normalised(url: str, schemes: tuple[str, ...]) -> str:
    scheme, written, port, rest = _read(url)
    if scheme not in schemes:
        hint = ": http:// needs RELAY_ALLOW_HTTP" if scheme == "http" else ""
        raise ValueError(f"must be a URL that begins with {' or '.join(f'{one}://' for one in schemes)}{hint}")
    if port is not None and not 1 <= port <= MAX_PORT:
        raise ValueError(f"must have a port from 1 to {MAX_PORT}")
    if port is not None and (refused := ports.refusal(port)) is not None:
        raise ValueError(f"must have another port: {refused}")
    called = _address(written) if written.startswith("[") else _name(written)
    origin = str(URL.build(scheme=scheme, host=called, port=port).origin())
    result = origin + URL(origin + rest).raw_path_qs
    if len(result) > MAX_CHARACTERS:
        raise ValueError(f"must have at most {MAX_CHARACTERS} characters once it is percent-encoded")
    return result


def _read(url: str) -> tuple[str, str, int | None, str]:
    """Scheme, host as written (brackets and all), port and the rest, where there is but one way to read them."""
    if not 1 <= len(url) <= MAX_CHARACTERS:
        raise ValueError(f"must have 1 to {MAX_CHARACTERS} characters")
    if _UNREADABLE.search(url):
        raise ValueError("must have no white space, control characters or backslashes: percent-encode them")
    if "#" in url:
        raise ValueError("must have no fragment: what follows a # is never sent")
    parts = _PARTS.fullmatch(url)
    if parts is None:
        raise ValueError("must be a whole URL, as in https://example.com/hooks")
    if "@" in parts[2]:
        raise ValueError("must have no user or password: send credentials in a header")
    authority = _AUTHORITY.fullmatch(parts[2])
    if authority is None:
        raise ValueError("must name a host, and a port if any as a number after one colon")
    return parts[1].lower(), authority[1], int(authority[2]) if authority[2] else None, parts[3]


def _address(written: str) -> str:
    """What stands in brackets, compressed and without them."""
    try:
        address = None if "%" in written else IPv6Address(written[1:-1])  # a zone is of one machine alone
    except AddressValueError:
        address = None
    if address is None:
        raise ValueError("must have an IPv6 address without a zone between the brackets")
    if address.ipv4_mapped is not None:  # nobody's receiver is called that, and Python 3.13 spells it otherwise
        raise ValueError("must have an IPv4 address in its plain form, not inside an IPv6 one")
    return str(address)


def _name(written: str) -> str:
    """A name in ASCII, or an IPv4 address."""
    try:
        name = (URL.build(scheme="https", host=written).raw_host or "").lower().removesuffix(".")
    except ValueError:
        raise ValueError(_NO_HOST) from None
    labels = name.split(".")
    if len(name) > MAX_HOST_CHARACTERS or not all(_LABEL.fullmatch(label) for label in labels):
        raise ValueError(_NO_HOST)
    if _NUMERIC.fullmatch(labels[-1]):
        try:
            if str(IPv4Address(written)) == name:  # as written: "１２７.0.0.1" becomes an address only on the way
                return name
        except AddressValueError:
            pass
        raise ValueError("must have an IPv4 address in its plain form: four numbers from 0 to 255, no leading zeros")
    return name
