"""
What relay needs of its HTTP edge.

A receiver may refuse, stall, lie or babble: what comes back is always a Reply, within the request's timeout.
"""

import asyncio
import errno
import gzip
import socket
import ssl
from ipaddress import ip_network
from pathlib import Path

import aiohttp
import pytest
import uvloop
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.client_reqrep import ConnectionKey
from aiohttp.http_exceptions import BadHttpMessage, BadStatusLine, LineTooLong
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from relay.model import Answer, Failure, Reason, Reply, Request
from relay.pipeline.connect import REFUSED_BY_US, Blocked, Connector, GuardedConnector, ProxyFault
from relay.pipeline.deliver import Deliver, failure
from relay.pipeline.egress import Egress
from relay.pipeline.wire import WireDeliver
from tests.contracts.receivers import Peer, a_certificate, each, once, receiving

LOOPBACK = Egress(allow_http=True, allowed=[ip_network("127.0.0.0/8")])
KEPT_BYTES = 1024  # of a body
SHORT_S = 0.3  # a timeout that is waited for
UNREAD_BYTES = 8 << 20  # more than the kernel takes for one who does not read
SLACK_S = 10  # how much later a shared machine may notice it
HEARD_S = 10  # that something happens at all
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
THE_OK = Answer(status=200, headers=(("content-length", "2"),), body=b"ok")


def opened(
    egress: Egress = LOOPBACK, *, connect_timeout_s: float = 5, resolver: AbstractResolver | None = None
) -> WireDeliver:
    """With only the argument that matters; to be entered."""
    return WireDeliver(egress, connect_timeout_s=connect_timeout_s, response_bytes=KEPT_BYTES, resolver=resolver)


class Names(AbstractResolver):
    """Look-ups get these answers one after the other, the last one for ever; None never comes."""

    def __init__(self, *answers: list[str] | OSError | None) -> None:
        self._answers = list(answers)
        self.asked = 0

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        answer = self._answers[min(self.asked, len(self._answers) - 1)]
        self.asked += 1
        if answer is None:
            await asyncio.Event().wait()
        if isinstance(answer, OSError):
            raise answer
        return [
            ResolveResult(
                hostname=host,
                host=one,
                port=port,
                family=socket.AF_INET6 if ":" in one else family or socket.AF_INET,
                proto=0,
                flags=0,
            )
            for one in answer or ()
        ]

    async def close(self) -> None:
        pass


def a_request(url: str, **overrides: object) -> Request:
    fields = {"url": url, "headers": {"accept-encoding": "identity"}, "body": b"{}", "timeout_s": 10.0} | overrides
    return Request(**fields)  # type: ignore[arg-type]


def connector(deliver: WireDeliver) -> Connector:
    """Whose connections and names it keeps."""
    return deliver.pools.of("")


async def replied(deliver: Deliver, request: Request) -> Reply:
    """The reply, which came within the request's timeout."""
    clock = asyncio.get_running_loop().time
    started = clock()

    reply = await deliver(request)

    assert clock() - started < request.timeout_s + SLACK_S
    return reply


async def happens(event: asyncio.Event) -> None:
    async with asyncio.timeout(HEARD_S):
        await event.wait()


async def caught_up(deliver: Deliver) -> None:
    """Whatever a receiver said before has been taken in: loopback keeps nothing back for longer than an exchange."""
    async with receiving(each(OK)) as other:
        assert await deliver(a_request(other.url())) == THE_OK


def reason(reply: Reply) -> Reason:
    assert isinstance(reply, Failure), reply
    return reply.reason


# What is sent


async def test_the_receiver_gets_the_request_byte_for_byte() -> None:
    """The URL as it was written, the headers as given, one Content-Length, and nothing that nobody asked for."""
    target = "/hook%2Fa/../%7euser/a+b;c?q=%20x&y=%C3%a9&z=a%26b//&e="
    headers = {
        "content-type": "application/json",
        "user-agent": "relay/1",
        "accept-encoding": "identity",
        "X-Mixed": 'a  b, "c"; é=%\'',
        "x-empty": "",
    }
    body = bytes(range(256))

    async with receiving(each(OK)) as receiver, opened() as deliver:
        reply = await replied(deliver, a_request(receiver.url(target), headers=headers, body=body))

    [heard] = receiver.heard
    added = {b"host", b"content-length", b"accept"}
    assert THE_OK == reply
    assert f"POST {target} HTTP/1.1".encode() == heard.line
    assert body == heard.body
    assert [b"127.0.0.1:%d" % receiver.port] == heard.values(b"host")
    assert [b"256"] == heard.values(b"content-length")
    assert [(name.encode(), value.encode()) for name, value in headers.items()] == [
        (name, value) for name, value in heard.headers if name.lower() not in added
    ]


@pytest.mark.parametrize(("path", "target"), [("", b"/"), ("?a=1", b"/?a=1")])
async def test_a_url_without_a_path_asks_for_the_root(path: str, target: bytes) -> None:
    """As RFC 9112 has it, section 3.2.1."""
    async with receiving(each(OK)) as receiver, opened() as deliver:
        await replied(deliver, a_request(receiver.url(path)))

    assert [b"POST " + target + b" HTTP/1.1"] == [one.line for one in receiver.heard]


async def test_an_empty_body_has_a_length_too() -> None:
    """A POST without one would be refused by many."""
    async with receiving(each(OK)) as receiver, opened() as deliver:
        await replied(deliver, a_request(receiver.url(), body=b""))

    assert [[b"0"]] == [one.values(b"content-length") for one in receiver.heard]


