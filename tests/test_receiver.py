"""The receiver, over real sockets."""

import asyncio
import hmac
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from yarl import URL

from relay.clock import ManualClock
from relay.errors import Invalid
from relay.receiver import BODIES_BYTES, Received, Receiver
from tests.signed import BODY, NOON_S, SECRET, sha1, v1

Body = bytes | AsyncIterator[bytes]


@pytest.mark.parametrize("secret", [b"", b"whsec_", b"whsec_%%%", b"whsec_YQ"])
def test_a_secret_that_cannot_be_a_key_is_refused_at_once(secret: bytes) -> None:
    """Before the first request, and without showing it."""
    with pytest.raises(Invalid) as refused:
        Receiver(secret=secret)

    assert "%%%" not in str(refused.value)


# the server


@asynccontextmanager
async def listening(
    **options: Any,  # noqa: ANN401  a Receiver's own
) -> AsyncIterator[tuple[str, list[Received], aiohttp.ClientSession]]:
    """Its URL, what it was sent, and a client."""
    received: list[Received] = []
    options = {"clock": ManualClock(NOON_S * 1000)} | options
    receiver = Receiver(on_request=received.append, **options)
    port = await receiver.start()
    try:
        async with aiohttp.ClientSession() as client:
            yield f"http://127.0.0.1:{port}", received, client
    finally:
        await receiver.stop()


async def posted(
    client: aiohttp.ClientSession, url: str | URL, body: Body = BODY, headers: Mapping[str, str] | None = None
) -> tuple[int, str]:
    async with client.post(url, data=body, headers=headers) as reply:
        return reply.status, await reply.text()


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not holds():  # noqa: ASYNC110  the condition is another task's, and no time is waited for
            await asyncio.sleep(0)


def run(test: Callable[[], Awaitable[None]]) -> None:
    async def within_a_time() -> None:
        async with asyncio.timeout(30):
            await test()

    asyncio.run(within_a_time())


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_signature_over_the_url_is_checked_with_the_url_that_was_called(scheme: str) -> None:
    """Byte for byte; whoever stands before it may have taken the TLS off."""

    async def test() -> None:
        async with listening(secret=SECRET) as (url, received, client):
            called = f"{url}/hooks?token=a%2Fb"
            message = b"POST&" + called.replace("http", scheme).encode() + b"&" + BODY
            signed = {"x-artibot-signature": hmac.digest(SECRET, message, "sha1").hex().upper()}

            right, _ = await posted(client, URL(called, encoded=True), headers=signed)
            wrong, why = await posted(client, url, headers=signed)

        assert (200, 403) == (right, wrong)
        assert "(artibot-url)" in why
        assert [True, False] == [one.verified for one in received]

    run(test)


def test_a_signed_request_is_taken_and_told() -> None:
    """One record a request, with all that a person wants to see."""

    async def test() -> None:
        async with listening(secret=SECRET) as (url, received, client):
            headers = v1() | sha1() | {"relay-event": "lead.updated", "relay-attempt": "2"}

            status, _ = await posted(client, url + "/hooks/a", headers=headers)

        assert status == 200
        assert received == [
            Received(
                time_ms=NOON_S * 1000,
                path="/hooks/a",
                event_type="lead.updated",
                delivery_id="dlv_1",
                attempt=2,
                lead_id="lead-1",
                verified=True,
                why=None,
                status=200,
                body_bytes=len(BODY),
            )
        ]

    run(test)


def test_a_wrong_signature_is_answered_403_and_its_reason() -> None:
    """Whatever status it was told to answer; nor does a refusal use one up."""

    async def test() -> None:
        async with listening(secret=SECRET, status=(503, 200), delay_s=60) as (url, received, client):
            status, text = await posted(client, url, headers=sha1(secret=b"other"))

        assert status == 403
        assert text.startswith("x-artibot-signature does not match")
        assert [(one.verified, one.status, one.lead_id) for one in received] == [(False, 403, None)]
        assert received[0].why == text.strip()

    run(test)


def test_without_a_secret_everything_is_taken_and_nothing_called_verified() -> None:
    """`None` is not `True`: a body that is no event has no lead either."""

    async def test() -> None:
        async with listening() as (url, received, client):
            taken = [await posted(client, url, body) for body in (b"", b"{", b"[1]", b'{"resource_id":7}')]

        assert [status for status, _ in taken] == [200] * 4
        assert {(one.verified, one.why, one.lead_id) for one in received} == {(None, None, None)}

    run(test)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"status": 204}, [204, 204, 204]),
        ({"status": (500, 200)}, [500, 200, 500]),
        ({"flaky": 2}, [500, 500, 200]),
        ({"flaky": 1, "status": (204, 410)}, [500, 204, 410]),
    ],
)
def test_it_answers_as_it_is_told(options: dict[str, Any], expected: list[int]) -> None:
    """The attempts of one delivery, in their order."""

    async def test() -> None:
        async with listening(**options) as (url, received, client):
            answered = [(await posted(client, url, headers={"relay-attempt": str(n)}))[0] for n in (1, 2, 3)]

        assert answered == expected == [one.status for one in received]

    run(test)


