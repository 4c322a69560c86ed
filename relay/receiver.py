"""A webhook receiver that verifies: behind `relay listen`, and the far end of `relay demo`."""

import asyncio
import itertools
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import orjson
from aiohttp import web

from relay.clock import Clock, SystemClock
from relay.errors import Invalid, Problem
from relay.verification import require_secret, verify

MAX_BODY_BYTES = 2 * 1024 * 1024  # twice RELAY_MAX_EVENT_BYTES as it comes; whoever raises that raises this
BODIES_BYTES = 64 * 1024 * 1024  # of bodies held at once; further ones wait in the kernel's buffers
BODY_TIMEOUT_S = 30.0  # twice RELAY_TIMEOUT_S: a sender this slow would only hold one of those places
STOP_S = 1.0  # what a request under way is given when the receiver stops
SHOWN_CHARACTERS = 256  # as long as ids get; the rest of a header is nobody's news


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """One POST, as `on_request` is told. Event type and attempt are the sender's word: no signature covers them."""

    time_ms: int  # when its body was complete
    path: str
    event_type: str | None
    delivery_id: str | None
    attempt: int | None  # from 1
    lead_id: str | None  # from the body; None also where that was not accepted, for then it is not parsed
    verified: bool | None  # None: not checked, for want of a secret or of a whole body
    why: str | None  # why it was not accepted
    status: int  # what is answered, once the delay is over
    body_bytes: int | None  # None: it was not read to its end


@dataclass(frozen=True, slots=True)
class _Unread:
    """In place of a body that was not read to its end: what is answered, and why."""

    status: int
    why: str


class Receiver:
    """Takes POSTs on any path, checks their signatures, and answers what it is told to."""

    def __init__(
        self,
        *,
        secret: bytes | None = None,
        status: int | Sequence[int] = 200,
        delay_s: float = 0.0,
        flaky: int = 0,
        host: str = "127.0.0.1",
        port: int = 0,
        max_body_bytes: int = MAX_BODY_BYTES,
        body_timeout_s: float = BODY_TIMEOUT_S,
        on_request: Callable[[Received], None] | None = None,
        clock: Clock | None = None,
    ) -> None:
        """
        Ready to start.

        Args:
            secret: Checked against; None accepts everything.
            status: For what is accepted, 200 to 599: one, or several in turn.
            delay_s: Between a request and any answer that is no refusal.
            flaky: 500 for so many attempts of every delivery, as `relay-attempt` counts them: nothing is remembered.
            host: Loopback, unless told otherwise.
            port: 0 means any.
            max_body_bytes: A longer body is answered 413.
            body_timeout_s: A body that takes longer to arrive is answered 408.
            on_request: Called once a POST whose body arrived or was refused; must not raise.
            clock: For the time of day and the delay.

        Raises:
            Invalid: As `verification.check`.
        """
        if secret is not None:
            require_secret(secret)  # better now than at the first request
        self._secret = secret
        self._statuses = itertools.cycle((status,) if isinstance(status, int) else tuple(status))
        self._delay_s = delay_s
        self._flaky = flaky
        self._address = (host, port)
        self._max_body_bytes = max_body_bytes
        self._body_timeout_s = body_timeout_s
        self._on_request = on_request or (lambda _: None)
        self._clock = clock or SystemClock()
        self._room = asyncio.Semaphore(max(1, BODIES_BYTES // max_body_bytes))
        self._runner: web.AppRunner | None = None

    async def start(self) -> int:
        """
        Listening; the port.

        Raises:
            Invalid: The address cannot be listened on.
        """
        app = web.Application()
        app.router.add_post("/{path:.*}", self._take)
        runner = web.AppRunner(
            app,
            access_log=None,
            auto_decompress=False,  # the bytes that were signed are the bytes that came
            handler_cancellation=True,  # a sender that timed out leaves nobody waiting for the delay to pass
            shutdown_timeout=STOP_S,
        )
        await runner.setup()
        host, port = self._address
        try:
            site = web.TCPSite(runner, host, port)
            await site.start()
        except OSError as problem:
            await runner.cleanup()
            rule = f"cannot be listened on ({problem.strerror or problem}): choose another"
            raise Invalid(Problem("port", rule, f"{host}:{port}")) from None
        self._runner = runner
        return site.port

    async def stop(self) -> None:
        """Closed; requests under way had a second to end."""
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()

    async def _take(self, request: web.Request) -> web.Response:
        body = await self._body(request)
        received = self._received(request, body, self._clock.now_ms())
        del body  # a delay may be long, and many may wait
        self._on_request(received)
        if received.why is None and self._delay_s:
            await self._clock.sleep(self._delay_s)
        return web.Response(status=received.status, text=f"{received.why or received.status}\n")

    async def _body(self, request: web.Request) -> bytes | _Unread:
        """Read here and not by `request.read`, which would keep it as long as the request."""
        too_long = _Unread(413, f"the body is longer than {self._max_body_bytes} bytes")
        if (request.content_length or 0) > self._max_body_bytes:
            return too_long
        body = bytearray()
        try:
            async with self._room, asyncio.timeout(self._body_timeout_s):
                async for chunk in request.content.iter_any():
                    body += chunk
                    if len(body) > self._max_body_bytes:
                        return too_long
        except TimeoutError:
            return _Unread(408, f"the body did not arrive within {self._body_timeout_s:g} s")
        return bytes(body)

    def _received(self, request: web.Request, body: bytes | _Unread, now_ms: int) -> Received:
        attempt = _attempt(request.headers.get("relay-attempt", ""))
        why: str | None = None
        lead_id: str | None = None
        verified: bool | None = None
        if isinstance(body, _Unread):
            status, why = body.status, body.why
        elif self._secret is not None and (why := _refusal(request, body, self._secret, now_ms)):
            status, verified = 403, False
        else:
            status = 500 if (attempt or 1) <= self._flaky else next(self._statuses)
            verified = None if self._secret is None else True
            lead_id = _lead_id(body)
        return Received(
            time_ms=now_ms,
            path=_shown(request.path) or "",
            event_type=_shown(request.headers.get("relay-event")),
            delivery_id=_shown(request.headers.get("webhook-id")),
            attempt=attempt,
            lead_id=lead_id,
            verified=verified,
            why=why,
            status=status,
            body_bytes=None if isinstance(body, _Unread) else len(body),
        )


def _refusal(request: web.Request, body: bytes, secret: bytes, now_ms: int) -> str | None:
    """Why its signatures do not hold. Whoever stands before us may have taken the TLS off: both schemes are tried."""
    urls = [f"{scheme}://{request.host}{request.raw_path}" for scheme in ("http", "https")]
    return verify(request.headers, body, secret, now_ms / 1000, urls=urls)


def _attempt(header: str) -> int | None:
    return int(header) if re.fullmatch("[1-9][0-9]{0,8}", header) else None


def _lead_id(body: bytes) -> str | None:
    try:
        event = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    lead_id = event.get("resource_id") if isinstance(event, dict) else None
    return _shown(lead_id) if isinstance(lead_id, str) else None


def _shown(text: str | None) -> str | None:
    """Short, and nothing in it that a terminal would obey."""
    if text is None:
        return None
    cut = text[:SHOWN_CHARACTERS]
    return cut if cut.isprintable() else ascii(cut)