@pytest.mark.parametrize(
    "headers",
    [
        {"x-a": "1\r\nx-b: 2"},
        {"x-a": "1\nx-b: 2"},
        {"x-a": "1\rx-b: 2"},
        {"x-a": "1\r\n\r\nPOST / HTTP/1.1"},
        {"x-a\r\nx-b": "2"},
    ],
)
async def test_a_header_that_would_begin_another_line_never_goes_out(headers: dict[str, str]) -> None:
    """Whoever wrote it: nothing is sent."""
    async with receiving(each(OK)) as receiver, opened() as deliver:
        reply = await replied(deliver, a_request(receiver.url(), headers=headers))
        await caught_up(deliver)

    assert Reason.PROTOCOL == reason(reply)
    assert [] == receiver.heard


async def test_a_proxy_of_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would see everything, and connect where we must not."""
    async with receiving(each(OK)) as proxy, receiving(each(OK)) as receiver:
        for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url())
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        async with opened() as deliver:
            reply = await replied(deliver, a_request(receiver.url()))

    assert THE_OK == reply
    assert [] == proxy.peers


@pytest.mark.parametrize(
    "url",
    ["", "http://", "http:///x", "/hook", "127.0.0.1:80", "ftp://127.0.0.1/", "file:///etc/passwd", "ws://127.0.0.1/"],
)
async def test_what_is_no_url_of_http_is_an_invalid_url(url: str) -> None:
    """No host, or another scheme."""
    async with opened() as deliver:
        assert Reason.INVALID_URL == reason(await replied(deliver, a_request(url)))


@pytest.mark.parametrize(
    "url",
    [
        *("http://[::1", "http://127.0.0.1:99999/", "http://127.0.0.1:x/", "http://a b/", "http://127.0.0.1/a#s3cret"),
        *("http://me:s3cret@127.0.0.1/", "http://127.1/s3cret", "http://127.0.0.1:25/s3cret", "http://a/\ns3cret"),
        *("http://[::1]@", "http://\ud800/"),
    ],
)
async def test_a_url_that_nobody_could_have_written_is_an_invalid_url(url: str) -> None:
    """Whoever put it on the topic, the rules are those of writing; and our log has its origin at most."""
    async with opened() as deliver:
        reply = await replied(deliver, a_request(url))

    assert Reason.INVALID_URL == reason(reply)
    assert "s3cret" not in str(reply)


# What an answer is


async def test_an_answer_has_status_headers_in_lower_case_and_the_body() -> None:
    """Headers keep their order, and each its own line."""
    answer = (
        b"HTTP/1.1 299 Hm\r\nX-Twice: a\r\nContent-Type: text/plain\r\nx-twice: B\r\nContent-Length: 5\r\n\r\nhello"
    )
    headers = (("x-twice", "a"), ("content-type", "text/plain"), ("x-twice", "B"), ("content-length", "5"))

    async with receiving(each(answer)) as receiver, opened() as deliver:
        reply = await replied(deliver, a_request(receiver.url()))

    assert Answer(status=299, headers=headers, body=b"hello") == reply


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
async def test_a_redirect_is_an_answer_and_not_followed(code: int) -> None:
    """Where it leads was never judged, and nobody signed for it."""
    async with receiving(each(OK)) as elsewhere:
        answer = b"HTTP/1.1 %d X\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n" % (code, elsewhere.url().encode())
        async with receiving(each(answer)) as receiver, opened() as deliver:
            reply = await replied(deliver, a_request(receiver.url()))

    assert Answer(status=code, headers=(("location", elsewhere.url()), ("content-length", "0"))) == reply
    assert [] == elsewhere.peers


@pytest.mark.parametrize("code", [204, 304])
@pytest.mark.parametrize("rest", [b"", b"Content-Length: 5\r\n"])
async def test_a_204_and_a_304_have_no_body(code: int, rest: bytes) -> None:
    """Whatever length they tell, none is waited for."""
    async with receiving(once(b"HTTP/1.1 %d X\r\n%s\r\n" % (code, rest))) as receiver, opened() as deliver:
        reply = await replied(deliver, a_request(receiver.url()))

    assert isinstance(reply, Answer)
    assert (code, b"", False) == (reply.status, reply.body, reply.truncated)


@pytest.mark.parametrize(
    "answer", [b"HTTP/1.0 200 OK\r\n\r\nhello", b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello"]
)
async def test_a_body_without_a_length_ends_with_its_connection(answer: bytes) -> None:
    """As HTTP/1.0 has it."""
    async with receiving(once(answer, closes=True)) as receiver, opened() as deliver:
        reply = await replied(deliver, a_request(receiver.url()))

    assert isinstance(reply, Answer)
    assert (200, b"hello", False) == (reply.status, reply.body, reply.truncated)


async def test_a_chunked_body_is_put_together() -> None:
    """Its extensions and trailers are no part of it, and its connection stays."""
    script = each(CHUNKED + b"2;a=b\r\nhe\r\n3\r\nllo\r\n0\r\nx-trailer: 1\r\n\r\n")

    async with receiving(script) as receiver, opened() as deliver:
        replies = [await replied(deliver, a_request(receiver.url())) for _ in range(2)]

    assert [Answer(status=200, headers=(("transfer-encoding", "chunked"),), body=b"hello")] * 2 == replies
    assert 1 == len(receiver.peers)


async def test_a_gzip_bomb_stays_as_small_as_it_came() -> None:
    """What is kept are the wire's bytes."""
    bomb = gzip.compress(bytes(500_000), mtime=0)
    answer = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(bomb)

    async with receiving(each(answer + bomb)) as receiver, opened() as deliver:
        reply = await replied(deliver, a_request(receiver.url()))

    headers = (("content-encoding", "gzip"), ("content-length", str(len(bomb))))
    assert len(bomb) < KEPT_BYTES
    assert Answer(status=200, headers=headers, body=bomb) == reply


