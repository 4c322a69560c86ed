"""
Whether a request that changes something was sent by one of our own pages. Pure.

Browsers send cookies along with what any page makes them send. They also say where it came from, in headers that no
page can write: `Sec-Fetch-Site` (Fetch Metadata), and where that is missing, `Origin` (RFC 6454). So no page needs a
token hidden in its forms. As Go's http.CrossOriginProtection has it, but that what says nothing at all is refused
where it comes with a cookie: every browser of today says one of the two.
"""

from collections.abc import Sequence
from urllib.parse import urlsplit

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})  # those that change nothing (RFC 9110, section 9.2.1)
_OURS = {"same-origin", "none"}  # `none`: whoever sits there typed it, or opened a bookmark
_DEFAULT_PORTS = {"http": 80, "https": 443}


def foreign(fetch_site: Sequence[str], origin: Sequence[str], host: str) -> str | None:
    """
    Why it is not taken for our own page's; None: it is.

    Args:
        fetch_site: Each value of `Sec-Fetch-Site`.
        origin: Each of `Origin`.
        host: The value of `Host`.
    """
    if len(fetch_site) > 1 or len(origin) > 1:
        return "Sec-Fetch-Site or Origin is there more than once"
    if fetch_site:
        return None if fetch_site[0] in _OURS else "another site's page sent it (Sec-Fetch-Site)"
    if origin:
        return None if _is_of(origin[0], host) else "another site's page sent it (Origin)"
    return "neither Sec-Fetch-Site nor Origin says which page sent it"


def _is_of(origin: str, host: str) -> bool:
    """Whoever ends TLS before us may speak plain HTTP to us, so that the scheme is not compared."""
    try:
        ours, theirs = urlsplit(f"//{host}"), urlsplit(origin)
        default = _DEFAULT_PORTS.get(theirs.scheme)
        return (
            bool(theirs.hostname)
            and default is not None
            and theirs.hostname == ours.hostname
            and (theirs.port or default) == (ours.port or default)
        )
    except ValueError:  # brackets or a port that are none
        return False
