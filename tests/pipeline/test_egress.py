import json
import re
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from relay.errors import Invalid
from relay.networks import Network
from relay.pipeline.egress import Egress
from relay.urls import host, normalise

DENIED = [
    ip_network(block)
    for block in (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "168.63.129.16/32"),
        *("169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24"),
        *("192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4"),
        *("240.0.0.0/5", "255.255.255.255/32", "::/128", "::1/128", "::127.0.0.0/104"),
        *("::8.8.8.0/120", "::ffff:0:0:0/96", "::ffff:10.0.0.0/104", "64:ff9b::a9fe:0/112", "64:ff9b:1::/48"),
        *("100::/64", "100:0:0:1::/64", "2001::/32", "2001:2::/48", "2001:20::/28"),
        *("2001:db8::/32", "2002::/16", "3fff::/20", "4000::/2", "5f00::/16"),
        *("8000::/2", "fc00::/7", "fd00:ec2::254/128", "fe80::/10", "fec0::/10"),
        *("ff00::/8",),
    )
]
NOTHING_ALLOWED = Egress()
NO_ADDRESS = "it is no IP address"


def an_egress(*allowed: str, own: frozenset[tuple[str, int]] = frozenset()) -> Egress:
    return Egress(allowed=[ip_network(one) for one in allowed], own=own)


def within(network: Network) -> st.SearchStrategy[str]:
    return st.ip_addresses(network=network).map(str)


@dataclass(frozen=True)
class Row:
    """A line of egress.txt, under the heading of its section."""

    what: str
    verdict: str
    why: str
    port: int
    rules: Egress


SECTION = re.compile(r"\[(addresses|urls)(?: at port (\d+))?(?: with ([^\]]+?))?( and metadata)?\]")


def table(kind: str) -> list[Row]:
    """The rows of all sections of that kind."""
    rows: dict[str, list[Row]] = {"addresses": [], "urls": []}
    section, port, rules = "", 0, NOTHING_ALLOWED
    for line in (Path(__file__).parent / "egress.txt").read_text("utf-8").splitlines():
        if heading := SECTION.fullmatch(line):
            section, at, with_, metadata = heading.groups()
            allowed = [ip_network(one) for one in (with_ or "").split()]
            port, rules = int(at or 443), Egress(allow_http=True, allowed=allowed, allow_metadata=bool(metadata))
        elif line and not line.startswith("#"):
            what, verdict, why = [*re.split(r" {2,}", line.partition("     # ")[0]), ""][:3]
            rows[section].append(Row(what, verdict, why, port, rules))
    return rows[kind]


ADDRESSES = table("addresses")
URLS = [replace(row, what=json.loads(f'"{row.what}"')) for row in table("urls")]


def judged(url: str, rules: Egress) -> tuple[str, str]:
    """What becomes of a URL that somebody writes; a name resolves to a public address."""
    try:
        stored = normalise(url, allow_http=True)
    except Invalid as refused:
        return "unwritten", refused.problems[0].rule
    to, port = host(stored), URL(stored, encoded=True).port
    is_address = rules.refusal(to, 443) != NO_ADDRESS
    refusal = rules.refusal_of_name(to, [to if is_address else "8.8.8.8"], port or 0)
    if refusal is not None:
        return "uncalled", refusal
    return ("called", "") if stored == url else ("called as", stored)


@pytest.mark.parametrize("row", ADDRESSES, ids=lambda row: f"{row.what}:{row.port}")
def test_an_address_has_its_verdict(row: Row) -> None:
    """As the table has it; a reason sends the operator to the right document and switch, and names no address."""
    refusal = row.rules.refusal(row.what, row.port)

    assert row.verdict == ("called" if refusal is None else "refused")
    assert row.why in (refusal or "")
    assert row.what not in (refusal or "").split()
    if "not public" in (refusal or ""):
        assert "RELAY_ALLOW_NETWORKS" in (refusal or "")


@pytest.mark.parametrize("row", URLS, ids=lambda row: row.what)
def test_a_url_has_its_verdict(row: Row) -> None:
    """As the table has it: stored as written, in another spelling, refused when written, or refused at the call."""
    verdict, why = judged(row.what, row.rules)

    assert row.verdict == verdict
    assert why == row.why if verdict.startswith("called") else row.why in why


def test_the_table_is_long_and_says_nothing_twice() -> None:
    """Of the spellings that have been used to get round guards, and of IANA's registries, nothing was left out."""
    keys = [(row.what, row.port, id(row.rules)) for row in (*ADDRESSES, *URLS)]

    assert 250 < len(keys) == len(set(keys))


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
    assert NO_ADDRESS == an_egress("0.0.0.0/0", "::/0").refusal(text, 443)


