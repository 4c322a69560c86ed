"""A browser's session in its cookie."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.access.claims import COOKIE, MAX_COOKIE_CHARACTERS
from relay.access.sessions import AHEAD_S, LASTS_S, Sessions, begun, ended
from relay.access.tokens import new_id
from relay.errors import ConfigProblem

NOON_MS = 1_793_534_400_000
KEY, NEWER = ("k1", bytes(32)), ("k2", bytes(range(32)))
SESSIONS = Sessions([KEY])
VALUE = SESSIONS.seal("tok_1", now_ms=NOON_MS)


@pytest.mark.parametrize(
    ("after_s", "open_"),
    [(0, True), (LASTS_S - 1, True), (LASTS_S, False), (-AHEAD_S, True), (-AHEAD_S - 1, False)],
)
def test_a_session_is_open_for_so_long(after_s: int, *, open_: bool) -> None:
    """Clocks of several consoles differ a little; one that begins tomorrow is none."""
    assert ("tok_1" if open_ else None) == SESSIONS.open(VALUE, now_ms=NOON_MS + after_s * 1000)


def test_a_new_key_ends_no_session_and_seals_the_next() -> None:
    """Until the old key goes: then those that it sealed are over."""
    both, later = Sessions([NEWER, KEY]), Sessions([NEWER])

    assert "tok_1" == both.open(VALUE, now_ms=NOON_MS)
    assert later.open(VALUE, now_ms=NOON_MS) is None
    assert "tok_2" == later.open(both.seal("tok_2", now_ms=NOON_MS), now_ms=NOON_MS)


def test_without_keys_there_are_no_sessions() -> None:
    """The setting is named."""
    with pytest.raises(ConfigProblem, match="RELAY_SECRET_KEYS"):
        Sessions([])


@given(st.text(max_size=200) | st.binary(max_size=100).map(lambda raw: raw.hex()), st.integers(0, len(VALUE) - 2))
def test_what_we_did_not_seal_is_none(made_up: str, place: int) -> None:
    """Made up, cut, or with one character changed; and no error."""
    changed = VALUE[:place] + ("A" if VALUE[place] != "A" else "B") + VALUE[place + 1 :]

    for value in (made_up, changed, VALUE[:place]):
        assert SESSIONS.open(value, now_ms=NOON_MS) is None


def test_no_two_cookies_are_alike_and_each_is_one_that_is_looked_at() -> None:
    """Sealed under a nonce of its own; with room for the longest id."""
    made = [SESSIONS.seal(new_id(), now_ms=NOON_MS) for _ in range(20)]

    assert 20 == len(set(made))
    assert max(map(len, made)) < MAX_COOKIE_CHARACTERS / 2


def test_the_cookie_is_for_this_host_over_tls_and_for_no_script() -> None:
    """As a browser demands of a name that begins with __Host-: Secure, Path=/ and no Domain."""
    for written in (begun(VALUE), ended()):
        name, *attributes = written.split("; ")

        assert name.startswith(f"{COOKIE}=")
        assert {"Path=/", "Secure", "HttpOnly", "SameSite=Lax"} == {
            one for one in attributes if not one.startswith("Max-Age")
        }
    assert f"Max-Age={LASTS_S}" in begun(VALUE)
    assert "Max-Age=0" in ended()
