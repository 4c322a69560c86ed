"""
Which addresses may be called, with the reason where one may not.

An address is called if the public internet routes to it, or if `RELAY_ALLOW_NETWORKS` has it; a cloud's metadata only
if `RELAY_ALLOW_METADATA` is set besides; and never if relay's own listener or brokers are there, nor at a port of
`relay.ports`. What is not public stands in a table of our own: `ipaddress.is_global` answers otherwise from one Python
to the next, and on none of them does it see the IPv4 address inside an IPv6 one.

Reasons name the block and not the address: they reach our log, and who reads that need not learn what a name resolves
to inside; its owner sees `blocked_address` alone.
"""

from collections.abc import Collection, Mapping, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from relay import ports
from relay.networks import Network

Address = IPv4Address | IPv6Address

# IANA's special-purpose address registries (RFC 6890) and the address space's own limits; the first that fits counts.
# What the registries carve out of a block as globally reachable (192.0.0.9, 2001:1::1, ...) are anycast services for
# routers, no receivers, and stays refused with its block.
_NOT_PUBLIC = tuple(
    (ip_network(block), why)
    for block, why in (
        ("0.0.0.0/8", "this network, RFC 791"),
        ("10.0.0.0/8", "private use, RFC 1918"),
        ("100.64.0.0/10", "shared address space, RFC 6598"),  # carriers' NAT
        ("127.0.0.0/8", "loopback, RFC 1122"),
        ("169.254.0.0/16", "link-local, RFC 3927"),
        ("172.16.0.0/12", "private use, RFC 1918"),
        ("192.0.0.0/24", "IETF protocol assignments, RFC 6890"),
        ("192.0.2.0/24", "documentation, RFC 5737"),
        ("192.88.99.0/24", "6to4 relay anycast, RFC 7526"),
        ("192.168.0.0/16", "private use, RFC 1918"),
        ("198.18.0.0/15", "benchmarking, RFC 2544"),
        ("198.51.100.0/24", "documentation, RFC 5737"),
        ("203.0.113.0/24", "documentation, RFC 5737"),
        ("224.0.0.0/4", "multicast, RFC 5771"),
        ("255.255.255.255/32", "limited broadcast, RFC 919"),
        ("240.0.0.0/4", "reserved, RFC 1112"),
        ("::/128", "unspecified, RFC 4291"),
        ("::1/128", "loopback, RFC 4291"),
        ("::/96", "IPv4-compatible, RFC 4291"),
        ("64:ff9b:1::/48", "local-use IPv4/IPv6 translation, RFC 8215"),
        ("100::/64", "discard-only, RFC 6666"),
        ("100:0:0:1::/64", "dummy prefix, RFC 9780"),
        ("2001::/32", "Teredo, RFC 4380"),
        ("2001:2::/48", "benchmarking, RFC 5180"),
        ("2001::/23", "IETF protocol assignments, RFC 2928"),
        ("2001:db8::/32", "documentation, RFC 3849"),
        ("2002::/16", "6to4, RFC 3056"),
        ("3fff::/20", "documentation, RFC 9637"),
        ("5f00::/16", "segment routing, RFC 9602"),
        ("fc00::/7", "unique local, RFC 4193"),
        ("fe80::/10", "link-local, RFC 4291"),
        ("fec0::/10", "site-local, RFC 3879"),
        ("ff00::/8", "multicast, RFC 4291"),
        # Global unicast is 2000::/3 (RFC 4291, section 2.4); this is all the rest.
        ("::/3", "outside global unicast, RFC 4291"),
        ("4000::/2", "outside global unicast, RFC 4291"),
        ("8000::/1", "outside global unicast, RFC 4291"),
    )
)
# Where a machine asks its cloud who it is, and gets credentials without showing any; each as the cloud's own guide has
# it, or cloud-init's page on it. They are single addresses inside networks that an operator may well allow, or public.
_METADATA = {
    ip_address(address): whose
    for address, whose in (
        ("169.254.169.254", "most clouds' instance metadata"),  # EC2, Google, Azure, Oracle, OpenStack, Hetzner, ...
        ("fd00:ec2::254", "EC2's instance metadata"),
        *(("169.254.170.2", "ECS's task credentials"), ("169.254.170.23", "EKS's pod identity")),
        ("fd00:ec2::23", "EKS's pod identity"),
        ("fd20:ce::254", "Google's instance metadata"),
        ("168.63.129.16", "Azure's platform service"),  # a public address that leads to the machine's host
        *(("100.100.100.200", "Alibaba's metadata"), ("fd00:100::100:200", "Alibaba's metadata")),
        *(("192.0.0.192", "Oracle's classic metadata"), ("fd00:c1::a9fe:a9fe", "Oracle's instance metadata")),
        ("169.254.0.23", "Tencent's instance metadata"),
        *(("169.254.42.42", "Scaleway's metadata"), ("fd00:42::42", "Scaleway's metadata")),
        ("fd00:a9fe:a9fe::1", "Akamai's instance metadata"),
        ("fe80::a9fe:a9fe", "OpenStack's instance metadata"),
    )
}
_MAPPED = IPv6Network("::ffff:0:0/96")  # RFC 4291: the operating system calls the IPv4 address in the last 32 bits
_NAT64 = IPv6Network("64:ff9b::/96")  # RFC 6052: a translator on the way does
_OWN_NAT64 = IPv6Network("64:ff9b:1::/48")  # RFC 8215: likewise, one of the operator's own network
_SIX_TO_FOUR = IPv6Network("2002::/16")  # RFC 3056: a gateway does
_HERE = tuple(ip_network(block) for block in ("127.0.0.0/8", "0.0.0.0/32", "::1/128", "::/128"))  # Linux: all loopback

