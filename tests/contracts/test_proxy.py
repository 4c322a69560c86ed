"""
Behind RELAY_EGRESS_PROXY: a real, small proxy on loopback, which knows every name, and the real clients.

What the proxy says and what a receiver says are told apart; a fault of the proxy's is nobody else's.
"""

import asyncio
import contextlib
import logging
import socket
from base64 import b64encode
from ipaddress import ip_network
from pathlib import Path

import pytest
import structlog

from relay import networks
from relay.model import Answer, Reason
from relay.networks import Proxy
from relay.pipeline.egress import Egress
from relay.pipeline.wire import WireDeliver
from tests.contracts.receivers import READ_BYTES, Peer, Receiver, Script, a_certificate, each, once, receiving
from tests.contracts.test_deliver import (
    HEARD_S,
    LOOPBACK,
    OK,
    SHORT_S,
    THE_OK,
    Names,
    a_request,
    connector,
    happens,
    own_address,
    reason,
)

USER, PASSWORD = "relay", "hunter2:@/"
GIVEN = b"Basic " + b64encode(f"{USER}:{PASSWORD}".encode())


async def pumped(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Everything from here to there, and then its end."""
    while data := await reader.read(READ_BYTES):
        writer.write(data)
        await writer.drain()
    writer.close()


def tunnelling(*, wants: bytes | None = None) -> Script:
    """A proxy; all names lead to 127.0.0.1. It wants these credentials, or none."""

    async def script(peer: Peer) -> None:
        asked = await peer.hears()
        method, target, _ = asked.line.split()
        if method != b"CONNECT":
            await peer.says(b"HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\n\r\n")
        elif wants is not None and [wants] != asked.values(b"proxy-authorization"):
            await peer.says(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 2\r\n\r\nno")
        else:
            reader, writer = await asyncio.open_connection("127.0.0.1", int(target.rpartition(b":")[2]))
            await peer.says(b"HTTP/1.1 200 Connection established\r\n\r\n")
            async with asyncio.TaskGroup() as both:
                both.create_task(pumped(peer.reader, writer))
                both.create_task(pumped(reader, peer.writer))

    return script


def opened(
    proxy: Receiver | Proxy,
    *,
    rules: Egress = LOOPBACK,
    connect_timeout_s: float = 5,
    resolver: Names | None = None,
) -> WireDeliver:
    """The client behind it, to be entered."""
    through = proxy if isinstance(proxy, Proxy) else Proxy("127.0.0.1", proxy.port)
    return WireDeliver(
        rules, connect_timeout_s=connect_timeout_s, response_bytes=1024, proxy=through, resolver=resolver
    )


def connects(proxy: Receiver) -> list[bytes]:
    """What it was asked for."""
    return [one.line for one in proxy.heard]


async def test_a_receiver_is_called_by_tls_through_a_tunnel(tmp_path: Path) -> None:
    """Its certificate is judged here, end to end; and the tunnel stays for the next request."""
    theirs, trusting = a_certificate(tmp_path)
    body = bytes(range(256)) * 1024

    async with (
        receiving(each(OK), tls=theirs) as receiver,
        receiving(tunnelling()) as proxy,
        opened(proxy) as deliver,
    ):
        connector(deliver)._ssl = trusting
        replies = [await deliver(a_request(receiver.url("/a?b"), body=body)) for _ in range(2)]

    assert [THE_OK] * 2 == replies
    assert [(b"POST /a?b HTTP/1.1", body)] * 2 == [(one.line, one.body) for one in receiver.heard]
    assert [b"CONNECT 127.0.0.1:%d HTTP/1.1" % receiver.port] == connects(proxy)
    assert 1 == len(receiver.peers)


async def test_a_receiver_without_tls_is_called_through_a_tunnel_too() -> None:
    """As it would be without a proxy, byte for byte."""
    async with receiving(each(OK)) as receiver, receiving(tunnelling()) as proxy, opened(proxy) as deliver:
        replies = [await deliver(a_request(receiver.url("/a?b"))) for _ in range(2)]

    assert [THE_OK] * 2 == replies
    assert [b"POST /a?b HTTP/1.1"] * 2 == [one.line for one in receiver.heard]
    assert [b"CONNECT 127.0.0.1:%d HTTP/1.1" % receiver.port] == connects(proxy)


async def test_the_proxy_resolves_names() -> None:
    """Here nobody is asked for them."""
    names = Names(OSError("no such host"))

    async with (
        receiving(each(OK)) as receiver,
        receiving(tunnelling()) as proxy,
        opened(proxy, resolver=names) as deliver,
    ):
        assert THE_OK == await deliver(a_request(receiver.url(host="receiver.example")))

    assert [b"CONNECT receiver.example:%d HTTP/1.1" % receiver.port] == connects(proxy)
    assert [[b"receiver.example:%d" % receiver.port]] == [one.values(b"host") for one in receiver.heard]
    assert 0 == names.asked


async def test_the_port_is_said_where_the_url_has_none() -> None:
    """And an address of IPv6 stands in brackets (RFC 9110, section 9.3.6)."""
    async with receiving(once(b"HTTP/1.1 403 No\r\n\r\n", closes=True)) as proxy, opened(proxy) as deliver:
        for url in ("https://receiver.example/", "http://receiver.example/", "https://[2606:4700:4700::1111]/"):
            await deliver(a_request(url))

    wanted = [b"receiver.example:443", b"receiver.example:80", b"[2606:4700:4700::1111]:443"]
    assert [b"CONNECT " + to + b" HTTP/1.1" for to in wanted] == connects(proxy)
    assert [[to] for to in wanted] == [one.values(b"host") for one in proxy.heard]


# What is still judged here


@pytest.mark.parametrize(
    ("host", "why"),
    [
        *(
            ("127.0.0.1", Reason.BLOCKED_ADDRESS),
            ("10.0.0.1", Reason.BLOCKED_ADDRESS),
            ("[::1]", Reason.BLOCKED_ADDRESS),
        ),
        *(("169.254.169.254", Reason.BLOCKED_ADDRESS), ("[64:ff9b::7f00:1]", Reason.BLOCKED_ADDRESS)),
        *(("localhost", Reason.BLOCKED_ADDRESS), ("receiver", Reason.BLOCKED_ADDRESS)),
        *(("metadata.google.internal", Reason.BLOCKED_ADDRESS), ("proxy.example", Reason.BLOCKED_ADDRESS)),
        *(("127.1", Reason.INVALID_URL), ("0x7f000001", Reason.INVALID_URL), ("a@127.0.0.1", Reason.INVALID_URL)),
    ],
)
async def test_a_url_that_may_not_be_called_is_not_asked_for(host: str, why: Reason) -> None:
    """A literal, a local name, the proxy itself: it would do for us what we must not."""
    async with receiving(each(OK)) as receiver, receiving(tunnelling()) as proxy:
        rules = Egress(allow_http=True, own=[("proxy.example", receiver.port)])
        async with opened(proxy, rules=rules) as deliver:
            reply = await deliver(a_request(receiver.url(host=host)))

    assert why == reason(reply)
    assert [] == proxy.peers
    assert [] == receiver.peers


async def test_a_tunnel_of_one_account_is_not_anothers() -> None:
    """Who may not call that address does not through a tunnel that is open."""
    rules = Egress(allow_http=True, allowed_to={"a": [ip_network("127.0.0.0/8")]})

    async with (
        receiving(each(OK)) as receiver,
        receiving(tunnelling()) as proxy,
        opened(proxy, rules=rules) as deliver,
    ):
        replies = [await deliver(a_request(receiver.url(), account_id=account)) for account in ("a", "b", "a")]

    assert [THE_OK, THE_OK] == replies[::2]
    assert Reason.BLOCKED_ADDRESS == reason(replies[1])
    assert 1 == len(proxy.peers)


async def test_a_listener_of_ours_on_every_interface_is_not_asked_for() -> None:
    """The proxy may well be on this machine, or have a way back to it."""
    async with receiving(each(OK)) as receiver, receiving(tunnelling()) as proxy:
        here = own_address()
        networks = [ip_network("127.0.0.0/8"), ip_network(here)]
        rules = Egress(allow_http=True, allowed=networks, own=[("0.0.0.0", receiver.port)])
        async with opened(proxy, rules=rules) as deliver:
            for host in ("127.0.0.1", here):
                assert Reason.BLOCKED_ADDRESS == reason(await deliver(a_request(receiver.url(host=host))))

    assert [] == proxy.peers


# Whose fault it is


async def test_a_proxy_that_cannot_be_reached_is_at_fault() -> None:
    """Nobody listens there."""
    async with receiving(each(OK)) as gone:
        pass

    async with opened(gone) as deliver:
        assert Reason.PROXY == reason(await deliver(a_request("https://receiver.example/")))


async def test_a_proxy_that_takes_no_connection_is_at_fault() -> None:
    """Reaching it has half of the time to connect: what is over then is no receiver's to be blamed for."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full, contextlib.ExitStack() as held:
        with contextlib.suppress(TimeoutError):
            while True:
                held.enter_context(socket.create_connection(full.getsockname(), timeout=SHORT_S))
        async with opened(Proxy(*full.getsockname()), connect_timeout_s=SHORT_S) as deliver:
            assert Reason.PROXY == reason(await deliver(a_request("https://receiver.example/")))


@pytest.mark.parametrize(
    "said",
    [b"", b"HTTP/1.1 20", b"garbage\r\n\r\n", b"SSH-2.0-OpenSSH_9.6\r\n", b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000],
    ids=lambda said: repr(said[:12]),
)
async def test_a_proxy_that_breaks_off_or_speaks_no_http_is_at_fault(said: bytes) -> None:
    """Nothing of it is taken for the receiver's."""
    async with receiving(once(said, closes=True)) as proxy, opened(proxy) as deliver:
        assert Reason.PROXY == reason(await deliver(a_request("https://receiver.example/")))
        await happens(proxy.peers[0].over)


@pytest.mark.parametrize(
    ("status", "why"),
    [
        *((status, Reason.PROXY) for status in (204, 301, 400, 403, 405, 407, 429, 500, 511)),
        *((status, Reason.CONNECT) for status in (502, 503)),
        (504, Reason.TIMEOUT),
    ],
)
async def test_what_a_proxy_answers_says_whose_fault_it_is(status: int, why: Reason) -> None:
    """It would not: the proxy's, or its operator's. It tried, and could not connect: the receiver's."""
    answer = b"HTTP/1.1 %d X\r\nRetry-After: 99\r\nContent-Length: 2\r\n\r\nno" % status

    async with receiving(once(answer)) as proxy, opened(proxy) as deliver:
        assert why == reason(await deliver(a_request("https://receiver.example/")))
        await happens(proxy.peers[0].over)


async def test_an_interim_answer_of_the_proxys_is_skipped() -> None:
    """The final one counts."""
    answer = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 502 X\r\n\r\n"

    async with receiving(once(answer)) as proxy, opened(proxy) as deliver:
        assert Reason.CONNECT == reason(await deliver(a_request("https://receiver.example/")))


async def test_a_proxy_that_does_not_answer_is_a_timeout() -> None:
    """Most likely it waits for the receiver, as we would."""
    async with receiving(once()) as proxy, opened(proxy, connect_timeout_s=SHORT_S) as deliver:
        async with asyncio.timeout(HEARD_S):
            reply = await deliver(a_request("https://receiver.example/", timeout_s=10 * HEARD_S))
        await happens(proxy.peers[0].over)

    assert Reason.TIMEOUT == reason(reply)


@pytest.mark.parametrize("status", [403, 407, 502])
async def test_what_comes_through_the_tunnel_is_the_receivers(status: int) -> None:
    """Be it a status that a proxy would use."""
    answer = b"HTTP/1.1 %d X\r\nContent-Length: 0\r\n\r\n" % status

    async with receiving(each(answer)) as receiver, receiving(tunnelling()) as proxy, opened(proxy) as deliver:
        reply = await deliver(a_request(receiver.url()))

    assert Answer(status=status, headers=(("content-length", "0"),)) == reply


async def test_a_receiver_that_hangs_up_in_its_tunnel_is_a_failed_connect() -> None:
    """It is not the proxy's fault."""

    async def script(peer: Peer) -> None:
        await peer.hears()

    async with receiving(script) as receiver, receiving(tunnelling()) as proxy, opened(proxy) as deliver:
        assert Reason.CONNECT == reason(await deliver(a_request(receiver.url())))


async def test_a_certificate_that_nobody_vouches_for_is_a_failure_of_tls(tmp_path: Path) -> None:
    """The proxy cannot put itself between."""
    theirs, _ = a_certificate(tmp_path)

    async with (
        receiving(each(OK), tls=theirs) as receiver,
        receiving(tunnelling()) as proxy,
        opened(proxy) as deliver,
    ):
        reply = await deliver(a_request(receiver.url()))

    assert Reason.TLS == reason(reply)
    assert [] == receiver.heard


# Credentials


async def test_the_proxys_credentials_are_for_the_proxy_alone() -> None:
    """In its CONNECT, and in nothing that the receiver gets."""
    async with receiving(each(OK)) as receiver, receiving(tunnelling(wants=GIVEN)) as proxy:
        through = networks.proxy(f"http://{USER}:hunter2%3A%40%2F@127.0.0.1:{proxy.port}")
        async with opened(through) as deliver:
            assert THE_OK == await deliver(a_request(receiver.url()))

    assert [[GIVEN]] == [one.values(b"proxy-authorization") for one in proxy.heard]
    assert [[]] == [one.values(b"proxy-authorization") for one in receiver.heard]
    assert [[]] == [one.values(b"authorization") for one in receiver.heard]


@pytest.mark.parametrize("user", ["", f"{USER}:hunter3@"])
async def test_wrong_credentials_are_the_proxys_fault_and_are_nowhere_told(
    user: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Not in what is told of it, nor by anybody's logger."""
    caplog.set_level(logging.DEBUG)

    async with receiving(each(OK)) as receiver, receiving(tunnelling(wants=GIVEN)) as proxy:
        through = networks.proxy(f"http://{user}127.0.0.1:{proxy.port}")
        with structlog.testing.capture_logs() as lines:
            async with opened(through) as deliver:
                reply = await deliver(a_request(receiver.url()))

    told = f"{reply!r} {lines!r} {caplog.text} {through!r} {deliver!r}"
    assert Reason.PROXY == reason(reply)
    assert "407" in told
    assert "hunter3" not in told
    assert b64encode(f"{USER}:hunter3".encode()).decode() not in told
    assert [] == receiver.heard


async def test_what_a_proxy_sends_back_before_it_breaks_off_is_nowhere_told() -> None:
    """One that echoes has our credentials in what it says."""
    said = b"HTTP/1.1 200 OK\r\nX-Echo: %b\r\n" % GIVEN

    async with receiving(once(said, closes=True)) as proxy, opened(proxy) as deliver:
        reply = await deliver(a_request("https://receiver.example/"))

    assert Reason.PROXY == reason(reply)
    assert "did not answer CONNECT: ServerDisconnectedError: " in repr(reply)
    assert GIVEN.decode() not in repr(reply)
