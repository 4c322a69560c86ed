"""
A browser's session: which token it began with, and when, sealed into its cookie. Nothing is kept of it here.

Sealed with AES-256-GCM under a key of its own, made of a key of RELAY_SECRET_KEYS by HKDF (RFC 5869): the newest seals,
any opens, so that a new key ends nobody's session, and several consoles take each other's. A session ends after
LASTS_S, and with its token; whoever logs out forgets it.
"""

import os
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from relay.access.claims import COOKIE
from relay.errors import ConfigProblem, Problem

LASTS_S = 12 * 3600  # a working day; the next one begins with a login
AHEAD_S = 60  # that another console's clock may be before ours
_ATTRIBUTES = "Path=/; Secure; HttpOnly; SameSite=Lax"
_INFO = b"relay console session v1"
_NONCE_BYTES = 12  # as in store/keyring.py
_KEY_BYTES = 32


class Sessions:
    """Seals and opens."""

    def __init__(self, keys: Sequence[tuple[str, bytes]]) -> None:
        """
        Args:
            keys: RELAY_SECRET_KEYS, newest first.

        Raises:
            ConfigProblem: There are none.
        """
        if not keys:
            raise ConfigProblem(Problem("RELAY_SECRET_KEYS", "is not set, and sessions are sealed with it"))
        self._ciphers = [AESGCM(_derived(key)) for _, key in keys]

    def seal(self, token_id: str, *, now_ms: int) -> str:
        """The cookie's value, of a session that begins now."""
        nonce = os.urandom(_NONCE_BYTES)
        sealed = self._ciphers[0].encrypt(nonce, f"{now_ms} {token_id}".encode(), _INFO)
        return urlsafe_b64encode(nonce + sealed).decode().rstrip("=")

    def open(self, value: str, *, now_ms: int) -> str | None:
        """The id of the token that it began with; None: it is none of ours, or over. Whatever it is handed."""
        try:
            raw = urlsafe_b64decode(value + "=" * (-len(value) % 4))
        except ValueError:
            return None
        for cipher in self._ciphers:
            try:
                plain = cipher.decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], _INFO)
            except (InvalidTag, ValueError):  # ValueError: too short to be anything sealed
                continue
            begun_ms, _, token_id = plain.decode().partition(" ")
            age_ms = now_ms - int(begun_ms)
            return token_id if -AHEAD_S * 1000 <= age_ms < LASTS_S * 1000 else None
        return None


def begun(value: str) -> str:
    """`Set-Cookie` of a session that begins."""
    return f"{COOKIE}={value}; Max-Age={LASTS_S}; {_ATTRIBUTES}"


def ended() -> str:
    """`Set-Cookie` of a browser that logs out."""
    return f"{COOKIE}=; Max-Age=0; {_ATTRIBUTES}"


def _derived(key: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=_KEY_BYTES, salt=None, info=_INFO).derive(key)
