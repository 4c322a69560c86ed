"""
The guard at the socket, driven by the real clients, with a trap on loopback that must hear nothing.

All of 127.0.0.0/8 is loopback on Linux: receivers that may be called are at 127.0.0.2, the trap is at the same port of
127.0.0.1, which may not.
"""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from ipaddress import ip_network
from pathlib import Path

import orjson
import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

from relay.model import Answer, Failure, Reason, Reply
from relay.pipeline.egress import Egress
from relay.pipeline.match import endpoint
from relay.pipeline.results import Attempt, outgoing
from relay.pipeline.settle import settle
from relay.pipeline.wire import WireDeliver
from relay.topics import Topics
from tests.builders import NOON_MS, a_delivery, a_subscription
from tests.contracts.receivers import Peer, Receiver, Script, each, once, receiving
from tests.contracts.test_deliver import (
    HEARD_S,
    OK,
    SHORT_S,
    THE_OK,
    Names,
    a_request,
    connector,
    reason,
)
from tests.pipeline.test_egress import URLS
from tests.pipeline.test_settle import SCHEDULE

HERE, TRAP = "127.0.0.2", "127.0.0.1"
RULES = Egress(allow_http=True, allowed=[ip_network(HERE)])
CLOSING = OK.replace(b"OK", b"OK\r\nConnection: close", 1)


def opened(rules: Egress = RULES, resolver: AbstractResolver | None = None) -> WireDeliver:
    """The client, to be entered."""
    return WireDeliver(rules, connect_timeout_s=5, response_bytes=1024, resolver=resolver)


@contextlib.asynccontextmanager
async def trapped(script: Script) -> AsyncIterator[tuple[Receiver, Receiver]]:
    """A receiver that may be called, and the trap, which in the end nobody has come to."""
    async with contextlib.AsyncExitStack() as stack:
        trap = None
        while trap is None:
            receiver = await stack.enter_async_context(receiving(script, host=HERE))
            with contextlib.suppress(OSError):  # somebody is at that port there: another one
                trap = await stack.enter_async_context(receiving(each(OK), host=TRAP, port=receiver.port))
        yield receiver, trap
        await nobody_came(trap)


async def nobody_came(trap: Receiver) -> None:
    """But us, who come last: a listener takes its connections in their order."""
    async with asyncio.timeout(HEARD_S):
        reader, writer = await asyncio.open_connection(TRAP, trap.port)
        writer.write(b"POST / HTTP/1.1\r\nContent-Length: 0\r\n\r\n")
        await reader.readexactly(len(OK))
    ours = writer.get_extra_info("sockname")
    writer.close()

    assert [ours] == [peer.writer.get_extra_info("peername") for peer in trap.peers]


async def test_a_name_that_is_rebound_to_the_trap_is_refused() -> None:
    """At the next connection, with the first one's answer long good."""
    names = Names([HERE], [TRAP])

    async with trapped(once(CLOSING)) as (receiver, _), opened(resolver=names) as deliver:
        url = receiver.url(host="receiver.example")
        first = await deliver(a_request(url))
        connector(deliver).clear_dns_cache()  # as ten seconds would
        second = await deliver(a_request(url))

    assert isinstance(first, Answer)
    assert Reason.BLOCKED_ADDRESS == reason(second)
    assert (1, 2) == (len(receiver.peers), names.asked)


async def test_what_was_judged_is_what_is_connected_to() -> None:
    """There is no second look-up that could be answered otherwise (CVE-2026-104973)."""
    names = Names([HERE], [TRAP])

    async with trapped(each(OK)) as (receiver, _), opened(resolver=names) as deliver:
        assert THE_OK == await deliver(a_request(receiver.url(host="receiver.example")))

    assert 1 == names.asked


@pytest.mark.parametrize(
    "answers",
    [
        *([HERE, TRAP], [TRAP, HERE], [HERE, HERE, TRAP], [HERE, "::1"], [HERE, f"::ffff:{TRAP}"], [HERE, "10.0.0.1"]),
        *(["8.8.8.8", TRAP], [TRAP], ["::1"], [f"::ffff:{TRAP}"], ["64:ff9b::7f00:1"], ["0.0.0.0"], ["::"]),
    ],
)
async def test_a_name_is_refused_for_one_of_its_answers(answers: list[str]) -> None:
    """Whichever comes first: the client would go on to the next by itself."""
    async with trapped(each(OK)) as (receiver, _), opened(resolver=Names(answers)) as deliver:
        reply = await deliver(a_request(receiver.url(host="receiver.example")))

    assert Reason.BLOCKED_ADDRESS == reason(reply)
    assert [] == receiver.peers


