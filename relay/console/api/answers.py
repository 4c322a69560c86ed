"""JSON in, within bounds, and JSON out. Edge (aiohttp)."""

import asyncio
from http import HTTPStatus
from typing import Any

import orjson
from aiohttp import web

from relay.access.values import Principal
from relay.console.ages import Age
from relay.console.api.asked import Asked, once
from relay.console.desk import Desk
from relay.console.keys import DESK, PRINCIPAL
from relay.console.problems import CONTENT_TYPE, Trouble
from relay.console.views import age
from relay.pipeline.decode import MAX_DEPTH, too_deep

MAX_BODY_BYTES = 1024 * 1024  # a subscription's record is at most that
BODY_S = 30.0  # for a body: a megabyte at 300 kbit/s
JSON = "application/json"


class Told(Exception):
    """The answer is this trouble, whatever else was to be done."""

    def __init__(self, status: HTTPStatus, detail: str, **headers: str) -> None:
        super().__init__(detail)
        self.trouble = Trouble(
            status=status, detail=detail, headers={name.replace("_", "-"): one for name, one in headers.items()}
        )


def asker(request: web.Request) -> tuple[Desk, Principal]:
    """
    The desk, and who asks.

    Raises:
        Told: Nobody that we know.
    """
    who = request.get(PRINCIPAL)
    if not isinstance(who, Principal):
        raise Told(
            HTTPStatus.UNAUTHORIZED, "this needs a token: Authorization: Bearer rly_…", WWW_Authenticate="Bearer"
        )
    return request.app[DESK], who


def query(request: web.Request) -> Asked:
    """What stands behind the question mark."""
    return once(request.query.items())


async def received(request: web.Request) -> bytes:
    """
    The body's bytes; aiohttp bounds them by the application's `client_max_size`.

    Raises:
        Told: It did not come in time.
    """
    try:
        async with asyncio.timeout(BODY_S):
            return await request.read()
    except TimeoutError:
        raise Told(HTTPStatus.REQUEST_TIMEOUT, f"the body did not come within {BODY_S:.0f} s") from None


async def body(request: web.Request, *, needed: bool = True) -> Asked:
    """
    The JSON object that was sent.

    Raises:
        Told: It is none, or too large, too deep, or said to be something else.
    """
    raw = await received(request)
    if not raw and not needed:
        return Asked({})
    if request.content_type != JSON:
        raise Told(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"the body must be {JSON}", Accept=JSON)
    return Asked(parsed(raw))


def parsed(raw: bytes) -> dict[str, Any]:
    """
    Raises:
        Told: It is no JSON object, or nested too deep.
    """
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise Told(HTTPStatus.BAD_REQUEST, f"the body is no JSON: {str(error)[:200]}") from None
    if not isinstance(value, dict):
        raise Told(HTTPStatus.BAD_REQUEST, "the body must be a JSON object")
    if too_deep(raw, value):
        raise Told(HTTPStatus.BAD_REQUEST, f"the body is nested deeper than {MAX_DEPTH}")
    return value


def answer(value: object, status: HTTPStatus = HTTPStatus.OK, **headers: str) -> web.Response:
    """As JSON, kept by nobody on its way."""
    named = {name.replace("_", "-"): one for name, one in headers.items()}
    return web.Response(
        body=orjson.dumps(value), status=status, content_type=JSON, headers={"Cache-Control": "no-store", **named}
    )


def refused(trouble: Trouble) -> web.Response:
    """Problem details."""
    headers = {"Content-Type": CONTENT_TYPE, "Cache-Control": "no-store", **trouble.headers}
    return web.Response(body=orjson.dumps(trouble.body()), status=trouble.status, headers=headers)


def listing(items: list[Any], cursor: str | None, aged: Age, **more: object) -> dict[str, Any]:
    """A page of a listing, and how old it is."""
    return {"items": items, "cursor": cursor, **more, "age": age(aged)}
