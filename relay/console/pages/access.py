"""Tokens: seen, made, revoked. Edge."""

from http import HTTPStatus

from aiohttp import web

from relay.access.values import Scope, Token
from relay.console.pages import forms, words
from relay.console.pages.again import nonce, once
from relay.console.pages.visit import Visit, handled, see
from relay.errors import Invalid, NotFound

SCOPES = (
    (Scope.READ.value, "read: see everything but secrets and paths of URLs"),
    (Scope.WRITE.value, "write: change webhooks, send again"),
    (Scope.ADMIN.value, "admin: tokens, audit, erasing"),
)
EXPIRIES = (("", "never"), ("30", "in 30 days"), ("90", "in 90 days"), ("365", "in a year"))
POWER = "do what its scope says"


async def listed(visit: Visit) -> web.Response:
    """Those that they may see."""
    return await _page(visit, values={"name": "", "scope": Scope.READ.value, "account_id": "", "expires": ""})


@once
async def make(visit: Visit) -> web.Response:
    """A new one, shown this once."""
    written = await visit.written()
    values = {name: forms.text(written, name) for name in ("name", "scope", "account_id", "expires")}
    expires_at = None
    if values["expires"] in {days for days, _ in EXPIRIES if days}:
        expires_at = words.instant(visit.now_ms + int(values["expires"]) * words.DAY_MS)
    try:
        made, token = await visit.desk.create_token(
            visit.who,
            name=values["name"],
            scope=values["scope"],
            account=values["account_id"] or None,
            expires_at=expires_at,
        )
    except Invalid as invalid:
        return await _page(visit, values=values, errors=forms.by_field(invalid.problems))
    return await visit.page(
        "secret.html",
        title=f"The token {made.name}",
        text="It goes into the login page, or behind Authorization: Bearer.",
        secret=token,
        power=POWER,
        next="/access",
        next_label="I have it",
    )


async def ask_revoke(visit: Visit) -> web.Response:
    """Whether they mean it."""
    found = next((one for one in await visit.desk.tokens(visit.who) if one.id == visit.id), None)
    if found is None:
        raise NotFound("there is no such token")
    return await visit.page("revoke.html", it=found)


async def revoke(visit: Visit) -> web.StreamResponse:
    """They do."""
    await visit.desk.revoke_token(visit.who, visit.id)
    return see("/access")


async def _page(visit: Visit, *, values: dict[str, str], errors: dict[str, str] | None = None) -> web.Response:
    tokens = await visit.desk.tokens(visit.who)
    return await visit.page(
        "access.html",
        status=HTTPStatus.UNPROCESSABLE_ENTITY if errors else HTTPStatus.OK,
        rows=[_row(one) for one in tokens],
        nonce=nonce(),
        values=values,
        errors=errors or {},
        scopes=SCOPES,
        expiries=EXPIRIES,
    )


def _row(one: Token) -> dict[str, object]:
    return {
        "id": one.id,
        "name": one.name,
        "prefix": one.prefix,
        "scope": one.scope.value,
        "account": one.account_id,
        "by": one.created_by,
        "created_ms": words.parsed(one.created_at),
        "expires_ms": words.parsed(one.expires_at),
    }


ROUTES = [
    web.get("/access", handled(listed)),
    web.post("/access", handled(make)),
    web.get("/access/{id}/revoke", handled(ask_revoke)),
    web.post("/access/{id}/revoke", handled(revoke)),
]