@pytest.mark.parametrize("status", [201, 300, 301, 302, 303, 305, 307, 308, 401, 503])
async def test_no_answer_leads_to_the_trap(status: int) -> None:
    """A redirect is no more than an answer (CVE-2026-105636), nor is any other header with a URL in it."""
    async with contextlib.AsyncExitStack() as stack, opened() as deliver:

        async def script(peer: Peer) -> None:
            await peer.hears()
            to = f"http://{TRAP}:{receiver.port}/"
            headers = f"Location: {to}\r\nRefresh: 0; url={to}\r\nContent-Location: {to}\r\nLink: <{to}>; rel=next\r\n"
            await peer.says(f'HTTP/1.1 {status} X\r\n{headers}Alt-Svc: h2="{TRAP}:1"\r\n\r\n'.encode())

        receiver, _ = await stack.enter_async_context(trapped(script))
        reply = await deliver(a_request(receiver.url(host=HERE)))

        assert isinstance(reply, Answer)
        assert status == reply.status
        assert 1 == len(receiver.heard)


async def test_an_allowed_network_opens_nothing_beside_it() -> None:
    """Its receiver is called, by address and by name; the trap is not, whatever it is called."""
    spellings = [TRAP, "127.0.0.1.", "127.1", "0", "0.0.0.0", "2130706433", "0x7f000001", "0177.0.0.1", "127.0.0.3"]
    spellings += ["[::ffff:127.0.0.1]", "[::]", "[::1]", "[64:ff9b::7f00:1]", "①②⑦.0.0.1", "127。0。0。1"]
    spellings += ["localhost", "LOCALHOST.", "a.localhost", f"{HERE}@{TRAP}", "trap.example"]

    async with trapped(each(OK)) as (receiver, _):
        async with opened(resolver=Names([HERE])) as deliver:
            for host in (HERE, "receiver.example"):
                assert THE_OK == await deliver(a_request(receiver.url(host=host)))
        async with opened(resolver=Names([TRAP])) as deliver:
            for host in spellings:
                reply = await deliver(a_request(receiver.url(host=host)))
                assert reason(reply) in {Reason.BLOCKED_ADDRESS, Reason.INVALID_URL}, host


async def test_no_url_that_the_table_refuses_leaves() -> None:
    """Neither one that cannot be written, however it came to be stored, nor one that is refused at the call."""
    meant = {"unwritten": Reason.INVALID_URL, "uncalled": Reason.BLOCKED_ADDRESS}
    refused = [row for row in URLS if row.verdict in meant]
    wrong: list[tuple[str, Reply]] = []

    for rules in {row.rules for row in refused}:
        async with WireDeliver(
            rules, connect_timeout_s=SHORT_S, response_bytes=0, resolver=Names(["8.8.8.8"])
        ) as deliver:
            for row in (row for row in refused if row.rules is rules):
                reply = await deliver(a_request(row.what, timeout_s=SHORT_S))
                if not isinstance(reply, Failure) or reply.reason is not meant[row.verdict]:
                    wrong.append((row.what, reply))

    assert len(refused) > 80
    assert [] == wrong


# Pools


async def test_a_connection_of_one_account_is_not_anothers() -> None:
    """Who may not call there does not by a connection that somebody else has left open; who may goes on with it."""
    rules = Egress(allow_http=True, allowed_to={"a": [ip_network(HERE)]})

    async with trapped(each(OK)) as (receiver, _), opened(rules, Names([HERE])) as deliver:
        for host in (HERE, "receiver.example"):
            url = receiver.url(host=host)
            replies = [await deliver(a_request(url, account_id=account)) for account in ("a", "b", "a", "*", "a")]

            assert [THE_OK, THE_OK, THE_OK] == replies[::2]
            assert [Reason.BLOCKED_ADDRESS] * 2 == [reason(reply) for reply in replies[1::2]]

    assert [3, 3] == [len(peer.heard) for peer in receiver.peers]


async def test_accounts_without_networks_of_their_own_share_connections() -> None:
    """Many customers are at the same few services."""
    rules = Egress(allow_http=True, allowed=[ip_network(HERE)], allowed_to={"a": [ip_network("10.0.0.0/8")]})

    async with trapped(each(OK)) as (receiver, _), opened(rules) as deliver:
        for account in ("b", "c", "*", ""):
            assert THE_OK == await deliver(a_request(receiver.url(host=HERE), account_id=account))

    assert 1 == len(receiver.peers)


