"""Whether one of our own pages sent a request."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.access.origin import foreign

HOST = "relay.example"


@pytest.mark.parametrize("site", ["same-origin", "none"])
def test_what_a_browser_says_is_ours_is_ours(site: str) -> None:
    """Whatever proxies have made of the name that it asked for."""
    assert foreign([site], ["https://relay.example"], "10.0.0.7:8080") is None


@pytest.mark.parametrize("site", ["cross-site", "same-site", "", "Same-Origin", "same-origin, cross-site", "x" * 9_999])
def test_what_a_browser_says_is_not_ours_is_not(site: str) -> None:
    """Another host of the same site neither: customers may have theirs there. Origin does not mend it."""
    assert "Sec-Fetch-Site" in str(foreign([site], ["https://relay.example"], HOST))


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("https://relay.example", "relay.example"),
        ("https://relay.example", "relay.example:443"),
        ("http://relay.example", "relay.example:80"),
        ("https://RELAY.example:8443", "relay.EXAMPLE:8443"),
        ("http://127.0.0.1:8080", "127.0.0.1:8080"),
        ("http://[::1]:8080", "[::1]:8080"),
    ],
)
def test_without_that_the_origin_must_be_the_host_that_was_asked(origin: str, host: str) -> None:
    """TLS may have ended before us, so that the scheme may differ."""
    assert foreign([], [origin], host) is None


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("null", HOST),
        ("", HOST),
        ("", ""),
        ("https://evil.example", HOST),
        ("https://relay.example.evil.example", HOST),
        ("https://relay.example:8443", HOST),
        ("https://relay.example", "relay.example:8080"),
        ("https://evil.example@relay.example:x", HOST),
        ("ftp://relay.example", HOST),
        ("https://relay.example", ""),
        ("https://[::1", "[::1"),
        ("https://relay.example:99999", "relay.example:99999"),
        ("//relay.example", HOST),
        ("relay.example", HOST),
    ],
)
def test_any_other_origin_is_another_sites(origin: str, host: str) -> None:
    """Also one that is none, and one that is as unreadable as the host."""
    assert "Origin" in str(foreign([], [origin], host))


def test_what_says_nothing_is_not_taken_for_ours() -> None:
    """Every browser says one of the two; nor what says two things at once."""
    assert foreign([], [], HOST)
    assert foreign(["same-origin", "same-origin"], [], HOST)
    assert foreign(["same-origin"], ["https://relay.example", "https://evil.example"], HOST)


@given(st.lists(st.text(max_size=30), max_size=2), st.lists(st.text(max_size=30), max_size=2), st.text(max_size=30))
def test_whatever_arrives_has_a_verdict(sites: list[str], origins: list[str], host: str) -> None:
    """Never an error; and nothing made up is ours."""
    assert foreign(sites, origins, host) is not None or sites in (["same-origin"], ["none"]) or origins
