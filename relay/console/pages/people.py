"""The theme that somebody likes. Edge."""

from aiohttp import web

from relay.console.pages import forms
from relay.console.pages.frame import is_here
from relay.console.pages.visit import THEME, THEMES, Visit, handled, see

YEAR_S = 365 * 24 * 3600


async def theme(visit: Visit) -> web.StreamResponse:
    """Light or dark from now on; without, as the system is."""
    written = await visit.written()
    wanted, back = forms.text(written, "theme"), forms.text(written, "next")
    answer = see(back if is_here(back) else "/")
    if wanted in THEMES:
        answer.set_cookie(THEME, wanted, max_age=YEAR_S, httponly=True, samesite="Lax")
    return answer


ROUTES = [web.post("/theme", handled(theme))]
