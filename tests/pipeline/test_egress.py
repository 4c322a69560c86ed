from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.pipeline.egress import Egress, Network

PUBLIC = ["1.1.1.1", "8.8.8.8", "93.184.215.14", "100.63.255.255", "100.128.0.0", "172.15.255.255", "172.32.0.0"]
PUBLIC += ["9.255.255.255", "11.0.0.0", "126.255.255.255", "128.0.0.0", "168.63.129.15", "192.0.1.0", "192.169.0.0"]
PUBLIC += ["198.17.255.255", "198.20.0.0", "223.255.255.255", "2606:4700:4700::1111", "2a00:1450:4001::200e"]
PUBLIC += ["2001:200::1", "2001:db7:ffff::", "2001:db9::", "2003::1", "3ffe:ffff::1", "3fff:1000::1"]
BLOCKS = {
    "0.0.0.0/8": "RFC 791",
    "10.0.0.0/8": "RFC 1918",
    "100.64.0.0/10": "RFC 6598",
    "127.0.0.0/8": "loopback",
    "168.63.129.16/32": "Azure",
    "169.254.0.0/16": "link-local",
    "172.16.0.0/12": "RFC 1918",
    "192.0.0.0/24": "RFC 6890",
    "192.0.2.0/24": "documentation",
    "192.88.99.0/24": "6to4",
    "192.168.0.0/16": "RFC 1918",
    "198.18.0.0/15": "benchmarking",
    "198.51.100.0/24": "documentation",
    "203.0.113.0/24": "documentation",
    "224.0.0.0/4": "multicast",
    "240.0.0.0/5": "reserved",
    "255.255.255.255/32": "broadcast",
    "::/128": "unspecified",
    "::1/128": "loopback",
    "::127.0.0.0/104": "IPv4-compatible",
    "::8.8.8.0/120": "IPv4-compatible",
    "::ffff:0:0:0/96": "outside global unicast",
    "::ffff:10.0.0.0/104": "RFC 1918",
    "64:ff9b::a9fe:0/112": "link-local",
    "64:ff9b:1::/48": "RFC 8215",
    "100::/64": "discard",
    "100:0:0:1::/64": "dummy",
    "2001::/32": "Teredo",
    "2001:2::/48": "benchmarking",
    "2001:20::/28": "RFC 2928",
    "2001:db8::/32": "documentation",
    "2002::/16": "6to4",
    "3fff::/20": "documentation",
    "4000::/2": "outside global unicast",
    "5f00::/16": "segment routing",
    "8000::/2": "outside global unicast",
    "fc00::/7": "unique local",
    "fd00:ec2::254/128": "unique local",
    "fe80::/10": "link-local",
    "fec0::/10": "site-local",
    "ff00::/8": "multicast",
}
DENIED = [ip_network(block) for block in BLOCKS]
NOTHING_ALLOWED = Egress()


def an_egress(*allowed: str, own: frozenset[tuple[str, int]] = frozenset()) -> Egress:
    return Egress(allowed=[ip_network(one) for one in allowed], own=own)


def within(network: Network) -> st.SearchStrategy[str]:
    return st.ip_addresses(network=network).map(str)


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_may_be_called(address: str) -> None:
    """Up to the very edges of what is not public, and by its IPv4-mapped and NAT64 forms."""
    forms = [address] if ":" in address else [address, f"::ffff:{address}", f"64:ff9b::{address}"]

    assert [None] * len(forms) == [NOTHING_ALLOWED.refusal(form, 443) for form in forms]


@pytest.mark.parametrize(("block", "why"), BLOCKS.items())
def test_what_is_not_public_is_refused_with_its_block(block: str, why: str) -> None:
    """At both ends of each, with the reason that sends the operator to the right document and to the right switch."""
    network = ip_network(block)

    for address in (network.network_address, network.broadcast_address):
        refusal = NOTHING_ALLOWED.refusal(str(address), 443) or ""

        assert why in refusal
        assert "RELAY_ALLOW_NETWORKS" in refusal
        assert str(address) not in refusal.split()


@given(st.sampled_from(DENIED).flatmap(within), st.integers(0, 65_535))
def test_no_address_of_such_a_block_is_called(address: str, port: int) -> None:
    """Alone, or among the answers of a name."""
    assert NOTHING_ALLOWED.refusal(address, port)
    assert NOTHING_ALLOWED.refusal_of_name("hooks.example.com", ["8.8.8.8", address], port)
    assert NOTHING_ALLOWED.refusal_of_name("hooks.example.com", [address, "8.8.8.8"], port)


