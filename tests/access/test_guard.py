"""The door of the console: a real server, and whatever arrives at it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

import pytest
from aiohttp import ClientSession, web

from relay.access.guard import PRINCIPAL, Guard, TooOften, Welcome, Wrong
from relay.access.limit import EACH, WINDOW_S
from relay.access.store import Access
from relay.access.tokens import hashed, make
from relay.access.values import Token
from relay.clock import ManualClock
from relay.config import Config
from relay.errors import ConfigProblem
from tests.access.test_register import a_token

NOON_MS = 1_793_534_400_000
KEYS = {"RELAY_SECRET_KEYS": "k1:" + "A" * 43 + "="}
PROXIED = KEYS | {
    "RELAY_TRUSTED_PROXIES": "127.0.0.0/8",
    "RELAY_TRUSTED_USER_HEADER": "X-User",
    "RELAY_TRUSTED_USER_SCOPE": "write",
}
OURS = ("Sec-Fetch-Site", "same-origin")
FOREIGN = ("Sec-Fetch-Site", "cross-site")
Headers = Sequence[tuple[str, str]]


@dataclass
class Door:
    """A guarded server that answers with who is there, and its login page."""

    clock: ManualClock
    access: Access
    token: Token
    secret: str
    url: str = ""
    session: ClientSession | None = None
    answers: list[object] = field(default_factory=list)
    known: list[Callable[[], bool]] = field(default_factory=list)  # of each who asked: whether they may still

    async def asked(self, *headers: tuple[str, str], method: str = "GET", path: str = "/") -> tuple[int, str]:
        assert self.session is not None
        async with self.session.request(method, self.url + path, headers=list(headers)) as response:
            return response.status, await response.text()

    async def logged_in(self, token: str, *headers: tuple[str, str]) -> str:
        """The cookie that came of it; empty: none."""
        assert self.session is not None
        async with self.session.post(self.url + "/login", data={"token": token}, headers=list(headers)) as response:
            return response.headers.get("Set-Cookie", "").partition(";")[0]


@asynccontextmanager
async def a_door(environ: dict[str, str] = KEYS, *, expires_at: str | None = None) -> AsyncIterator[Door]:
    config, clock, secret = Config.read(environ), ManualClock(NOON_MS), make()
    token = replace(a_token(), hash=hashed(secret), expires_at=expires_at)
    access = Access(config, clock=clock)
    access._register.add(token)
    door, guard = Door(clock, access, token, secret), Guard(config, access, clock=clock)

    async def who(request: web.Request) -> web.Response:
        principal = request[PRINCIPAL]
        door.known.append(lambda: guard.knows(request))
        return web.Response(text=f"{principal.name} {principal.scope}" if principal else "nobody")

    async def login(request: web.Request) -> web.Response:
        answer = guard.log_in(request, str((await request.post())["token"]))
        door.answers.append(answer)
        return web.Response(headers={"Set-Cookie": answer.set_cookie} if isinstance(answer, Welcome) else {})

    app = web.Application(middlewares=[guard.middleware()])
    app.add_routes([web.post("/login", login), web.route("*", "/", who)])
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    door.url = f"http://{host}:{port}"
    try:
        async with ClientSession() as door.session:
            yield door
    finally:
        await runner.cleanup()


def bearer(secret: str) -> tuple[str, str]:
    return ("Authorization", f"Bearer {secret}")


ME = "token:tok_1 (token 1) read"


async def test_a_token_says_who_asks() -> None:
    """Also of a change, whatever page it may be from: a browser sends no such header by itself."""
    async with a_door() as door:
        assert (200, ME) == await door.asked(bearer(door.secret))
        assert (200, ME) == await door.asked(bearer(door.secret), FOREIGN, method="DELETE")
        assert (200, "nobody") == await door.asked()


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ([bearer("rly_" + "a" * 43)], 401),
        ([bearer("rly_")], 401),
        ([bearer("x" * 7_000)], 401),
        ([("Authorization", "Basic YTpi")], 401),
        ([bearer("rly_" + "a" * 43), bearer("rly_" + "b" * 43)], 400),
    ],
)
async def test_a_token_that_is_none_is_refused_and_not_taken_for_nobody(headers: Headers, status: int) -> None:
    """Whoever shows one means to be somebody. The answer cites nothing of it."""
    async with a_door() as door:
        for method in ("GET", "POST"):
            answer = await door.asked(*headers, OURS, method=method)

            assert status == answer[0]
            assert "rly_" not in answer[1]


async def test_a_login_begins_a_session_that_ends_with_its_token() -> None:
    """Or after twelve hours; nobody is refused for an old cookie, they log in again."""
    async with a_door() as door:
        cookie = ("Cookie", await door.logged_in(f" {door.secret}\n", OURS))

        assert (200, ME) == await door.asked(cookie)
        await door.clock.advance(12 * 3600)
        assert (200, "nobody") == await door.asked(cookie)

        cookie = ("Cookie", await door.logged_in(door.secret, OURS))
        assert (200, ME) == await door.asked(cookie)
        door.access._register.remove("tok_1")
        assert (200, "nobody") == await door.asked(cookie)


async def test_what_goes_on_for_long_asks_again_who_it_is() -> None:
    """A session ends its streams too, and so does a token that is revoked."""
    async with a_door() as door:
        cookie = ("Cookie", await door.logged_in(door.secret, OURS))
        for headers in ([cookie], [bearer(door.secret)], []):
            await door.asked(*headers)

        assert [True, True, False] == [known() for known in door.known]
        await door.clock.advance(12 * 3600)
        assert [False, True, False] == [known() for known in door.known]
        door.access._register.remove("tok_1")
        assert [False, False, False] == [known() for known in door.known]


async def test_a_session_ends_when_its_token_expires() -> None:
    """It is that token's, and no more than it."""
    async with a_door(expires_at="2026-11-01T12:00:30.000Z") as door:
        cookie = ("Cookie", await door.logged_in(door.secret, OURS))
        await door.clock.advance(29)
        assert (200, ME) == await door.asked(cookie)
        await door.clock.advance(1)

        assert (200, "nobody") == await door.asked(cookie)
        assert 401 == (await door.asked(bearer(door.secret)))[0]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ([OURS], 200),
        ([("Sec-Fetch-Site", "none")], 200),
        ([FOREIGN], 403),
        ([("Sec-Fetch-Site", "same-site")], 403),
        ([("Origin", "https://evil.example")], 403),
        ([("Origin", "null")], 403),
        ([], 403),
    ],
)
async def test_a_change_that_another_sites_page_asks_for_is_refused(headers: Headers, status: int) -> None:
    """With a cookie, and with a proxy's word: a browser sends both along, whoever asks. Reading is no change."""
    async with a_door() as door:
        cookie = ("Cookie", await door.logged_in(door.secret, OURS))
        for method in ("POST", "PUT", "PATCH", "DELETE"):
            assert status == (await door.asked(cookie, *headers, method=method))[0]
        assert (200, ME) == await door.asked(cookie, *headers)
        assert 200 == (await door.asked(cookie, ("Origin", door.url), method="POST"))[0]

    async with a_door(PROXIED) as door:
        assert status == (await door.asked(("X-User", "alice"), *headers, method="POST"))[0]
        assert (200, "proxy:alice write") == await door.asked(("X-User", "alice"), *headers)


