from base64 import b64decode
from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay import networks
from relay.networks import Allowance, Proxy


def test_a_network_is_a_cidr_or_one_address() -> None:
    """Of either family."""
    assert ip_network("10.0.0.0/8") == networks.network("10.0.0.0/8")
    assert ip_network("fd00::1/128") == networks.network("fd00::1")


@pytest.mark.parametrize("text", ["", "10.0.0.1/8", "10/8", "localhost", "10.0.0.0/33", "10.0.0.0/8 "])
@pytest.mark.parametrize("account", ["", "@a"])
def test_a_network_with_host_bits_is_refused(text: str, account: str) -> None:
    """It says two things at once: one address, and a whole network."""
    with pytest.raises(ValueError, match="must be a CIDR without host bits"):
        networks.allowance(text + account)


def test_a_proxy_names_its_users_in_a_header_that_means_nothing_else() -> None:
    """Or whatever comes in it would be read twice."""
    assert "X-Forwarded-User" == networks.user_header("X-Forwarded-User")

    for text in ("", "X User", "x:", "-x", "é", "x" * 65, "Cookie", "authorization", "X-Forwarded-For"):
        with pytest.raises(ValueError, match="means nothing else"):
            networks.user_header(text)


@pytest.mark.parametrize("account", ["account-1", "*", "a@b", "münchen", "x" * 256])
def test_a_network_may_be_for_one_account(account: str) -> None:
    """Whatever is behind the first @ is its id; `*` is the operator's own, as in a subscription."""
    read = networks.allowance(f"10.0.0.0/8@{account}")

    assert Allowance(ip_network("10.0.0.0/8"), account) == read
    assert f"10.0.0.0/8@{account}" == str(read)


@pytest.mark.parametrize("account", ["", "x" * 257, "a\nb", "\ud800"])
def test_a_network_for_no_account_is_refused(account: str) -> None:
    """To take it would allow the network to nobody, or to everybody."""
    with pytest.raises(ValueError, match="must name an account"):
        networks.allowance(f"10.0.0.0/8@{account}")


def test_networks_are_for_all_or_by_account() -> None:
    """An account may have several."""
    ten, eleven, twelve = (ip_network(f"{first}.0.0.0/8") for first in (10, 11, 12))
    given = [Allowance(ten), Allowance(eleven, "a"), Allowance(twelve, "a"), Allowance(eleven, "b")]

    assert (ten,) == networks.to_all(given)
    assert {"a": (eleven, twelve), "b": (eleven,)} == networks.to_some(given)


@pytest.mark.parametrize(
    ("text", "proxy"),
    [
        ("http://proxy:3128", Proxy("proxy", 3128)),
        ("http://proxy.example.com:3128/", Proxy("proxy.example.com", 3128)),
        ("http://10.0.0.1:80", Proxy("10.0.0.1", 80)),
        ("http://[fd00::1]:3128", Proxy("fd00::1", 3128)),
    ],
)
def test_a_proxy_has_a_host_and_a_port(text: str, proxy: Proxy) -> None:
    """The port is said: there is no usual one."""
    assert proxy == networks.proxy(text)


@given(st.text(min_size=1).filter(lambda user: ":" not in user), st.text())
def test_a_proxy_may_want_a_user_and_a_password(user: str, password: str) -> None:
    """Any, percent-encoded (RFC 3986), and sent as RFC 7617 has it; in no repr."""
    raw = [text.encode(errors="replace") for text in (user, password)]
    encoded = ["".join(f"%{byte:02X}" for byte in text) for text in raw]
    if not all(len(text) < 500 for text in encoded):
        return

    proxy = networks.proxy(f"http://{encoded[0]}:{encoded[1]}@proxy:3128")

    assert proxy.authorization is not None
    assert b":".join(raw) == b64decode(proxy.authorization.removeprefix("Basic "))
    assert proxy.authorization not in repr(proxy)


@pytest.mark.parametrize(
    "text",
    [
        "proxy:3128",
        "proxy",
        "https://user:hunter2@proxy:3128",
        "socks5://user:hunter2@proxy:3128",
        "http://user:hunter2@proxy",
        "http://user:hunter2@proxy:0",
        "http://user:hunter2@proxy:65536",
        "http://hunter2@proxy:3128",
        "http://user:hunter2@proxy:3128/path",
        "http://user:hunter2@proxy:3128?x",
        "http://user:hunter2@proxy:3128 ",
        "http://user:hun\nter2@proxy:3128",
        "http://:3128",
    ],
)
def test_what_is_no_proxy_is_refused_without_a_word_of_it(text: str) -> None:
    """It may hold a password."""
    with pytest.raises(ValueError, match="must") as refused:
        networks.proxy(text)

    assert "hunter2" not in str(refused.value)
    assert "hun\n" not in str(refused.value)