async def test_a_connection_ends_with_the_rules_that_it_was_made_under() -> None:
    """What is open when they change is not used under others."""
    async with trapped(each(OK)) as (receiver, _), opened() as deliver:
        url = receiver.url(host=HERE)
        assert THE_OK == await deliver(a_request(url))
        deliver.pools.obey(Egress(allow_http=True))
        assert Reason.BLOCKED_ADDRESS == reason(await deliver(a_request(url)))
        deliver.pools.obey(RULES)
        assert THE_OK == await deliver(a_request(url))

    assert 2 == len(receiver.heard)


# Names


class Searching(AbstractResolver):
    """As with search domains: a name without the root's dot is tried as one of the trap's network."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        self.asked.append(host)
        if host.endswith("."):
            raise socket.gaierror(socket.EAI_NONAME, "not known")
        return await Names([TRAP]).resolve(host, port, family)

    async def close(self) -> None:
        pass


@pytest.mark.parametrize("host", ["foo", "foo.example", "metadata", "kubernetes.default.svc", "foo.example."])
async def test_a_name_is_not_looked_for_in_search_domains(host: str) -> None:
    """In a cluster `foo` would be foo.default.svc.cluster.local: what is asked for is the name as it is."""
    names = Searching()
    rules = Egress(allow_http=True, allowed=[ip_network("127.0.0.0/8")])

    async with trapped(each(OK)) as (receiver, _), opened(rules, names) as deliver:
        reply = await deliver(a_request(receiver.url(host=host)))

    assert Reason.DNS == reason(reply)
    assert [host.removesuffix(".") + "."] == names.asked


async def test_localhost_is_what_the_hosts_file_says() -> None:
    """It alone is asked for without the root's dot, which no hosts file knows; and called only where it is allowed."""
    both = Egress(allow_http=True, allowed=[ip_network("127.0.0.0/8"), ip_network("::1")])

    async with receiving(each(OK)) as receiver:
        url = receiver.url(host="localhost")
        async with opened(both) as deliver:
            assert THE_OK == await deliver(a_request(url))
        async with opened(RULES) as deliver:
            assert Reason.BLOCKED_ADDRESS == reason(await deliver(a_request(url)))

    assert 1 == len(receiver.peers)


@pytest.mark.parametrize("host", ["receiver", "receiver.local", "receiver.internal"])
async def test_a_local_name_is_called_only_where_all_of_it_is_allowed(host: str) -> None:
    """In a network of the operator's it may be; beside it, not, be the address as public as it may."""
    async with trapped(each(OK)) as (receiver, _):
        url = receiver.url(host=host)
        async with opened(resolver=Names([HERE])) as deliver:
            assert THE_OK == await deliver(a_request(url))
        async with opened(resolver=Names([HERE, "8.8.8.8"])) as deliver:
            assert Reason.BLOCKED_ADDRESS == reason(await deliver(a_request(url)))

    assert [[f"{host}:{receiver.port}".encode()]] == [one.values(b"host") for one in receiver.heard]


# What the customer sees


async def test_a_refusal_tells_its_customer_no_address() -> None:
    """Not where the name leads, nor to what kind of place: what they see is `blocked_address`."""
    results: list[dict[str, object]] = []

    for address in (TRAP, "10.1.2.3", "169.254.169.254"):
        async with trapped(each(OK)) as (receiver, _), opened(resolver=Names([address])) as deliver:
            url = f"http://receiver.example:{receiver.port}/"
            request = a_request(url)
            reply = await deliver(request)
        verdict = settle(a_delivery(), reply, schedule=SCHEDULE, now_ms=NOON_MS)
        attempt = Attempt(id="att_1", started_ms=NOON_MS, request=request, reply=reply)
        to = endpoint(a_subscription(url="http://receiver.example/"), signer=None, headers={})
        told, letter = outgoing(a_delivery(), verdict, attempt, to, topics=Topics("relay"), worker="relay-0")

        assert isinstance(reply, Failure)
        assert address not in reply.detail
        assert b"blocked_address" == dict(letter.headers)["relay-reason"]
        results.append(orjson.loads(told.value or b""))

    assert "blocked_address" == results[0]["reason"]
    assert [results[0]] * 3 == results


def test_nothing_else_of_relays_makes_connections_of_http() -> None:
    """Receivers are called through the guard alone; what else speaks HTTP asks relay's own workers."""
    root = Path(__file__).parents[2] / "relay"
    makers = ("ClientSession", "TCPConnector", "create_connection", "open_connection", "urllib.request", "http.client")

    found = {
        str(path.relative_to(root))
        for path in root.rglob("*.py")
        if any(maker in path.read_text("utf-8") for maker in makers)
    }

    assert {"pipeline/connect.py", "processes/endpoint.py", "workers.py"} == found