@given(st.ip_addresses(), st.integers(1, 65_535))
def test_what_python_knows_not_to_be_public_is_not_called(address: IPv4Address | IPv6Address, port: int) -> None:
    """We refuse more than `ipaddress` on any version, and never less."""
    if NOTHING_ALLOWED.refusal(str(address), port) is None:
        carried = isinstance(address, IPv6Address) and address in IPv6Network("64:ff9b::/96")
        meant = IPv4Address(int(address) & 0xFFFF_FFFF) if carried else address
        meant = getattr(meant, "ipv4_mapped", None) or meant
        assert meant.is_global
        assert not meant.is_multicast
        assert not meant.is_reserved


@given(st.ip_addresses(v=4))
def test_an_ipv4_address_is_judged_the_same_inside_an_ipv6_one(address: IPv4Address) -> None:
    """Mapped, the operating system calls it; behind NAT64, a translator does."""
    egress = an_egress("10.0.0.0/8", "192.168.1.0/24", own=frozenset({("10.1.1.1", 9092)}))

    judged = egress.refusal(str(address), 9092)

    assert judged == egress.refusal(f"::ffff:{address}", 9092)
    assert judged == egress.refusal(f"64:ff9b::{address}", 9092)


@given(st.text(), st.lists(st.text(max_size=20), max_size=3), st.integers())
def test_any_text_has_an_answer(text: str, addresses: list[str], port: int) -> None:
    """Nothing that a URL or a name server says is raised."""
    egress = an_egress("10.0.0.0/8", own=frozenset({(text, port)}))

    egress.refusal(text, port)
    egress.refusal_of_name(text, addresses, port)
    assert egress.refusal_of_name(text, [text], port)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "localhost",
        "8.8.8",
        "2130706433",
        "0x7f.1",
        "0177.0.0.1",
        "127.1",
        "８.8.8.8",
        "[::1]",
        "8.8.8.8 ",
        "8.8.8.8%eth0",
        "fe80::1%",
    ],
)
def test_what_is_no_address_is_refused(text: str) -> None:
    """Whoever hands it on would make an address of it, and not the one that we would."""
    assert "it is no IP address" == an_egress("0.0.0.0/0", "::/0").refusal(text, 443)


@pytest.mark.parametrize("zone", ["%eth0", "%1", "%25eth0"])
def test_a_zone_changes_nothing(zone: str) -> None:
    """It says by which interface, not where."""
    assert "link-local" in (NOTHING_ALLOWED.refusal(f"fe80::1{zone}", 443) or "")
    assert NOTHING_ALLOWED.refusal(f"::1{zone}", 443)
    assert None is an_egress("fe80::/10").refusal(f"fe80::1{zone}", 443)
    assert an_egress("fe80::/10", own=frozenset({("fe80::1", 443)})).refusal(f"fe80::1{zone}", 443)


@given(st.sampled_from(DENIED).flatmap(lambda block: st.tuples(st.just(block), within(block))))
def test_the_operator_may_allow_what_is_not_public(chosen: tuple[Network, str]) -> None:
    """Any of it: who runs relay knows their network."""
    block, address = chosen

    assert None is Egress(allowed=[block]).refusal(address, 443)


def test_an_allowed_network_allows_nothing_beside_it() -> None:
    """One exception does not switch the guard off."""
    egress = an_egress("10.1.0.0/16", "fd00:1::/32")

    assert None is egress.refusal("10.1.255.255", 443)
    assert None is egress.refusal("fd00:1::1", 443)
    assert egress.refusal("10.2.0.0", 443)
    assert egress.refusal("fd00:2::1", 443)
    assert egress.refusal("169.254.169.254", 443)


def test_all_of_ipv6_is_not_ipv4() -> None:
    """An IPv4-mapped address is IPv4 on the wire, so `::/0` does not open the loopback of IPv4."""
    assert an_egress("::/0").refusal("::ffff:127.0.0.1", 443)
    assert None is an_egress("::ffff:10.0.0.0/104").refusal("10.0.0.1", 443)
    assert None is an_egress("::ffff:10.0.0.0/104").refusal("::ffff:10.0.0.1", 443)


