"""PLACEHOLDER until the real one lands."""
from ipaddress import ip_address
class Egress:
    def __init__(self, *, allowed=(), own=frozenset()):
        self.allowed, self.own = allowed, own
    def refusal(self, address, port):
        a = ip_address(address)
        if (address, port) in self.own: return "own"
        if any(a in n for n in self.allowed if n.version == a.version): return None
        return None if a.is_global else "private"
    def refusal_of_name(self, host, addresses, port):
        return next((r for a in addresses if (r := self.refusal(a, port))), None)