async def test_nobody_is_logged_in_by_another_sites_page() -> None:
    """As somebody whom they would not notice to be; a program that says nothing of pages may log in."""
    async with a_door() as door:
        assert "" == await door.logged_in(door.secret, FOREIGN)
        assert "" == await door.logged_in(door.secret, ("Origin", "https://evil.example"))
        assert [] == door.answers
        assert await door.logged_in(door.secret)


async def test_a_user_is_believed_of_a_proxy_that_we_trust_and_of_nobody_else() -> None:
    """Here both come from 127.0.0.1; what counts is whether that is configured."""
    alice = ("X-User", "alice")

    async with a_door(PROXIED) as door:
        assert (200, "proxy:alice write") == await door.asked(alice)
        assert 400 == (await door.asked(alice, ("X-User", "bob")))[0]
        assert 400 == (await door.asked(("X-User", "x" * 201)))[0]
        assert (200, "nobody") == await door.asked(("X-Forwarded-User", "alice"))
    async with a_door(PROXIED | {"RELAY_TRUSTED_PROXIES": "10.0.0.0/8"}) as door:
        assert (200, "nobody") == await door.asked(alice, ("X-Forwarded-For", "10.0.0.1"))
        assert (200, ME) == await door.asked(alice, bearer(door.secret))
    async with a_door() as door:
        assert (200, "nobody") == await door.asked(alice)


async def test_whoever_tries_too_often_waits() -> None:
    """By the address that they come from, whatever they say of it; a right token is free."""
    async with a_door() as door:
        for number in range(EACH):
            assert await door.logged_in(door.secret, OURS)
            assert not await door.logged_in("rly_wrong", OURS, ("X-Forwarded-For", f"192.0.2.{number}"))
        assert not await door.logged_in(door.secret, OURS, ("X-Forwarded-For", "192.0.2.99"))
        assert [TooOften(6)] == door.answers[-1:]

        await door.clock.advance(WINDOW_S / EACH)
        assert await door.logged_in(door.secret, OURS)
        assert {Welcome, Wrong, TooOften} == {type(one) for one in door.answers}


async def test_behind_a_proxy_that_we_trust_each_has_tries_of_their_own() -> None:
    """Or one of them could keep all others out."""
    async with a_door(PROXIED) as door:
        for _ in range(EACH + 1):
            await door.logged_in("rly_wrong", OURS, ("X-Forwarded-For", "192.0.2.1"))

        assert [TooOften(6)] == door.answers[-1:]
        assert await door.logged_in(door.secret, OURS, ("X-Forwarded-For", "192.0.2.1, 192.0.2.2"))


async def test_whatever_cookie_arrives_has_a_verdict() -> None:
    """Made up, overlong, twice there: nobody, and no error."""
    async with a_door() as door:
        mine = await door.logged_in(door.secret, OURS)
        for made_up in ("__Host-relay=", f"{mine}x", f"{mine[:-4]}", f"{mine}; {mine}", "__Host-relay=" + "A" * 7_000):
            assert (200, "nobody") == await door.asked(("Cookie", made_up))
        assert (200, ME) == await door.asked(("Cookie", f"a=b; {mine}; c"))


async def test_answers_say_how_to_come_in_and_nothing_of_what_was_shown() -> None:
    """RFC 6750, section 3."""
    async with a_door() as door:
        assert door.session is not None
        async with door.session.get(door.url, headers=[bearer("rly_" + "a" * 43)]) as response:
            assert (401, 'Bearer realm="relay"') == (response.status, response.headers["WWW-Authenticate"])


def test_a_console_without_keys_has_no_door() -> None:
    """The setting is named at the start, not at the first login."""
    config = Config()

    with pytest.raises(ConfigProblem, match="RELAY_SECRET_KEYS"):
        Guard(config, Access(config))
    asyncio.run(Access(config).close())
