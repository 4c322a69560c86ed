"""Who a request says that it is from."""

from collections.abc import Callable, Sequence
from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.access.claims import COOKIE, Bearer, Claim, Cookie, Garbled, Nobody, Proxied, claim, counted_as, is_trusted

TOKEN = "rly_" + "a" * 43
USER = "X-Forwarded-User"
PROXIES = (ip_network("10.0.0.0/8"), ip_network("fd00::/8"))


def values(*headers: tuple[str, str]) -> Callable[[str], Sequence[str]]:
    return lambda wanted: [value for name, value in headers if name.lower() == wanted.lower()]


def claimed(*headers: tuple[str, str], trusted: bool = False) -> Claim:
    return claim(values(*headers), user_header=USER if trusted else None)


AUTHORIZATION = ("Authorization", f"Bearer {TOKEN}")
SESSION = ("Cookie", f"theme=dark; {COOKIE}=c2Vzc2lvbg; other=x")
ALICE = (USER, "alice@example.com")


@pytest.mark.parametrize(
    ("headers", "direct", "proxied"),
    [
        ([], Nobody(), Nobody()),
        ([AUTHORIZATION], Bearer(TOKEN), Bearer(TOKEN)),
        ([("Authorization", f"bearer  {TOKEN} ")], Bearer(TOKEN), Bearer(TOKEN)),
        ([SESSION], Cookie("c2Vzc2lvbg"), Cookie("c2Vzc2lvbg")),
        ([ALICE], Nobody(), Proxied("alice@example.com")),
        ([(USER, "Zoë Müller")], Nobody(), Proxied("Zoë Müller")),
        ([(USER, "")], Nobody(), Nobody()),
        ([SESSION, ALICE], Cookie("c2Vzc2lvbg"), Proxied("alice@example.com")),
        ([AUTHORIZATION, SESSION, ALICE], Bearer(TOKEN), Bearer(TOKEN)),
    ],
)
def test_one_claim_counts(headers: list[tuple[str, str]], direct: Claim, proxied: Claim) -> None:
    """A token before a proxy's word, that before a cookie; and no proxy's word but of one that we trust."""
    assert direct == claimed(*headers)
    assert proxied == claimed(*headers, trusted=True)


@pytest.mark.parametrize("value", ["Basic YTpi", "Bearer", "Bearer ", "Bearer eyJhbGciOi.a.b", TOKEN, "", "Bearer\t"])
def test_an_authorization_that_is_none_of_ours_is_refused_unless_a_proxy_names_the_user(value: str) -> None:
    """A proxy may pass on what it was shown itself; nobody else falls back to their cookie unnoticed."""
    other = ("Authorization", value)

    for said in (claimed(other), claimed(other, SESSION), claimed(other, ALICE), claimed(other, trusted=True)):
        assert isinstance(said, Garbled)
        assert 401 == said.status
    assert Proxied("alice@example.com") == claimed(other, ALICE, trusted=True)


def test_what_says_two_things_is_refused() -> None:
    """Whoever is before us may have read the other."""
    for said in (claimed(AUTHORIZATION, AUTHORIZATION), claimed(ALICE, (USER, "bob"), trusted=True)):
        assert isinstance(said, Garbled)
        assert 400 == said.status
    assert Nobody() == claimed(("Cookie", f"{COOKIE}=a; {COOKIE}=b"))
    assert Nobody() == claimed(("Cookie", f"{COOKIE}=a"), ("Cookie", f"{COOKIE}=b"))


@pytest.mark.parametrize("user", ["x" * 201, "a\x1b[31m", " ", "\udcff"])
def test_a_user_who_cannot_be_shown_is_refused(user: str) -> None:
    """Names stand in the audit, and on pages."""
    said = claimed((USER, user), trusted=True)

    assert isinstance(said, Garbled)
    assert 400 == said.status


@pytest.mark.parametrize(
    "cookie", ["", ";;;", f"{COOKIE}={'x' * 513}", f"x{COOKIE}=a", f"{COOKIE.lower()}=a", "=" * 8_000]
)
def test_a_cookie_that_is_none_is_nobodys(cookie: str) -> None:
    """An overlong one is not looked at."""
    assert Nobody() == claimed(("Cookie", cookie))


@pytest.mark.parametrize(
    ("address", "trusted"),
    [
        *(("10.1.2.3", True), ("::ffff:10.1.2.3", True), ("fd00::1", True), ("fd00::1%eth0", True)),
        *(("11.1.2.3", False), ("::ffff:11.1.2.3", False), ("fe80::1", False), (None, False), ("", False)),
        *(("10.1.2.3.evil.example", False), ("10.1.2.3, 10.1.2.3", False)),
    ],
)
def test_a_proxy_is_trusted_by_where_it_connects_from(address: str | None, *, trusted: bool) -> None:
    """An address of IPv4 is one in IPv6's clothes too; without networks nobody is."""
    assert trusted is is_trusted(address, PROXIES)
    assert not is_trusted(address, ())


@pytest.mark.parametrize(
    ("peer", "forwarded", "counted"),
    [
        ("192.0.2.1", [], "192.0.2.1"),
        ("192.0.2.1", ["198.51.100.7"], "192.0.2.1"),
        ("10.0.0.1", ["198.51.100.7"], "198.51.100.7"),
        ("10.0.0.1", ["203.0.113.9, 198.51.100.7"], "198.51.100.7"),
        ("10.0.0.1", ["203.0.113.9", "198.51.100.7, 10.0.0.2"], "198.51.100.7"),
        ("10.0.0.1", ["203.0.113.9, unknown"], "10.0.0.1"),
        ("10.0.0.1", ["203.0.113.9, unknown, 10.0.0.2"], "10.0.0.2"),
        ("10.0.0.1", ["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("2001:db8:1:2:3:4:5:6", [], "2001:db8:1:2::/64"),
        ("fd00::1", ["2001:db8:1:2::9"], "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.1", [], "192.0.2.1"),
        (None, ["198.51.100.7"], "nowhere"),
        ("10.0.0.1", ["198.51.100.7:8001"], "198.51.100.7"),
        ("10.0.0.1", ["[2001:db8:1:2::9]:443, [fd00::2]"], "2001:db8:1:2::/64"),
        ("10.0.0.1", ["[198.51.100.7"], "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.7" + ", 10.0.0.2" * 19], "198.51.100.7"),
        ("10.0.0.1", ["198.51.100.7" + ", 10.0.0.2" * 20], "10.0.0.2"),
    ],
)
def test_tries_are_counted_by_the_last_address_that_is_no_proxy_of_ours(
    peer: str | None, forwarded: list[str], counted: str
) -> None:
    """Whoever is not behind one says nothing of where they are; what is left of it in the header is hearsay."""
    assert counted == counted_as(peer, forwarded, PROXIES)


@given(
    st.lists(st.tuples(st.sampled_from(["Authorization", "Cookie", USER]), st.text(max_size=60)), max_size=4),
    st.text(max_size=20),
    st.lists(st.text(max_size=40), max_size=3),
)
def test_whatever_arrives_has_a_verdict(headers: list[tuple[str, str]], peer: str, forwarded: list[str]) -> None:
    """Never an error."""
    for trusted in (False, True):
        assert isinstance(claimed(*headers, trusted=trusted), Claim)
    assert not isinstance(claimed(*headers), Proxied)
    assert counted_as(peer, forwarded, PROXIES)
