"""Webhooks are added, edited, rotated, paused, resumed and deleted. Edge."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from aiohttp import web

from relay.access.values import Scope
from relay.console.api.idempotency import subscription_id
from relay.console.pages import forms, hooks, words
from relay.console.pages.again import key_of, nonce, once
from relay.console.pages.forms import Written
from relay.console.pages.rendering import segment
from relay.console.pages.trials import Trial, tried
from relay.console.pages.visit import Visit, handled, see
from relay.errors import Conflict, Invalid, Problem, Stale
from relay.model import EVENT_TYPES

FIRST = ("name", "url", "secret", "account_id", "events", "filter")  # the others stand behind "More settings"
BESIDE = (*FIRST, "bot_ids", "signatures", "headers", *forms.NUMBERS, "tls")
SIGN = "sign what your receiver takes for ours"
CONFIRM: Mapping[str, tuple[str, str, tuple[str, ...]]] = {
    "pause": (
        "Pause {}?",
        "Pause",
        (
            "Its deliveries are put off, and made when it is resumed.",
            (
                "What was put off for longer than RELAY_MAX_AGE (three days, where nobody has changed it) is given up; "
                "a replay can send it later."
            ),
        ),
    ),
    "resume": (
        "Resume {}?",
        "Resume",
        ("What comes from now on is delivered again.", "What was dropped or given up meanwhile can be replayed next."),
    ),
    "delete": (
        "Delete {}?",
        "Delete webhook",
        ("Deliveries on their way to it are dropped, and its Secret is gone for good.", "Its history stays."),
    ),
}


async def new(visit: Visit) -> web.Response:
    """The form of a new one."""
    visit.who.require(Scope.WRITE)
    return await _form(visit, values=forms.blank(visit.who.account))


async def create(visit: Visit) -> web.StreamResponse:
    """A new one; a Secret that was generated is shown this once."""
    written = await visit.written()
    if forms.text(written, "do") == "try":
        return await _form(visit, values=forms.again(written), trial=await tried(visit, written))
    return await _create(visit)


@once
async def _create(visit: Visit) -> web.StreamResponse:
    written, key = await visit.written(), await key_of(visit)
    said, problems = forms.webhook(written, is_new=True)
    secret = (written.get("secret") or [""])[0] or None
    ident = None if key is None else subscription_id(visit.who.name, key)
    try:
        _none_wrong(problems)
        made, generated = await visit.desk.create(visit.who, said, secret=secret, ident=ident)
    except Invalid as invalid:
        values = forms.again(written)
        return await _form(visit, values=values, errors=forms.by_field(invalid.problems), had_secret=secret is not None)
    except Conflict as conflict:  # the same form, sent again to another console
        return await _form(visit, values=forms.again(written), errors={"webhook": str(conflict)})
    path = f"/subscriptions/{segment(made['id'])}"
    if generated is None:
        return see(path)
    return await _shown_once(visit, f"{made['name']} is added", generated, path)


async def edit(visit: Visit) -> web.Response:
    """The form of one that there is."""
    it = await visit.desk.subscription(visit.who, visit.id)
    visit.who.require(Scope.WRITE)
    return await _form(visit, values=forms.of(it), it=it, version=it["version"])


async def update(visit: Visit) -> web.StreamResponse:
    """It is changed, unless somebody else has changed it meanwhile."""
    written = await visit.written()
    said, problems = forms.webhook(written, is_new=False)
    version = _version(written)
    it = await visit.desk.subscription(visit.who, visit.id)
    if forms.text(written, "do") == "try":
        trial = await tried(visit, written)
        return await _form(visit, values=forms.again(written), it=it, version=version, trial=trial)
    try:
        _none_wrong(problems)
        await visit.desk.update(visit.who, visit.id, said, version=version)
    except Invalid as invalid:
        errors = forms.by_field(invalid.problems)
        return await _form(visit, values=forms.again(written), it=it, version=version, errors=errors)
    except Conflict as conflict:
        rule = str(conflict)
        if isinstance(conflict, Stale):
            rule = f"{it['updated_by']} has changed it meanwhile: save again to have it as it stands here"
            version = it["version"]
        errors, status = {"webhook": rule}, HTTPStatus.CONFLICT
        return await _form(visit, values=forms.again(written), it=it, version=version, errors=errors, status=status)
    return see(f"/subscriptions/{segment(visit.id)}")


async def ask_rotate(visit: Visit) -> web.Response:
    """The form of a new Secret."""
    it = await visit.desk.subscription(visit.who, visit.id)
    visit.who.require(Scope.WRITE)
    return await visit.page("rotate.html", it=it, errors={}, values={"expire_in": "24h", "activate_in": "0s"})


async def rotate(visit: Visit) -> web.StreamResponse:
    """A new Secret in front; one that was generated is shown this once."""
    written = await visit.written()
    secret = (written.get("secret") or [""])[0] or None
    values = {name: forms.text(written, name) for name in ("expire_in", "activate_in")}
    try:
        made, generated = await visit.desk.rotate(
            visit.who, visit.id, secret=secret, version=_version(written), **values
        )
    except (Invalid, Conflict) as error:
        problems = error.problems if isinstance(error, Invalid) else (Problem("webhook", str(error)),)
        it = await visit.desk.subscription(visit.who, visit.id)
        errors = forms.by_field(problems)
        return await visit.page(
            "rotate.html", it=it, errors=errors, values=values, status=HTTPStatus.UNPROCESSABLE_ENTITY
        )
    path = f"/subscriptions/{segment(visit.id)}"
    if generated is None:
        return see(path)
    return await _shown_once(visit, f"The new Secret of {made['name']}", generated, path)


async def ask(visit: Visit) -> web.Response:
    """Whether they mean it."""
    it = await visit.desk.subscription(visit.who, visit.id)
    visit.who.require(Scope.WRITE)
    return await _confirm(visit, visit.request.match_info["verb"], it)


async def act(visit: Visit) -> web.StreamResponse:
    """They do."""
    written, verb, who, desk = await visit.written(), visit.request.match_info["verb"], visit.who, visit.desk
    it, version, reason = await desk.subscription(who, visit.id), _version(written), forms.text(written, "reason")
    path = f"/subscriptions/{segment(visit.id)}"
    try:
        if verb == "pause":
            await desk.pause(who, visit.id, version=version, reason=reason or None)
        elif verb == "resume":
            await desk.resume(who, visit.id, version=version)
            path += forms.query({"missed_since": words.instant(hooks.missed_since_ms(it))})
        else:
            await desk.delete(who, visit.id, version=version)
            path = "/subscriptions"
    except Invalid as invalid:
        return await _confirm(visit, verb, it, reason=reason, errors=forms.by_field(invalid.problems))
    except Conflict as conflict:
        return await _confirm(visit, verb, it, reason=reason, conflict=str(conflict))
    return see(path)


async def _confirm(
    visit: Visit,
    verb: str,
    it: Mapping[str, Any],
    *,
    reason: str = "",
    conflict: str = "",
    errors: Any = None,  # noqa: ANN401
) -> web.Response:
    title, button, text = CONFIRM[verb]
    status = HTTPStatus.CONFLICT if conflict else HTTPStatus.UNPROCESSABLE_ENTITY if errors else HTTPStatus.OK
    return await visit.page(
        "confirm.html",
        status=status,
        it=it,
        verb=verb,
        title=title.format(it["name"]),
        button=button,
        text=text,
        reason=reason,
        conflict=conflict,
        errors=errors or {},
    )


async def _form(
    visit: Visit,
    *,
    values: Mapping[str, Any],
    it: Mapping[str, Any] | None = None,
    version: int | None = None,
    errors: Mapping[str, str] | None = None,
    had_secret: bool = False,
    trial: Trial | None = None,
    status: HTTPStatus = HTTPStatus.UNPROCESSABLE_ENTITY,
) -> web.Response:
    wrong = errors or {}
    return await visit.page(
        "webhook_form.html",
        status=status if wrong else HTTPStatus.OK,
        title=f"Edit {it['name']}" if it else "Add webhook",
        action=visit.request.path,
        it=it,
        version=version,
        nonce=nonce() if it is None else None,
        values=values,
        errors=wrong,
        known=BESIDE,
        opened=any(name not in FIRST for name in wrong),
        had_secret=had_secret,
        event_types=EVENT_TYPES,
        signatures=forms.SIGNATURES,
        trial=trial,
    )


async def _shown_once(visit: Visit, title: str, secret: str, path: str) -> web.Response:
    text = "Give this Secret to the receiver: it verifies with it that requests are ours."
    return await visit.page(
        "secret.html", title=title, text=text, secret=secret, power=SIGN, next=path, next_label="I have it"
    )


def _version(written: Written) -> int | None:
    """The version that was looked at; None: whichever is newest."""
    typed = forms.text(written, "version")
    return int(typed) if typed.isascii() and typed.isdigit() and len(typed) < 19 else None  # noqa: PLR2004  of 63 bits


def _none_wrong(problems: list[Problem]) -> None:
    if problems:
        raise Invalid(*problems)


VERB = "/subscriptions/{id}/{verb:pause|resume|delete}"
NEW = "/subscriptions/-new"  # no id begins with a dash
ROUTES = [
    web.get(NEW, handled(new)),
    web.post(NEW, handled(create)),
    web.get("/subscriptions/{id}/edit", handled(edit)),
    web.post("/subscriptions/{id}/edit", handled(update)),
    web.get("/subscriptions/{id}/rotate", handled(ask_rotate)),
    web.post("/subscriptions/{id}/rotate", handled(rotate)),
    web.get(VERB, handled(ask)),
    web.post(VERB, handled(act)),
]