# Names that mean something on one network alone. Whatever they resolve to, it is not a public receiver's name.
_LOCAL = (
    "localhost",  # RFC 6761
    "local",  # RFC 6762: multicast DNS, and the services of a Kubernetes cluster
    "internal",  # ICANN reserved it for private use in 2024; clouds have long used it, for metadata too
    *("home.arpa", "onion"),  # RFC 8375, RFC 7686
    *("corp", "home", "mail"),  # ICANN delegates them to nobody: too many private networks use them
    *("intranet", "lan", "localdomain", "private"),  # RFC 6762, appendix G: seen in use
)
MOST_ADDRESSES = 1_000  # of a name: each is judged, in 10 us or so, and a hostile answer holds 4,000
OWN = "relay's own listener or a broker: never called, whatever is allowed"


class Egress:
    """The rules on where requests go. A value: nothing is resolved here, and every question has the same answer."""

    def __init__(
        self,
        *,
        allow_http: bool = False,
        allowed: Sequence[Network] = (),
        allowed_to: Mapping[str, Sequence[Network]] = {},
        allow_metadata: bool = False,
        own: Collection[tuple[str, int]] = (),
    ) -> None:
        """
        Args:
            allow_http: Whether URLs without TLS may be called.
            allowed: May be called although not public. One of IPv4 covers the IPv4-mapped form of its addresses too.
            allowed_to: The same for one account alone; what `of` gives for it has them.
            allow_metadata: Whether what is allowed includes the metadata addresses in it.
            own: Host (a name or an address) and port of relay's own listeners and brokers. A listener on `0.0.0.0` or
                `::` is on every interface, whose addresses a value cannot know: loopback is covered, and for the
                others `everywhere` has its port. What a broker's name resolves to must be listed.
        """
        self.schemes = frozenset({"https", "http"} if allow_http else {"https"})
        self._allow_metadata = allow_metadata
        self._allowed = tuple(_unmapped(network) for network in allowed)
        self._of = {
            account_id: Egress(
                allow_http=allow_http, allowed=(*allowed, *theirs), allow_metadata=allow_metadata, own=own
            )
            for account_id, theirs in allowed_to.items()
        }
        own = [(_bare(host), port) for host, port in own]
        parsed = [(_address(host), port) for host, port in own]
        self._own_names = {one for one in own if _address(one[0]) is None}
        self._own_addresses = {(_meant(one), port) for one, port in parsed if one is not None}
        self._own_ports = {port for one, port in parsed if one is not None and _is_here(one)}
        self._own_ports |= {port for host, port in own if _is_under(host, "localhost")}
        # ports that are ours at every address of this machine; whoever connects knows which those are
        self.everywhere = frozenset(port for one, port in parsed if one is not None and one.is_unspecified)

    def of(self, account_id: str) -> "Egress":
        """The rules for one account's subscriptions; the very same for all accounts that have none of their own."""
        return self._of.get(account_id, self)

    def refusal(self, address: str, port: int) -> str | None:
        """Why this address may not be called at this port, or None if it may. Never raises: no address is a reason."""
        parsed = _address(address)
        if parsed is None:
            return "it is no IP address"
        meant = _meant(parsed)
        led_to = _led_to(parsed)
        if any((one, port) in self._own_addresses for one in led_to) or (_is_here(parsed) and port in self._own_ports):
            return OWN
        if (why := ports.refusal(port)) is not None:
            return why
        metadata = next((_METADATA[one] for one in led_to if one in _METADATA), None)
        if metadata and not self._allow_metadata:
            return f"its address is a cloud's own ({metadata}), and RELAY_ALLOW_METADATA is not set"
        if self._allows(parsed):
            return None
        reason = metadata or next((why for block, why in _NOT_PUBLIC if meant in block), None)
        return reason and f"its address is not public ({reason}) and not in RELAY_ALLOW_NETWORKS"

    def refusal_of_name(self, host: str, addresses: Sequence[str], port: int) -> str | None:
        """
        Why this host may not be called, or None if it may at every one of its addresses.

        One refused address refuses them all: the client would quietly try the next, and the answer of a name that is
        public today and private tomorrow is not to be trusted half. A name that is local or has no dot is refused too,
        unless all it resolves to is in the allowed networks. Never raises.

        Args:
            host: As in the URL: a name, or an address that then is its own only address.
            addresses: What it resolves to.
            port: Where it is to be called.
        """
        name = _bare(host)
        if (name, port) in self._own_names:
            return OWN
        if not addresses:
            return "it resolves to no address"
        if len(addresses) > MOST_ADDRESSES:
            return f"it resolves to more than {MOST_ADDRESSES} addresses"
        refused = next((why for one in addresses if (why := self.refusal(one, port)) is not None), None)
        if refused is not None:
            return refused
        if _is_local(name) and not all(self._allows(one) for one in map(_address, addresses)):
            return "its name is local, and not all of its addresses are in RELAY_ALLOW_NETWORKS"
        return None

    def refusal_unresolved(self, host: str, port: int) -> str | None:
        """
        Why a proxy may not be asked for this host, or None if it may: by the name, or the address that it is.

        What the name resolves to is the proxy's to find out and to judge; so a local name, which depends on just that,
        is refused. Never raises.
        """
        name = _bare(host)
        if (name, port) in self._own_names:
            return OWN
        if _address(name) is not None:
            return self.refusal(name, port)
        if _is_local(name):
            return "its name is local, and behind RELAY_EGRESS_PROXY its addresses are not known here"
        return ports.refusal(port)

    def _allows(self, address: Address | None) -> bool:
        """Either as what is called, or, for an address that is translated on the way, as what stands on the wire."""
        if address is None:
            return False
        forms = {_meant(address)} | (set() if address in _MAPPED else {address})
        return any(form in network for form in forms for network in self._allowed)


