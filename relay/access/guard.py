"""
The door of the console: of each request, who it is from, and whether it may be what it seems. Edge (aiohttp).

A middleware. Behind it, `request[PRINCIPAL]` is a Principal, or None: nobody that we know. What they may do is
decided elsewhere; refused here is only what is nobody's to ask: a token that is none, headers that contradict each
other, a change that another site's page made a browser ask for.
"""

import math
from dataclasses import dataclass, field

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from relay.access.claims import Bearer, Cookie, Garbled, Nobody, Proxied, claim, counted_as, is_trusted
from relay.access.limit import Limit
from relay.access.origin import SAFE_METHODS, foreign
from relay.access.sessions import Sessions, begun
from relay.access.store import Access
from relay.access.values import Principal, Scope
from relay.clock import Clock, SystemClock
from relay.config import Config

log = structlog.get_logger()

PRINCIPAL: web.RequestKey[Principal | None] = web.RequestKey("principal", Principal)
CLAIM: web.RequestKey[Bearer | Cookie | Proxied | Nobody] = web.RequestKey("claim", Bearer)  # how they came in
_UNAUTHORIZED = 401


@dataclass(frozen=True, slots=True)
class Welcome:
    """The token is right."""

    principal: Principal
    set_cookie: str = field(repr=False)  # the value of `Set-Cookie`


@dataclass(frozen=True, slots=True)
class Wrong:
    """It is none, or no more."""


@dataclass(frozen=True, slots=True)
class TooOften:
    """It was not looked at."""

    retry_after_s: int


Login = Welcome | Wrong | TooOften


class Guard:
    """One for a console."""

    def __init__(self, config: Config, access: Access, *, clock: Clock | None = None) -> None:
        """
        Raises:
            ConfigProblem: There are no RELAY_SECRET_KEYS.
        """
        self._access = access
        self._clock = clock or SystemClock()
        self._sessions = Sessions(config.secret_keys)
        self._limit = Limit()
        self._proxies = config.trusted_proxies
        self._user_header = config.trusted_user_header
        self._user_scope = Scope(config.trusted_user_scope)

    def middleware(self) -> Middleware:
        """
        For `web.Application(middlewares=[…])`. The handler it guards may raise what it likes.

        Raises:
            HTTPBadRequest, HTTPUnauthorized, HTTPForbidden: See above; the text says why.
        """

        @web.middleware
        async def guarded(request: web.Request, handler: Handler) -> web.StreamResponse:
            self._look(request)
            return await handler(request)

        return guarded

    def log_in(self, request: web.Request, token: str) -> Login:
        """What comes of a token that somebody typed into the login page. Whatever it is."""
        address = counted_as(request.remote, request.headers.getall("X-Forwarded-For", ()), self._proxies)
        wait_s = self._limit.take(address, self._clock.monotonic())
        if wait_s:
            return TooOften(math.ceil(wait_s))
        found = self._access.find(token.strip())
        if found is None:
            log.warning("login.refused", address=address)
            return Wrong()
        log.info("login.accepted", address=address, token_id=found.id)
        self._limit.give_back(address)
        return Welcome(found.principal, begun(self._sessions.seal(found.id, now_ms=self._clock.now_ms())))

    def knows(self, request: web.Request) -> bool:
        """Whether whoever asked this may still ask: neither their token nor their session is over by now."""
        try:
            return self._principal(request[CLAIM]) is not None
        except web.HTTPUnauthorized:
            return False

    def _look(self, request: web.Request) -> None:
        def values(name: str) -> list[str]:
            return request.headers.getall(name, [])

        trusted = is_trusted(request.remote, self._proxies)
        said = claim(values, user_header=self._user_header if trusted else None)
        if isinstance(said, Garbled):
            raise _unauthorized(said.why) if said.status == _UNAUTHORIZED else web.HTTPBadRequest(text=said.why)
        if request.method not in SAFE_METHODS and not isinstance(said, Bearer):
            why = foreign(values("Sec-Fetch-Site"), values("Origin"), request.headers.get("Host", ""))
            silent = not values("Sec-Fetch-Site") and not values("Origin")
            if why and not (silent and isinstance(said, Nobody)):  # a program that logs in has nothing to be abused
                raise web.HTTPForbidden(text=f"refused: {why}")
        request[PRINCIPAL] = self._principal(said)
        request[CLAIM] = said

    def _principal(self, said: Bearer | Cookie | Proxied | Nobody) -> Principal | None:
        match said:
            case Bearer(token):
                principal = self._access.authenticate(token)
                if principal is None:
                    raise _unauthorized("the token is none, was revoked, or has expired")
                return principal
            case Cookie(value):
                token_id = self._sessions.open(value, now_ms=self._clock.now_ms())
                found = None if token_id is None else self._access.find_id(token_id)
                return None if found is None else found.principal
            case Proxied(user):
                return Principal(name=f"proxy:{user}", scope=self._user_scope)
            case Nobody():
                return None


def _unauthorized(why: str) -> web.HTTPUnauthorized:
    return web.HTTPUnauthorized(text=why, headers={"WWW-Authenticate": 'Bearer realm="relay"'})