@pytest.mark.parametrize("zone", ["%eth0", "%1", "%25eth0"])
def test_a_zone_changes_nothing(zone: str) -> None:
    """It says by which interface, not where."""
    assert "link-local" in (NOTHING_ALLOWED.refusal(f"fe80::1{zone}", 443) or "")
    assert NOTHING_ALLOWED.refusal(f"::1{zone}", 443)
    assert None is an_egress("fe80::/10").refusal(f"fe80::1{zone}", 443)
    assert an_egress("fe80::/10", own=frozenset({("fe80::1", 443)})).refusal(f"fe80::1{zone}", 443)


@given(st.sampled_from(DENIED).flatmap(lambda block: st.tuples(st.just(block), within(block))))
def test_the_operator_may_allow_what_is_not_public(chosen: tuple[Network, str]) -> None:
    """Any of it, with the second switch where it is a cloud's own: who runs relay knows their network."""
    block, address = chosen

    assert None is Egress(allowed=[block], allow_metadata=True).refusal(address, 443)


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


@pytest.mark.parametrize(
    "address", ["10.0.0.5", "::ffff:10.0.0.5", "::ffff:a00:5", "64:ff9b::a00:5", "64:ff9b:1::a00:5"]
)
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
    assert None is egress.refusal_of_name(name, ["8.8.8.8"] * 1000, 443)
    assert "more than 1000 addresses" in (egress.refusal_of_name(name, ["8.8.8.8"] * 1001, 443) or "")


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


def test_a_network_of_one_account_is_for_that_one() -> None:
    """Beside what is allowed to all; to all others it is as before, by rules that they share."""
    egress = Egress(allowed=[ip_network("10.1.0.0/16")], allowed_to={"a": [ip_network("10.2.0.0/16")]})

    assert [None, None] == [egress.of("a").refusal(address, 443) for address in ("10.1.0.1", "10.2.0.1")]
    assert None is egress.of("b").refusal("10.1.0.1", 443)
    assert egress.of("b").refusal("10.2.0.1", 443)
    assert egress.of("a").refusal("10.3.0.1", 443)
    assert egress.of("b") is egress.of("c") is egress.of("") is egress
    assert egress.of("a") is egress.of("a") is not egress


def test_the_other_rules_hold_for_an_account_with_networks_of_its_own_too() -> None:
    """What is allowed to it is not more than what could be allowed to all."""
    theirs = {"a": [ip_network("10.0.0.0/8"), ip_network("169.254.0.0/16")]}

    a = Egress(allowed_to=theirs, own=[("10.0.0.5", 9092)]).of("a")

    assert "never called" in (a.refusal("10.0.0.5", 9092) or "")
    assert "RELAY_ALLOW_METADATA" in (a.refusal("169.254.169.254", 443) or "")
    assert "smtp" in (a.refusal("10.0.0.1", 25) or "")
    assert frozenset({"https"}) == a.schemes
    assert None is Egress(allowed_to=theirs, allow_metadata=True).of("a").refusal("169.254.169.254", 443)


@pytest.mark.parametrize(
    ("host", "port", "why"),
    [
        ("hooks.example.com", 443, None),
        ("8.8.8.8", 443, None),
        ("10.0.0.1", 443, None),
        ("127.0.0.1", 443, "loopback"),
        ("169.254.169.254", 80, "metadata"),
        ("2002:7f00:1::", 443, "6to4"),
        ("localhost", 443, "its name is local"),
        ("receiver", 443, "its name is local"),
        ("metadata.google.internal", 80, "its name is local"),
        ("hooks.example.com", 25, "smtp"),
        ("proxy.example.com", 3128, "never called"),
        ("10.0.0.5", 9092, "never called"),
    ],
)
def test_behind_a_proxy_the_host_is_judged_by_what_it_is_called(host: str, port: int, why: str | None) -> None:
    """Literals, local names, ports and our own; what a public name resolves to is the proxy's to judge."""
    egress = an_egress("10.0.0.0/8", own=frozenset({("proxy.example.com", 3128), ("10.0.0.5", 9092)}))

    refusal = egress.refusal_unresolved(host, port)

    assert refusal is None if why is None else why in (refusal or "")


@given(st.text(), st.integers())
def test_any_host_has_an_answer_behind_a_proxy(host: str, port: int) -> None:
    """Nothing is raised."""
    NOTHING_ALLOWED.refusal_unresolved(host, port)