def _bare(host: str) -> str:
    return host.strip().strip("[]").lower().removesuffix(".")


def _address(text: str) -> Address | None:
    """The address without its zone, which says only how to reach it; None if it is none."""
    try:
        parsed = ip_address(text)
    except ValueError:
        return None
    return IPv6Address(int(parsed)) if isinstance(parsed, IPv6Address) else parsed


def _meant(address: Address) -> Address:
    """The IPv4 address that an IPv6 one carries, if it is of a kind that is called; else the address itself."""
    if address in _MAPPED or address in _NAT64:
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address


def _led_to(address: Address) -> tuple[Address, ...]:
    """What is meant, and what a translator makes of it that no rule above knows: one that an operator has allowed."""
    meant, bits = _meant(address), int(address)
    if address in _OWN_NAT64:  # RFC 6052, section 2.2: in the last 32 bits, or round the eight in the middle
        return meant, IPv4Address(bits & 0xFFFF_FFFF), IPv4Address(bits >> 48 & 0xFFFF_0000 | bits >> 40 & 0xFFFF)
    return (meant, IPv4Address(bits >> 80 & 0xFFFF_FFFF)) if address in _SIX_TO_FOUR else (meant,)


def _unmapped(network: Network) -> Network:
    """A network of IPv4-mapped addresses as one of IPv4, which is what is called."""
    if isinstance(network, IPv6Network) and network.subnet_of(_MAPPED):
        return IPv4Network((int(network.network_address) & 0xFFFF_FFFF, network.prefixlen - _MAPPED.prefixlen))
    return network


def _is_here(address: Address) -> bool:
    """Whether it leads back to this machine, whatever its interfaces."""
    meant = _meant(address)
    return any(meant in block for block in _HERE)


def _is_local(name: str) -> bool:
    """Whether it is a name (no address) that the public DNS does not have."""
    return _address(name) is None and ("." not in name or any(_is_under(name, suffix) for suffix in _LOCAL))


def _is_under(name: str, suffix: str) -> bool:
    return name == suffix or name.endswith(f".{suffix}")