async def test_interim_answers_are_skipped() -> None:
    """100, 102 and 103 announce the one that counts (RFC 9110, section 15.2)."""
    interim = (
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"HTTP/1.1 102 X\r\nx: y\r\n\r\nHTTP/1.1 103 Hints\r\nlink: </a>\r\n\r\n",
    )

    async with receiving(once(*interim, OK)) as receiver, opened() as deliver:
        assert THE_OK == await replied(deliver, a_request(receiver.url()))


async def test_interim_answers_without_end_are_a_timeout() -> None:
    """None of them is a head that decides."""

    async def script(peer: Peer) -> None:
        while True:
            await peer.says(b"HTTP/1.1 100 Continue\r\n\r\n" * 100)

    async with receiving(script) as receiver, opened() as deliver:
        assert Reason.TIMEOUT == reason(await replied(deliver, a_request(receiver.url(), timeout_s=SHORT_S)))


async def test_switching_protocols_ends_it() -> None:
    """Nobody asked for that: no success, and the connection speaks no HTTP any more."""
    switching = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"

    async with receiving(once(switching + b"\x00\x01")) as receiver, opened() as deliver:
        replies = [await replied(deliver, a_request(receiver.url())) for _ in range(2)]

    assert [101, 101] == [reply.status for reply in replies if isinstance(reply, Answer)]
    assert 2 == len(receiver.peers)


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999999\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n",
    ],
)
async def test_a_head_that_contradicts_itself_is_no_answer(head: bytes) -> None:
    """Where such an answer ends is anybody's guess, and guesses are how responses are smuggled."""
    async with receiving(once(head + b"ok")) as receiver, opened() as deliver:
        assert Reason.PROTOCOL == reason(await replied(deliver, a_request(receiver.url())))


async def test_header_bytes_that_are_no_utf_8_are_an_answer() -> None:
    """They stand in the text as surrogates."""
    answer = b"HTTP/1.1 200 \xff\r\nX: \xff\r\nContent-Length: 0\r\n\r\n"

    async with receiving(each(answer)) as receiver, opened() as deliver:
        reply = await replied(deliver, a_request(receiver.url()))

    assert Answer(status=200, headers=(("x", "\udcff"), ("content-length", "0"))) == reply


# A complete head decides