def test_a_delay_is_waited_before_the_answer() -> None:
    """On the clock that was handed in; the request is told when it came."""

    async def test() -> None:
        clock = ManualClock()
        async with listening(delay_s=60, clock=clock) as (url, received, client), asyncio.TaskGroup() as group:
            reply = group.create_task(posted(client, url))
            await until(lambda: bool(received))
            await clock.advance(59)
            assert not reply.done()

            await clock.advance(1)

            assert (await reply)[0] == 200

    run(test)


async def _in_pieces(size: int) -> AsyncIterator[bytes]:
    for _ in range(size):
        yield b"x"


@pytest.mark.parametrize("body", [lambda: b"x" * 101, lambda: _in_pieces(101)])
def test_a_body_over_the_limit_is_refused(body: Callable[[], Body]) -> None:
    """Whether its length was announced or not; one that just fits is taken."""

    async def test() -> None:
        async with listening(max_body_bytes=100) as (url, received, client):
            assert (await posted(client, url, b"x" * 100))[0] == 200
            assert (await posted(client, url, _in_pieces(100)))[0] == 200

            status, text = await posted(client, url, body())

        assert (status, text) == (413, "the body is longer than 100 bytes\n")
        assert [one.body_bytes for one in received] == [100, 100, None]
        assert received[-1].verified is None

    run(test)


def test_a_body_that_dawdles_is_refused() -> None:
    """Its place is another's once its time is over."""

    async def test() -> None:
        async with listening(body_timeout_s=0.01) as (url, received, _):
            reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rsplit(":", 1)[1]))
            writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf")
            head = await reader.readline()
            writer.close()

        assert b" 408 " in head
        assert [one.status for one in received] == [408]

    run(test)


def test_only_so_many_bodies_are_held_at_once() -> None:
    """The next one waits until one of them is complete or gone."""

    async def test() -> None:
        receiver = Receiver(max_body_bytes=BODIES_BYTES // 4)
        port = await receiver.start()
        halves = [(await asyncio.open_connection("127.0.0.1", port))[1] for _ in range(4)]
        for half in halves:
            half.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf")
        await until(receiver._room.locked)
        async with aiohttp.ClientSession() as client, asyncio.TaskGroup() as group:
            reply = group.create_task(posted(client, f"http://127.0.0.1:{port}"))
            await until(lambda: bool(receiver._room._waiters))
            assert not reply.done()

            halves[0].transport.abort()

            assert (await reply)[0] == 200
        for half in halves:
            half.transport.abort()
        await receiver.stop()

    run(test)


def test_a_sender_that_hangs_up_is_no_request(caplog: pytest.LogCaptureFixture) -> None:
    """Neither told nor logged as a fault, and the next one is served."""

    async def test() -> None:
        async with listening() as (url, received, client):
            _, writer = await asyncio.open_connection("127.0.0.1", int(url.rsplit(":", 1)[1]))
            writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf")
            await writer.drain()
            writer.transport.abort()

            assert (await posted(client, url))[0] == 200
            assert len(received) == 1

    run(test)
    assert caplog.records == []


def test_what_it_tells_is_fit_for_a_terminal() -> None:
    """A sender chooses these texts."""

    async def test() -> None:
        async with listening() as (url, received, client):
            body = b'{"resource_id":"\\u001b[2J"}'
            headers = {"relay-attempt": "one", "webhook-id": "x" * 1_000, "relay-event": "\u202egnp"}
            await posted(client, url, body, headers)

        told = received[0]
        assert (told.lead_id, told.attempt, told.event_type) == (r"'\x1b[2J'", None, r"'\u202egnp'")
        assert told.delivery_id == "x" * 256

    run(test)


def test_a_compressed_body_is_verified_as_it_came() -> None:
    """The bytes that were signed are the bytes that came: nothing is unpacked, so a bomb is no longer than it is."""

    async def test() -> None:
        async with listening(secret=SECRET) as (url, received, client):
            body = b"\x1f\x8b not really gzip"
            status, _ = await posted(client, url, body, {"content-encoding": "gzip"} | sha1(body))

        assert status == 200
        assert received[0].body_bytes == len(body)

    run(test)


def test_only_posts_are_taken() -> None:
    """A browser is told so, and nobody else is."""

    async def test() -> None:
        async with listening() as (url, received, client):
            reply = await client.get(url)
            assert reply.status == 405
        assert received == []

    run(test)


def test_a_port_that_is_taken_is_told() -> None:
    """With what to do; and stopping what never started, or twice, is nothing."""

    async def test() -> None:
        async with listening() as (url, _, _):
            second = Receiver(port=int(url.rsplit(":", 1)[1]))
            with pytest.raises(Invalid, match=r"port: cannot be listened on .* choose another \(given: 127"):
                await second.start()
            await second.stop()
            await second.stop()

    run(test)
