"""Whoever comes and goes: login, logout, the theme that they like. Edge."""

from http import HTTPStatus

from aiohttp import web

from relay.access.guard import TooOften, Welcome
from relay.access.sessions import ended
from relay.console.keys import GUARD, PRINCIPAL
from relay.console.pages import forms
from relay.console.pages.frame import is_here
from relay.console.pages.visit import THEME, THEMES, Visit, handled, read_form, rendered, see

YEAR_S = 365 * 24 * 3600


async def ask(request: web.Request) -> web.Response:
    """The login page; whoever is known already is sent on."""
    wanted = _back(request.query.get("next", ""))
    if request.get(PRINCIPAL) is not None:
        raise see(wanted)
    return rendered(request, "login.html", next=wanted, errors={})


async def log_in(request: web.Request) -> web.StreamResponse:
    """A session begins with a token, and ends with it."""
    written = await read_form(request)
    wanted = _back(forms.text(written, "next"))
    done = request.app[GUARD].log_in(request, forms.text(written, "token"))
    match done:
        case Welcome(set_cookie=cookie):
            answer = see(wanted)
            answer.headers["Set-Cookie"] = cookie
            return answer
        case TooOften(retry_after_s=wait_s):
            errors, status = {"token": f"was tried too often: wait {wait_s} s"}, HTTPStatus.TOO_MANY_REQUESTS
        case _:
            errors, status = {"token": "is none, was revoked, or has expired"}, HTTPStatus.FORBIDDEN
    page = rendered(request, "login.html", status=status, next=wanted, errors=errors)
    if isinstance(done, TooOften):
        page.headers["Retry-After"] = str(done.retry_after_s)
    return page


async def log_out(_: web.Request) -> web.StreamResponse:
    """The browser forgets its session."""
    answer = see("/login")
    answer.headers["Set-Cookie"] = ended()
    return answer


async def theme(visit: Visit) -> web.StreamResponse:
    """Light or dark from now on; without, as the system is."""
    written = await visit.written()
    wanted = forms.text(written, "theme")
    answer = see(_back(forms.text(written, "next")))
    if wanted in THEMES:
        answer.set_cookie(THEME, wanted, max_age=YEAR_S, httponly=True, samesite="Lax")
    return answer


def _back(path: str) -> str:
    return path if is_here(path) and not path.startswith("/log") else "/"


ROUTES = [
    web.get("/login", ask),
    web.post("/login", log_in),
    web.post("/logout", log_out),
    web.post("/theme", handled(theme)),
]
