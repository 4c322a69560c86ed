"""
What is relay's own and never called, as it is by now: brokers join, and their names come to lead elsewhere. Edge.

Who may reach a broker from outside is the operator's to say; who may reach it through relay is nobody.
"""

import asyncio
import socket
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress

from relay.clock import Clock
from relay.config import Config
from relay.networks import to_all, to_some
from relay.pipeline.egress import Egress

LOOK_S = 60.0  # names live about so long; and a broker that joins has no partition before somebody moves one to it
RESOLVE_S = 2.0  # for a broker's name: it was reached by it a moment ago

Place = tuple[str, int]  # host, a name or an address, and port


async def with_addresses(named: Iterable[Place]) -> frozenset[Place]:
    """These, and what their names stand for at this moment; one that stands for nothing is no trouble of ours."""
    found = set(named)
    for host, port in list(found):
        with suppress(OSError, UnicodeError):  # TimeoutError is an OSError; the other is of no name at all
            async with asyncio.timeout(RESOLVE_S):
                answers = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
            found |= {(str(address[0]), port) for *_, address in answers}
    return frozenset(found)


class Own:
    """The places that are relay's, and the rules that follow from them."""

    def __init__(self, config: Config, places: Collection[Place]) -> None:
        """
        Args:
            config: What may be called; the console's listener; and the proxy, which is ours to call and nobody's
                receiver.
            places: The worker's listener, and the brokers as they were found; what their names lead to `look` finds.
        """
        proxy = config.egress_proxy
        self._config = config
        self._named = frozenset(places) | {config.console_address}
        self._named |= set() if proxy is None else {(proxy.host, proxy.port)}
        self._places = self._named
        self.obey: Callable[[Egress], None] = lambda _: None  # told of the rules whenever they have changed

    def egress(self) -> Egress:
        """The rules on where requests go, as of now."""
        return Egress(
            allow_http=self._config.allow_http,
            allowed=to_all(self._config.allow_networks),
            allowed_to=to_some(self._config.allow_networks),
            allow_metadata=self._config.allow_metadata,
            own=self._places,
        )

    async def run(self, brokers: Callable[[], Iterable[Place]], clock: Clock) -> None:
        """What the brokers call themselves is looked at again and again, until cancelled."""
        while True:
            await clock.sleep(LOOK_S)
            await self.look(brokers())

    async def look(self, brokers: Iterable[Place]) -> None:
        """
        New rules, if there is a place that was not known, of these or of what the listener's and the proxy's names lead
        to. What once was a broker's stays relay's own: a name that leads to some of its brokers at a time would else
        change the rules with every look, and take all connections along.
        """
        found = await with_addresses([*brokers, *self._named])
        if not found <= self._places:
            self._places |= found
            self.obey(self.egress())
