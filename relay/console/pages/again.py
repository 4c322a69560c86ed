"""
A form that is sent again, as by a double click, is answered again, and what it asks for is done once. Edge (aiohttp).

The browser shows the answer to the second; what is shown once, a Secret or a token, must stand there too.
"""

import asyncio
from functools import wraps
from secrets import token_urlsafe

from aiohttp import web

from relay.console.api.idempotency import Kept, printed
from relay.console.api.repeats import ANSWERS, kept
from relay.console.pages import forms
from relay.console.pages.visit import Handler, Visit

MAKING = web.AppKey("making", asyncio.Lock)  # one at a time: the second of two finds what the first was answered
MAX_NONCE = 64  # characters; of 16 bytes there are 22


def nonce() -> str:
    """What tells this form from the next that holds the same."""
    return token_urlsafe(16)


async def key_of(visit: Visit) -> str | None:
    """What tells this form, filled in as it is, from others; None: nothing does."""
    said = forms.text(await visit.written(), "nonce")[:MAX_NONCE]
    request = visit.request
    return f"form:{said}:{printed(request.method, request.path, await request.read()).hex()}" if said else None


def once(handler: Handler) -> Handler:
    """As the handler; a form with a nonce, filled in as before, gets the same answer."""

    @wraps(handler)
    async def answered(visit: Visit) -> web.StreamResponse:
        key = await key_of(visit)
        if key is None:
            return await handler(visit)
        answers, name = visit.request.app[ANSWERS], (visit.who.name, key)
        async with visit.request.app[MAKING]:
            there = answers.begin(name, b"", asyncio.get_running_loop().time())
            if isinstance(there, Kept):
                return web.Response(status=there.status, body=there.body, headers=there.headers)
            answer: Kept | None = None
            try:
                response = await handler(visit)
                answer = kept(response)
            finally:
                answers.end(name, answer)  # what came to nothing may be sent again
        return response

    return answered
