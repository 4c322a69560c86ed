"""Calls that are made again with the same Idempotency-Key are not done again. Edge (aiohttp)."""

import asyncio
from collections.abc import Awaitable, Callable
from http import HTTPStatus

from aiohttp import web

from relay.console.api.answers import Told, asker, received
from relay.console.api.idempotency import MAX_KEY, Answers, Kept, Refusal, printed, sound

HEADER = "Idempotency-Key"
ANSWERS = web.AppKey("answers", Answers)
KEPT_HEADERS = ("Content-Type", "Cache-Control", "ETag", "Location")

Handler = Callable[[web.Request], Awaitable[web.Response]]


def key_of(request: web.Request) -> str | None:
    """
    The call's key, if it has one.

    Raises:
        Told: It can be none.
    """
    key = request.headers.get(HEADER)
    if key is not None and not sound(key):
        raise Told(HTTPStatus.BAD_REQUEST, f"{HEADER} takes 1 to {MAX_KEY} visible ASCII characters")
    return key


def once(handler: Handler) -> Handler:
    """As the handler; the same key and body of the same caller get the same answer."""

    async def answered(request: web.Request) -> web.Response:
        _, who = asker(request)
        key = key_of(request)
        if key is None:
            return await handler(request)
        answers, name = request.app[ANSWERS], (who.name, key)
        print_ = printed(request.method, request.path_qs, await received(request))
        there = answers.begin(name, print_, asyncio.get_running_loop().time())
        if isinstance(there, Kept):
            return web.Response(
                status=there.status, body=there.body, headers={**there.headers, "Idempotency-Replayed": "true"}
            )
        if there is Refusal.UNDER_WAY:
            raise Told(HTTPStatus.CONFLICT, there.value, Retry_After="1")
        if there is Refusal.OTHER:
            raise Told(HTTPStatus.UNPROCESSABLE_ENTITY, there.value)
        answer: Kept | None = None
        try:
            response = await handler(request)
            answer = kept(response)
        finally:
            answers.end(name, answer)  # what failed may be tried again
        return response

    return answered


def kept(response: web.StreamResponse) -> Kept | None:
    """What is kept of an answer; None: it came to nothing, or is told bit by bit."""
    if (
        not isinstance(response, web.Response)
        or response.status >= HTTPStatus.BAD_REQUEST
        or not isinstance(response.body, bytes | None)
    ):
        return None
    headers = {name: response.headers[name] for name in KEPT_HEADERS if name in response.headers}
    return Kept(response.status, response.body or b"", headers)
