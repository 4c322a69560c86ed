"""
Secrets at rest: AES-256-GCM (NIST SP 800-38D) under a ring of keys; the newest seals, any opens.

What is sealed for one subscription opens for no other: account, subscription and key id are associated data, so that
whoever can write to the topic cannot move a customer's secret under their own webhook. Nor does a signing secret open
as the value of a header, which goes out as it is: of those the header's name is associated data too.
"""

import os
from collections.abc import Mapping, Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from relay.errors import ConfigProblem, Problem, RelayError
from relay.model import Sealed

NONCE_BYTES = 12  # 96 bits, random: a ring's keys seal far fewer than the 2**32 that NIST allows


class CannotOpen(RelayError):
    """Sealed under a key that the ring does not hold, or not for this subscription; the message says which."""


class KeyRing:
    """Keys by id, newest first."""

    def __init__(self, keys: Sequence[tuple[str, bytes]]) -> None:
        self._newest = keys[0][0] if keys else None
        self._ciphers: Mapping[str, AESGCM] = {key_id: AESGCM(key) for key_id, key in keys}

    @property
    def ids(self) -> tuple[str, ...]:
        """Of all keys, newest first."""
        return tuple(self._ciphers)

    @property
    def newest(self) -> str | None:
        """The id of the key that seals; None: the ring is empty."""
        return self._newest

    def seal(self, plain: bytes, *, account_id: str, subscription_id: str, header: str | None = None) -> Sealed:
        """
        Readable only with the newest key, and only as this subscription's signing secret, or value of that header.

        Raises:
            ConfigProblem: The ring is empty.
        """
        if self._newest is None:
            raise ConfigProblem(Problem("RELAY_SECRET_KEYS", "is not set, and secrets are never stored as they are"))
        nonce = os.urandom(NONCE_BYTES)
        bound = _bound(account_id, subscription_id, self._newest, header)
        return Sealed(self._newest, nonce + self._ciphers[self._newest].encrypt(nonce, plain, bound))

    def open(self, sealed: Sealed, *, account_id: str, subscription_id: str, header: str | None = None) -> bytes:
        """
        What was sealed.

        Raises:
            CannotOpen: No such key, or these are not the bytes that it sealed for this subscription and use.
        """
        cipher = self._ciphers.get(sealed.key_id)
        if cipher is None:
            raise CannotOpen(f"RELAY_SECRET_KEYS holds no key {sealed.key_id!r}")
        nonce, data = sealed.data[:NONCE_BYTES], sealed.data[NONCE_BYTES:]
        try:
            return cipher.decrypt(nonce, data, _bound(account_id, subscription_id, sealed.key_id, header))
        except (InvalidTag, ValueError):  # ValueError: too short to be anything sealed
            rule = f"key {sealed.key_id!r} does not open it: it is another key by that name, or not this subscription's"
            raise CannotOpen(rule) from None


def _bound(account_id: str, subscription_id: str, key_id: str, header: str | None) -> bytes:
    parts = (account_id, subscription_id, key_id, *(() if header is None else (header,)))
    return "\n".join(parts).encode()