async def test_a_long_body_is_cut_and_its_connection_closed() -> None:
    """One that never ends too, at once."""

    async def script(peer: Peer) -> None:
        await peer.hears()
        await peer.says(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            await peer.says(b"x" * 10_000)

    async with receiving(script) as receiver, opened() as deliver:
        reply = await replied(deliver, a_request(receiver.url(), timeout_s=HEARD_S))
        await happens(receiver.peers[0].over)

    assert Answer(status=200, headers=(), body=b"x" * KEPT_BYTES, truncated=True) == reply


@pytest.mark.parametrize(("length", "truncated"), [(KEPT_BYTES, False), (KEPT_BYTES + 1, True)])
async def test_a_body_is_cut_behind_the_last_byte_that_is_kept(length: int, truncated: bool) -> None:  # noqa: FBT001
    """One of just that length is whole."""
    answer = b"HTTP/1.1 500 Oh\r\nContent-Length: %d\r\n\r\n" % length + b"x" * length
    headers = (("content-length", str(length)),)

    async with receiving(each(answer)) as receiver, opened() as deliver:
        reply = await replied(deliver, a_request(receiver.url()))

    assert Answer(status=500, headers=headers, body=b"x" * KEPT_BYTES, truncated=truncated) == reply


PARTS = [
    pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", b"hello", id="length"),
    pytest.param(CHUNKED, b"5\r\nhello\r\n", id="chunked"),
]


@pytest.mark.parametrize(("head", "part"), PARTS)
async def test_a_body_that_breaks_off_takes_nothing_from_its_head(head: bytes, part: bytes) -> None:
    """What came of it is kept, and the next request finds another connection."""
    async with receiving(once(head, part, closes=True)) as receiver, opened() as deliver:
        replies = [await replied(deliver, a_request(receiver.url())) for _ in range(2)]

    assert [(200, b"hello", True)] * 2 == [
        (one.status, one.body, one.truncated) for one in replies if isinstance(one, Answer)
    ]
    assert 2 == len(receiver.peers)


@pytest.mark.parametrize(("head", "part"), PARTS)
@pytest.mark.parametrize("joined", [True, False])
async def test_a_body_that_stalls_takes_nothing_from_its_head(
    head: bytes,
    part: bytes,
    joined: bool,  # noqa: FBT001
) -> None:
    """It is waited for until the timeout, and then the connection is closed."""
    pieces = [head + part] if joined else [head, part]

    async with receiving(once(*pieces)) as receiver, opened() as deliver:
        reply = await replied(deliver, a_request(receiver.url(), timeout_s=SHORT_S))
        await happens(receiver.peers[0].over)

    assert isinstance(reply, Answer)
    assert (200, b"hello", True) == (reply.status, reply.body, reply.truncated)


@pytest.mark.parametrize(
    "head", [b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n", CHUNKED, b"HTTP/1.1 200 OK\r\n\r\n"]
)
async def test_a_body_that_never_comes_takes_nothing_from_its_head(head: bytes) -> None:
    """A receiver that forgets to end its answer has answered."""
    async with receiving(once(head)) as receiver, opened() as deliver:
        reply = await replied(deliver, a_request(receiver.url(), timeout_s=SHORT_S))
        await happens(receiver.peers[0].over)

    assert isinstance(reply, Answer)
    assert (200, b"", True) == (reply.status, reply.body, reply.truncated)


async def test_a_body_that_drips_is_not_waited_for_beyond_the_timeout() -> None:
    """Bytes that come are no reason to stay: the timeout is that of the whole."""

    async def script(peer: Peer) -> None:
        await peer.hears()
        await peer.says(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        await peer.drips(b"x" * 1000, every_s=0.02)

    async with receiving(script) as receiver, opened() as deliver:
        reply = await replied(deliver, a_request(receiver.url(), timeout_s=SHORT_S))
        await happens(receiver.peers[0].over)

    assert isinstance(reply, Answer)
    assert (200, True) == (reply.status, reply.truncated)
    assert 0 < len(reply.body) < 1000


@pytest.mark.parametrize("joined", [True, False])
@pytest.mark.parametrize(
    ("head", "rest"),
    [
        (b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", b"hello"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", b"ok and more"),
        (CHUNKED, b"no size\r\nhello\r\n"),
        (CHUNKED, b"2\r\nokay\r\n0\r\n\r\n"),
        (CHUNKED, b"2\r\nok\r\n0\r\n" + b"x: y\r\n" * 1000 + b"\r\n"),
    ],
)
async def test_a_body_against_the_rules_takes_nothing_from_its_head(
    head: bytes,
    rest: bytes,
    joined: bool,  # noqa: FBT001
) -> None:
    """In a segment with it or behind it, at once, and the next request finds another connection."""
    pieces = [head + rest] if joined else [head, rest]

    async with receiving(once(*pieces)) as receiver, opened() as deliver:
        for _ in range(2):
            async with asyncio.timeout(HEARD_S):
                reply = await deliver(a_request(receiver.url(), timeout_s=10 * HEARD_S))

            assert isinstance(reply, Answer)
            assert int(head.split()[1]) == reply.status
            await happens(receiver.peers[-1].over)

    assert 2 == len(receiver.peers)


@pytest.mark.parametrize("cut", [1, 2, 3, 4])
async def test_a_head_that_ends_in_two_segments_is_a_head(cut: int) -> None:
    """Wherever its last line ends were cut."""
    head, rest = b"HTTP/1.1 204 No Content\r\n\r\n", b"hello"

    async with receiving(once(head[:-cut], head[-cut:] + rest)) as receiver, opened() as deliver:
        assert Answer(status=204, headers=()) == await replied(deliver, a_request(receiver.url()))


# Connections


async def test_a_connection_is_used_again_and_a_cookie_is_not() -> None:
    """A receiver's cookies would come back on another's delivery."""
    answer = b"HTTP/1.1 200 OK\r\nSet-Cookie: a=1; Path=/\r\nContent-Length: 2\r\n\r\nok"

    async with receiving(each(answer)) as receiver, opened() as deliver:
        for _ in range(3):
            assert isinstance(await replied(deliver, a_request(receiver.url())), Answer)

    assert [3] == [len(peer.heard) for peer in receiver.peers]
    assert [[], [], []] == [one.values(b"cookie") for one in receiver.heard]


@pytest.mark.parametrize(
    "answer", [b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", OK.replace(b"OK", b"OK\r\nConnection: close", 1)]
)
async def test_a_connection_that_is_to_be_closed_is(answer: bytes) -> None:
    """The receiver said so, whether it does it or not."""
    async with receiving(once(answer)) as receiver, opened() as deliver:
        for _ in range(2):
            assert isinstance(await replied(deliver, a_request(receiver.url())), Answer)
            await happens(receiver.peers[-1].over)

    assert 2 == len(receiver.peers)


@pytest.mark.parametrize(
    "stray", [OK.replace(b"200", b"500"), b"HTTP/1.1 408 Timeout\r\n\r\n", b"HTTP/1.1 2", b"garbage"]
)
async def test_what_is_said_unasked_is_nobodys_answer(stray: bytes) -> None:
    """Neither in one piece with the answer before it, nor later on a connection that waits."""

    async def script(peer: Peer) -> None:
        await peer.hears()
        await peer.says(OK)
        await peer.may_go_on.wait()
        await peer.says(stray)
        await peer.hears()
        await peer.says(OK)
        await peer.is_left()

    async with receiving(script) as receiver, receiving(each(OK + stray)) as hasty, opened() as deliver:
        assert THE_OK == await replied(deliver, a_request(receiver.url()))
        receiver.peers[0].may_go_on.set()
        await caught_up(deliver)
        assert THE_OK == await replied(deliver, a_request(receiver.url()))
        for _ in range(2):
            assert THE_OK == await replied(deliver, a_request(hasty.url()))


@pytest.mark.filterwarnings("ignore:Sending a large body:ResourceWarning")  # larger than any event
async def test_an_answer_before_the_request_was_read_is_an_answer() -> None:
    """What of the request was still to go keeps the connection from being used again."""

    async def script(peer: Peer) -> None:
        await peer.reader.readuntil(b"\r\n\r\n")
        await peer.says(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
        await peer.may_go_on.wait()
        await peer.is_left()

    async with receiving(script, window_bytes=4096) as receiver, opened() as deliver:
        for _ in range(2):
            reply = await replied(deliver, a_request(receiver.url(), body=bytes(UNREAD_BYTES)))
            assert Answer(status=413, headers=(("content-length", "0"),)) == reply
        for peer in receiver.peers:
            peer.may_go_on.set()
            await happens(peer.over)

    assert 2 == len(receiver.peers)


async def test_a_large_request_arrives_whole() -> None:
    """However slowly it is read."""
    body = bytes(range(256)) * 4096

    async with receiving(each(OK), window_bytes=4096) as receiver, opened() as deliver:
        assert THE_OK == await replied(deliver, a_request(receiver.url(), body=body))

    assert [body] == [one.body for one in receiver.heard]


@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello"])
async def test_a_request_that_is_given_up_leaves_no_connection(said: bytes) -> None:
    """While the head is waited for, and while the body is."""
    asked = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.hears()
        await peer.says(said)
        asked.set()
        await peer.is_left()

    async with receiving(script) as receiver, opened() as deliver, asyncio.TaskGroup() as group:

        async def one() -> None:
            await deliver(a_request(receiver.url()))

        task = group.create_task(one())
        await happens(asked)
        await caught_up(deliver)
        task.cancel()
        await happens(receiver.peers[0].over)

        assert set() == connector(deliver)._acquired


# No complete head


async def test_a_port_where_nobody_listens_is_a_failed_connect() -> None:
    """It is refused."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

    async with opened() as deliver:
        assert Reason.CONNECT == reason(await replied(deliver, a_request(f"http://127.0.0.1:{port}/")))


@pytest.mark.parametrize(
    "said", [b"", b"HTTP/1.1 20", b"HTTP/1.1 200 OK\r\nContent-Le", b"HTTP/1.1 200 OK\r\nX: y\r\n"]
)
@pytest.mark.parametrize("resets", [True, False])
async def test_a_connection_that_ends_before_the_head_does_is_a_failed_connect(
    said: bytes,
    resets: bool,  # noqa: FBT001
) -> None:
    """By a reset, or closed in order."""

    async def script(peer: Peer) -> None:
        await peer.hears()
        await peer.says(said)
        if resets:
            peer.resets()

    async with receiving(script) as receiver, opened() as deliver:
        assert Reason.CONNECT == reason(await replied(deliver, a_request(receiver.url())))


async def test_a_connection_that_is_reset_before_anything_is_a_failed_connect() -> None:
    """The request may not even have gone out."""

    async def script(peer: Peer) -> None:
        peer.resets()

    async with receiving(script) as receiver, opened() as deliver:
        assert Reason.CONNECT == reason(await replied(deliver, a_request(receiver.url())))


async def test_no_answer_is_a_timeout() -> None:
    """And nobody waits on that connection any longer."""
    async with receiving(once()) as receiver, opened() as deliver:
        reply = await replied(deliver, a_request(receiver.url(), timeout_s=SHORT_S))
        await happens(receiver.peers[0].over)

    assert Reason.TIMEOUT == reason(reply)


async def test_a_head_that_drips_is_a_timeout() -> None:
    """A byte now and then keeps nobody busy."""

    async def script(peer: Peer) -> None:
        await peer.hears()
        await peer.drips(OK * 20, every_s=0.02)

    async with receiving(script) as receiver, opened() as deliver:
        reply = await replied(deliver, a_request(receiver.url(), timeout_s=SHORT_S))
        await happens(receiver.peers[0].over)

    assert Reason.TIMEOUT == reason(reply)


@pytest.mark.parametrize(
    "said",
    [
        b"garbage\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"<html>400</html>",
        bytes(64),
        b"HTTP/2 200\r\n\r\n",
        b"HTTP/1.1 2000 X\r\n\r\n",
        b"HTTP/1.1 0 X\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: a\x00b\r\n\r\n",
        b"HTTP/1.1 200 " + b"x" * (1 << 20) + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * (1 << 20) + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"x" * (1 << 20) + b": y\r\n\r\n",
    ],
    ids=lambda said: repr(said[:20]),
)
async def test_what_is_no_http_is_a_fault_of_protocol(said: bytes) -> None:
    """A line beyond all bounds too."""
    async with receiving(once(said)) as receiver, opened() as deliver:
        assert Reason.PROTOCOL == reason(await replied(deliver, a_request(receiver.url())))
        await happens(receiver.peers[0].over)


@pytest.mark.parametrize(("count", "bytes_each"), [(128, 10), (1, 8000)])
async def test_a_large_head_within_bounds_is_an_answer(count: int, bytes_each: int) -> None:
    """What servers send."""
    answer = b"HTTP/1.1 204 X\r\n" + b"X: %s\r\n" % (b"x" * bytes_each) * count + b"\r\n"

    async with receiving(each(answer)) as receiver, opened() as deliver:
        reply = await replied(deliver, a_request(receiver.url()))

    assert Answer(status=204, headers=(("x", "x" * bytes_each),) * count) == reply


@pytest.mark.parametrize("count", [129, 100_000])
async def test_too_many_headers_are_a_fault_of_protocol(count: int) -> None:
    """Who needs more than 128 is not a webhook receiver."""
    async with receiving(once(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * count + b"\r\n")) as receiver, opened() as deliver:
        assert Reason.PROTOCOL == reason(await replied(deliver, a_request(receiver.url())))


# Names and addresses


@pytest.mark.parametrize("error", [OSError("no such host"), socket.gaierror(socket.EAI_NONAME, "not known")])
async def test_a_name_that_does_not_resolve_is_a_failure_of_dns(error: OSError) -> None:
    """Whatever the resolver calls it."""
    async with opened(resolver=Names(error)) as deliver:
        assert Reason.DNS == reason(await replied(deliver, a_request("http://receiver.example/")))


@pytest.mark.parametrize(("connect_timeout_s", "timeout_s"), [(SHORT_S, 60.0), (60.0, SHORT_S)])
async def test_a_connect_that_takes_too_long_is_a_timeout(connect_timeout_s: float, timeout_s: float) -> None:
    """Its own bound counts, or that of the whole, whichever is less; the look-up is a part of it."""
    async with opened(resolver=Names(None), connect_timeout_s=connect_timeout_s) as deliver:
        async with asyncio.timeout(HEARD_S):
            reply = await deliver(a_request("http://receiver.example/", timeout_s=timeout_s))

    assert Reason.TIMEOUT == reason(reply)


async def test_a_name_is_called_where_it_resolves_to() -> None:
    """And is told to the receiver as it was written."""
    async with receiving(each(OK)) as receiver, opened(resolver=Names(["127.0.0.1"])) as deliver:
        reply = await replied(deliver, a_request(receiver.url(host="receiver.example")))

    assert THE_OK == reply
    assert [[b"receiver.example:%d" % receiver.port]] == [one.values(b"host") for one in receiver.heard]


@pytest.mark.parametrize("addresses", [["127.0.0.1", "10.0.0.1"], ["10.0.0.1", "127.0.0.1"], ["::1", "127.0.0.1"]])
async def test_a_name_with_an_address_that_is_refused_is_called_nowhere(addresses: list[str]) -> None:
    """Not at the one that would be allowed either."""
    async with receiving(each(OK)) as receiver, opened(resolver=Names(addresses)) as deliver:
        reply = await replied(deliver, a_request(receiver.url(host="receiver.example")))

    assert Reason.BLOCKED_ADDRESS == reason(reply)
    assert [] == receiver.peers


@pytest.mark.parametrize(
    "host",
    ["10.0.0.1", "169.254.169.254", "0.0.0.0", "[::1]", "[::]", "[fe80::1]", "[64:ff9b::a00:1]"],
)
async def test_an_address_that_is_not_public_is_refused(host: str) -> None:
    """However it is written, and with nothing sent to find out."""
    async with opened() as deliver:
        assert Reason.BLOCKED_ADDRESS == reason(await replied(deliver, a_request(f"http://{host}:8080/")))


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "127.0.0.1.",
        "localhost",
        "LOCALHOST.",
        "[::ffff:127.0.0.1]",
    ],
)
async def test_loopback_by_any_name_is_not_reached(host: str) -> None:
    """Unless the operator allowed it."""
    async with receiving(each(OK)) as receiver, opened(Egress(allow_http=True)) as deliver:
        reply = await replied(deliver, a_request(receiver.url(host=host)))

    assert reason(reply) in {Reason.BLOCKED_ADDRESS, Reason.INVALID_URL, Reason.DNS}
    assert [] == receiver.peers


async def test_loopback_of_ipv6_is_refused_where_only_that_of_ipv4_is_allowed() -> None:
    """They are two networks."""
    async with receiving(each(OK), host="::1") as receiver, opened() as deliver:
        reply = await replied(deliver, a_request(receiver.url(host="[::1]")))

    assert Reason.BLOCKED_ADDRESS == reason(reply)
    assert [] == receiver.peers


async def test_relays_own_listener_is_refused_whatever_is_allowed() -> None:
    """By address and by a name that leads there."""
    async with receiving(each(OK)) as listener, receiving(each(OK)) as receiver:
        own = Egress(allow_http=True, allowed=[ip_network("127.0.0.0/8")], own=[("127.0.0.1", listener.port)])
        async with opened(own, resolver=Names(["127.0.0.1"])) as deliver:
            for host in ("127.0.0.1", "receiver.example"):
                reply = await replied(deliver, a_request(listener.url(host=host)))
                assert Reason.BLOCKED_ADDRESS == reason(reply)
            assert THE_OK == await replied(deliver, a_request(receiver.url()))

    assert [] == listener.peers


def own_address() -> str:
    """One of this machine's that is not loopback, where it has one: what it would speak from to the outside."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        try:
            one.connect(("192.0.2.1", 9))  # nothing is sent: RFC 5737 documents with it
        except OSError:
            return "127.0.0.2"
        return str(one.getsockname()[0])


async def test_a_listener_on_every_interface_is_refused_at_each_of_them() -> None:
    """Its address says nothing of where it can be reached; another port there is another server."""
    here = own_address()
    async with receiving(each(OK), host="0.0.0.0") as listener, receiving(each(OK), host=here) as receiver:
        networks = [ip_network("127.0.0.0/8"), ip_network(f"{here}/32")]
        own = Egress(allow_http=True, allowed=networks, own=[("0.0.0.0", listener.port)])
        async with opened(own) as deliver:
            for host in ("127.0.0.1", here):
                reply = await replied(deliver, a_request(listener.url(host=host)))
                assert Reason.BLOCKED_ADDRESS == reason(reply)
            assert THE_OK == await replied(deliver, a_request(receiver.url(host=here)))

    assert [] == listener.peers


async def test_a_url_without_tls_is_not_called_unless_the_operator_allowed_it() -> None:
    """However it came to be stored: RELAY_ALLOW_HTTP may have been true then."""
    only_tls = Egress(allowed=[ip_network("127.0.0.0/8")])
    async with receiving(each(OK)) as receiver, opened(only_tls) as deliver:
        reply = await replied(deliver, a_request(receiver.url()))

    assert Reason.INVALID_URL == reason(reply)
    assert [] == receiver.peers


async def test_a_name_is_judged_anew_for_every_new_connection() -> None:
    """One that was allowed and now leads inside is refused, once what it was is forgotten."""
    names = Names(["127.0.0.1"], ["169.254.169.254"])
    closing = OK.replace(b"OK", b"OK\r\nConnection: close", 1)

    async with receiving(once(closing)) as receiver, opened(resolver=names) as deliver:
        first = await replied(deliver, a_request(receiver.url(host="receiver.example")))
        connector(deliver).clear_dns_cache()  # as ten seconds would
        second = await replied(deliver, a_request(receiver.url(host="receiver.example")))

    assert isinstance(first, Answer)
    assert Reason.BLOCKED_ADDRESS == reason(second)
    assert (2, 1) == (names.asked, len(receiver.peers))


async def test_an_address_is_judged_even_if_the_look_up_was_not() -> None:
    """The last line: no socket is made for an address that is refused."""
    [resolved] = await Names(["10.0.0.1"]).resolve("receiver.example", 80)
    family, target = resolved["family"], (resolved["host"], resolved["port"])

    async with opened() as deliver:
        guarded = connector(deliver)
        assert isinstance(guarded, GuardedConnector)
        with pytest.raises(Blocked, match="RFC 1918"):
            guarded._guarded_socket((family, socket.SOCK_STREAM, 0, "", target))


# TLS


async def test_a_receiver_that_is_trusted_is_called_by_tls(tmp_path: Path) -> None:
    """A large body goes out whole, and the connection is used again."""
    theirs, trusting = a_certificate(tmp_path)
    body = bytes(range(256)) * 4096

    async with receiving(each(OK), tls=theirs) as receiver, opened() as deliver:
        connector(deliver)._ssl = trusting
        replies = [await replied(deliver, a_request(receiver.url("/a?b"), body=body)) for _ in range(2)]

    assert [THE_OK] * 2 == replies
    assert [(b"POST /a?b HTTP/1.1", body)] * 2 == [(one.line, one.body) for one in receiver.heard]
    assert 1 == len(receiver.peers)


async def test_a_certificate_that_nobody_vouches_for_is_a_failure_of_tls(tmp_path: Path) -> None:
    """It is self-signed, and the request never goes out."""
    theirs, _ = a_certificate(tmp_path)

    async with receiving(each(OK), tls=theirs) as receiver, opened() as deliver:
        reply = await replied(deliver, a_request(receiver.url()))

    assert Reason.TLS == reason(reply)
    assert [] == receiver.heard


async def test_a_certificate_for_another_host_is_a_failure_of_tls(tmp_path: Path) -> None:
    """Trusted, but not theirs."""
    theirs, trusting = a_certificate(tmp_path, address="127.0.0.2")

    async with receiving(each(OK), tls=theirs) as receiver, opened() as deliver:
        connector(deliver)._ssl = trusting
        reply = await replied(deliver, a_request(receiver.url()))

    assert Reason.TLS == reason(reply)
    assert [] == receiver.heard


async def test_tls_to_who_speaks_none_is_a_failure_of_tls() -> None:
    """A plain HTTP server, which says that it does not understand."""

    async def script(peer: Peer) -> None:
        await peer.says(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
        await peer.is_left()

    async with receiving(script) as receiver, opened() as deliver:
        url = receiver.url().replace("http:", "https:")
        assert Reason.TLS == reason(await replied(deliver, a_request(url)))


async def test_no_tls_to_who_speaks_nothing_else_is_a_failure(tmp_path: Path) -> None:
    """It hangs up on us."""
    theirs, _ = a_certificate(tmp_path)

    async with receiving(each(OK), tls=theirs) as receiver, opened() as deliver:
        reply = await replied(deliver, a_request(receiver.url().replace("https:", "http:"), timeout_s=SHORT_S))

    assert reason(reply) in {Reason.CONNECT, Reason.PROTOCOL, Reason.TIMEOUT}


async def test_a_handshake_that_is_never_answered_is_a_timeout() -> None:
    """It is a part of the connect."""

    async def script(peer: Peer) -> None:
        await peer.is_left()

    async with receiving(script) as receiver, opened(connect_timeout_s=SHORT_S) as deliver:
        reply = await replied(deliver, a_request(receiver.url().replace("http:", "https:")))
        await happens(receiver.peers[0].over)

    assert Reason.TIMEOUT == reason(reply)


# Whatever comes


def reply_to(*pieces: bytes) -> Reply:
    """What a receiver's saying that and closing is, in a loop of its own, as relay's is."""

    async def asked() -> Reply:
        async with receiving(once(*pieces, closes=True)) as receiver, opened() as deliver:
            return await replied(deliver, a_request(receiver.url()))

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(asked())


VALID = [
    OK,
    CHUNKED + b"2\r\nok\r\n0\r\n\r\n",
    b"HTTP/1.0 500 Oh\r\nContent-Type: text/plain\r\n\r\noh",
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n",
]


@st.composite
def mutations(draw: st.DrawFn) -> bytes:
    """A valid answer, a part of which is replaced."""
    valid = draw(st.sampled_from(VALID))
    start, end = sorted(draw(st.lists(st.integers(0, len(valid)), min_size=2, max_size=2)))
    return valid[:start] + draw(st.binary(max_size=12) | st.sampled_from(VALID)) + valid[end:]


@given(said=st.binary(max_size=200) | mutations(), cut=st.integers(0, 60))
def test_whatever_bytes_come_there_is_a_reply(said: bytes, cut: int) -> None:
    """Never an exception, never later than the timeout, never more than is kept."""
    reply = reply_to(said[:cut], said[cut:])

    assert isinstance(reply, Answer | Failure)
    if isinstance(reply, Answer):
        assert 0 <= reply.status <= 999
        assert KEPT_BYTES >= len(reply.body)
        assert all(name == name.lower() for name, _ in reply.headers)


HEADS = [
    b"HTTP/1.1 200 OK\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 103 Hints\r\nx: y\r\n\r\nHTTP/1.1 200 OK\r\nConnection: close\r\nX: y\r\n\r\n",
    CHUNKED,
]


@given(head=st.sampled_from(HEADS), rest=st.binary(min_size=1, max_size=50))
def test_whatever_bytes_follow_a_head_it_has_decided(head: bytes, rest: bytes) -> None:
    """A 200 is a 200."""
    reply = reply_to(head + rest)

    assert isinstance(reply, Answer)
    assert 200 == reply.status


# What an exception of the client's means

KEY = ConnectionKey("receiver.example", 443, True, True, None, None, None)
CERTIFICATE = ssl.SSLCertVerificationError(1, "self-signed")
T0KEN = URL("https://receiver.example/t0ken")
ASKED = aiohttp.RequestInfo(T0KEN, "POST", CIMultiDictProxy(CIMultiDict()), T0KEN)


@pytest.mark.parametrize(
    ("expected", "error"),
    [
        (Reason.INVALID_URL, aiohttp.InvalidURL("x")),
        (Reason.INVALID_URL, aiohttp.InvalidUrlClientError("127.1", "is not canonical")),
        (Reason.INVALID_URL, aiohttp.NonHttpUrlClientError("ftp://x/")),
        (Reason.BLOCKED_ADDRESS, Blocked("private")),
        (Reason.BLOCKED_ADDRESS, aiohttp.ClientConnectorError(KEY, Blocked("private"))),
        (Reason.BLOCKED_ADDRESS, aiohttp.ClientConnectorError(KEY, OSError(REFUSED_BY_US, "Multiple exceptions: …"))),
        (Reason.BLOCKED_ADDRESS, aiohttp.ClientConnectorDNSError(KEY, Blocked("private"))),
        (Reason.DNS, aiohttp.ClientConnectorDNSError(KEY, OSError("no such host"))),
        (Reason.DNS, aiohttp.ClientConnectorDNSError(KEY, socket.gaierror(-2, "not known"))),
        (Reason.PROXY, ProxyFault("the proxy cannot be reached")),
        (Reason.TLS, aiohttp.ClientConnectorSSLError(KEY, ssl.SSLError(1, "wrong version"))),
        (Reason.TLS, aiohttp.ClientConnectorCertificateError(KEY, CERTIFICATE)),
        (Reason.TLS, aiohttp.ServerFingerprintMismatch(b"a", b"b", "receiver.example", 443)),
        (Reason.TIMEOUT, TimeoutError()),
        (Reason.TIMEOUT, aiohttp.ConnectionTimeoutError()),
        (Reason.TIMEOUT, aiohttp.SocketTimeoutError()),
        (Reason.CONNECT, aiohttp.ClientConnectorError(KEY, ConnectionRefusedError(111, "refused"))),
        (Reason.CONNECT, aiohttp.ClientConnectorError(KEY, PermissionError(errno.EACCES, "a firewall's"))),
        (Reason.CONNECT, aiohttp.ClientConnectorError(KEY, PermissionError(errno.EPERM, "a firewall's"))),
        (Reason.CONNECT, aiohttp.ClientOSError(104, "reset")),
        (Reason.CONNECT, aiohttp.ServerDisconnectedError()),
        (Reason.CONNECT, ConnectionResetError()),
        (Reason.CONNECT, BrokenPipeError()),
        (Reason.PROTOCOL, aiohttp.ClientPayloadError("broken off")),
        (Reason.PROTOCOL, aiohttp.ClientError("something new")),
        (Reason.PROTOCOL, ValueError("a header holds a line end")),
    ],
    ids=lambda one: one if isinstance(one, Reason) else type(one).__name__,
)
def test_an_exception_of_the_clients_has_a_reason(expected: Reason, error: Exception) -> None:
    """And its name in the detail, which is for our log."""
    meant = failure(error)

    assert expected == meant.reason
    assert meant.detail.startswith(f"{type(error).__name__}: ")


def test_the_detail_of_a_failure_is_short() -> None:
    """A receiver may have written it."""
    assert 250 > len(failure(aiohttp.ClientPayloadError("x" * 10_000)).detail)


@pytest.mark.parametrize(
    "error",
    [
        aiohttp.InvalidURL("https://receiver.example/t0ken?key=t0ken", "it is none"),
        aiohttp.InvalidUrlClientError("https://receiver.example/t0ken", "is not canonical"),
        BadStatusLine("POST /t0ken HTTP/1.1"),
        BadHttpMessage("Expected HTTP/:\n\n  b'POST /t0ken HTTP/1.1'\n    ^"),
        LineTooLong(b"x-echo: t0ken", 8190),
        aiohttp.ClientResponseError(ASKED, (), message="Expected HTTP/:\n\n  b'POST /t0ken HTTP/1.1'\n    ^"),
    ],
    ids=lambda one: type(one).__name__,
)
def test_the_detail_of_a_failure_cites_neither_a_path_nor_what_a_receiver_sent_back(error: Exception) -> None:
    """Paths carry credentials, and an echo server sends ours back as if it were an answer."""
    assert "t0ken" not in failure(error).detail
    assert failure(error).detail.startswith(f"{type(error).__name__}: ")


def test_the_detail_of_a_failure_says_nothing_of_a_head_that_broke_off() -> None:
    """The client hands on what had come of it, headers and all."""
    reply = reply_to(b"HTTP/1.1 302 Found\r\nLocation: /t0ken\r\n")

    assert isinstance(reply, Failure)
    assert (Reason.CONNECT, "ServerDisconnectedError: it ended inside of a head") == (reply.reason, reply.detail)