@pytest.mark.parametrize("address", ["10.0.0.5", "::ffff:10.0.0.5", "::ffff:a00:5", "64:ff9b::a00:5"])
def test_our_own_brokers_are_never_called(address: str) -> None:
    """Whatever is allowed, and in whatever form; another port of theirs is another service."""
    egress = an_egress("0.0.0.0/0", "::/0", own=frozenset({("10.0.0.5", 9092)}))

    assert "never called" in (egress.refusal(address, 9092) or "")
    assert "never called" in (egress.refusal_of_name("hooks.example.com", ["8.8.8.8", address], 9092) or "")
    assert None is egress.refusal(address, 9093)


@pytest.mark.parametrize("listener", ["0.0.0.0", "::", "[::]", "127.0.0.1", "::1", "::ffff:127.0.0.1", "localhost"])
@pytest.mark.parametrize("address", ["127.0.0.1", "127.9.9.9", "0.0.0.0", "::", "::1", "::ffff:127.0.0.1", "::%lo"])
def test_our_own_listener_is_not_called_by_way_of_loopback(listener: str, address: str) -> None:
    """By none of the addresses that lead back to this machine."""
    egress = an_egress("0.0.0.0/0", "::/0", own=frozenset({(listener, 9464)}))

    assert "never called" in (egress.refusal(address, 9464) or "")
    assert None is egress.refusal(address, 9465)
    assert None is egress.refusal("10.0.0.5", 9464)


@pytest.mark.parametrize("name", ["kafka-1.example.com", "KAFKA-1.example.com.", "kafka-1.EXAMPLE.com"])
def test_a_broker_is_not_called_by_its_name(name: str) -> None:
    """However it is spelled."""
    egress = an_egress("10.0.0.0/8", own=frozenset({("Kafka-1.example.com", 9092)}))

    assert "never called" in (egress.refusal_of_name(name, ["10.0.0.5"], 9092) or "")
    assert None is egress.refusal_of_name(name, ["10.0.0.5"], 9093)


@pytest.mark.parametrize(
    "name",
    [
        "receiver",
        "receiver.",
        "localhost",
        "a.localhost",
        "printer.local",
        "hooks.default.svc.cluster.local",
        "",
        "metadata.google.internal",
        "METADATA.Google.Internal.",
        "nas.home.arpa",
        "a.lan",
        "a.corp",
        "0x7f000001",
    ],
)
def test_a_local_name_is_called_only_inside_allowed_networks(name: str) -> None:
    """One address outside them, public or not, refuses it: a search domain may make anything of a name without dots."""
    egress = an_egress("10.0.0.0/8")

    assert None is egress.refusal_of_name(name, ["10.0.0.5", "::ffff:10.0.0.6"], 443)
    assert "its name is local" in (egress.refusal_of_name(name, ["10.0.0.5", "8.8.8.8"], 443) or "")
    assert "its name is local" in (egress.refusal_of_name(name, ["8.8.8.8"], 443) or "")
    assert "not public" in (egress.refusal_of_name(name, ["10.0.0.5", "192.168.0.1"], 443) or "")


@pytest.mark.parametrize("name", ["example.com", "example.com.", "mylocal.example.com", "notlocal.net", "local.dev"])
def test_a_public_name_is_called_where_each_of_its_addresses_may_be(name: str) -> None:
    """Public ones and allowed ones may mix; one refused refuses all, for the client would fall back to the next."""
    egress = an_egress("10.0.0.0/8")

    assert None is egress.refusal_of_name(name, ["8.8.8.8", "2606:4700::1"], 443)
    assert None is egress.refusal_of_name(name, ["8.8.8.8", "10.0.0.5"], 443)
    assert egress.refusal_of_name(name, ["8.8.8.8", "192.168.0.1"], 443)
    assert egress.refusal_of_name(name, ["8.8.8.8", "garbage"], 443)
    assert "it resolves to no address" == egress.refusal_of_name(name, [], 443)


@pytest.mark.parametrize("host", ["8.8.8.8", "2606:4700::1", "[2606:4700::1]"])
def test_an_address_in_a_url_is_no_local_name(host: str) -> None:
    """IPv6 has no dots."""
    assert None is NOTHING_ALLOWED.refusal_of_name(host, [host.strip("[]")], 443)
    assert NOTHING_ALLOWED.refusal_of_name("::1", ["::1"], 443)


@given(st.ip_addresses(v=4), st.integers(0, 32))
def test_an_allowed_network_of_ipv4_covers_the_mapped_form(address: IPv4Address, prefix: int) -> None:
    """Whatever its size."""
    allowed = IPv4Network((int(address), prefix), strict=False)

    assert None is Egress(allowed=[allowed]).refusal(f"::ffff:{address}", 443)
