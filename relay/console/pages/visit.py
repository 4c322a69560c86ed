"""One request of a browser: who asks, what was typed, and the page that is the answer. Edge (aiohttp, jinja2)."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs, quote

import structlog
from aiohttp import web
from jinja2 import Environment

from relay import __version__
from relay.access.values import Principal, Scope
from relay.console.api.answers import BODY_S
from relay.console.desk import Desk
from relay.console.keys import DESK, PRINCIPAL
from relay.console.pages import frame
from relay.console.pages.forms import Written
from relay.console.problems import trouble
from relay.errors import RelayError

log = structlog.get_logger()

ENVIRONMENT = web.AppKey("environment", Environment)
THEME, THEMES = "relay-theme", ("light", "dark")  # a cookie of no secret
MAX_FIELDS = 500  # of a form: the longest has some thirty, and a page of deliveries 200 boxes to tick
FORM = "application/x-www-form-urlencoded"
NOT_KEPT = {"Cache-Control": "no-store"}  # what a page shows is for whoever asked, now
TITLES = {
    HTTPStatus.NOT_FOUND: "There is nothing here",
    HTTPStatus.FORBIDDEN: "You may not do that",
    HTTPStatus.CONFLICT: "Somebody else was first",
    HTTPStatus.PRECONDITION_FAILED: "It has changed meanwhile",
    HTTPStatus.UNPROCESSABLE_ENTITY: "That cannot be done like this",
    HTTPStatus.SERVICE_UNAVAILABLE: "Not now",
    HTTPStatus.METHOD_NOT_ALLOWED: "That is no way to ask for this page",
}


@dataclass(frozen=True, slots=True)
class Visit:
    """A request of somebody whom we know."""

    request: web.Request
    desk: Desk
    who: Principal
    now_ms: int
    banners: list[frame.Banner] = field(default_factory=list)  # of this page, besides everybody's

    @property
    def id(self) -> str:
        """What the path names."""
        return self.request.match_info["id"]

    def asked(self, name: str) -> str:
        """A field of the query; empty where it is not there."""
        return self.request.query.get(name, "").strip()

    async def written(self) -> Written:
        """A form that was sent; raises as `read_form`."""
        return await read_form(self.request)

    async def page(self, template: str, *, status: int = HTTPStatus.OK, **context: object) -> web.Response:
        """A template with what it needs, and what stands around every page."""
        age = await self.desk.age()
        around = {
            "who": self.who,
            "person": frame.person(self.who.name),
            "may_write": self.who.may(Scope.WRITE),
            "navigation": frame.navigation(self.who, self.request.path),
            "banners": [*frame.banners(age), *self.banners],
            "age": age,
            "now_ms": self.now_ms,
            "here": self.request.path_qs,
            "relay_version": __version__,
        }
        return rendered(self.request, template, status=status, **around, **context)

    async def problem(self, status: HTTPStatus, text: str, *, back: str = "/") -> web.Response:
        """A page that says what went wrong, and leads back."""
        is_passing = status is HTTPStatus.SERVICE_UNAVAILABLE
        return await self.page(
            "problem.html",
            status=status,
            title=TITLES.get(status, status.phrase),
            text=text,
            back=self.request.path_qs if is_passing and self.request.method == "GET" else back,
            is_passing=is_passing,
        )


Handler = Callable[[Visit], Awaitable[web.StreamResponse]]


async def read_form(request: web.Request) -> Written:
    """
    Field -> values.

    Raises:
        HTTPBadRequest, HTTPUnsupportedMediaType: It is no form.
        HTTPRequestTimeout: It did not come in time.
    """
    try:
        async with asyncio.timeout(BODY_S):
            raw = await request.read()  # which the application bounds
    except TimeoutError:
        raise web.HTTPRequestTimeout(text=f"the form did not come within {BODY_S:.0f} s") from None
    if request.content_type != FORM:
        raise web.HTTPUnsupportedMediaType(text="this is no form")
    try:
        return parse_qs(raw.decode(), keep_blank_values=True, max_num_fields=MAX_FIELDS, errors="strict")
    except ValueError:
        raise web.HTTPBadRequest(text="this is no form") from None


def rendered(request: web.Request, template: str, *, status: int = HTTPStatus.OK, **context: Any) -> web.Response:  # noqa: ANN401
    """A page, with or without somebody whom we know."""
    theme = request.cookies.get(THEME)
    html = request.app[ENVIRONMENT].get_template(template).render(**context, theme=theme if theme in THEMES else None)
    return web.Response(text=html, content_type="text/html", status=status, headers=NOT_KEPT)


def handled(handler: Handler) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """The handler of a request: whoever is not known logs in first, and what goes wrong is a page."""

    async def handle(request: web.Request) -> web.StreamResponse:
        who = request.get(PRINCIPAL)
        if not isinstance(who, Principal):
            wanted = request.path_qs if request.method == "GET" else "/"
            raise web.HTTPSeeOther(f"/login?next={quote(wanted, safe='')}")
        desk = request.app[DESK]
        visit = Visit(request, desk, who, desk.now_ms())
        if request.method == "POST":
            await visit.written()  # also where nothing of it is read: a webhook that is sent to us is no form
        try:
            return await handler(visit)
        except RelayError as error:
            told = trouble(error, operator=who.account is None)
            return await visit.problem(told.status, told.detail)

    return handle


def see(path: str) -> web.HTTPSeeOther:
    """Where the browser goes on after a form (RFC 9110, section 15.4.4): a reload sends nothing again."""
    return web.HTTPSeeOther(path)
