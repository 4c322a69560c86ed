"""PLACEHOLDER until the real one lands."""
from yarl import URL
from relay.errors import Invalid, Problem

def normalise(url: str, *, allow_http: bool) -> str:
    try:
        u = URL(url)
    except ValueError as e:
        raise Invalid(Problem("url", str(e), url)) from e
    if u.scheme not in (("http", "https") if allow_http else ("https",)) or not u.host:
        raise Invalid(Problem("url", "must be http(s)", url))
    return str(u)

def masked(url: str) -> str:
    return str(URL(url).origin()) + "/…"

def host(url: str) -> str:
    return URL(url).host or ""
