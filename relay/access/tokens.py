"""
A token is `rly_` and 32 random bytes in base64url (RFC 4648, section 5). Stored is its SHA-256 alone, without salt or
stretching: nobody guesses 256 random bits, and one hash finds it.
"""

import os
import re
from base64 import b32encode, urlsafe_b64encode
from hashlib import sha256

from relay.access.values import MARK

SECRET_BYTES = 32  # 256 bits
PREFIX = 10  # characters that are shown: the mark and 36 of the 256 bits, which tells tokens apart and guesses none
ID_BYTES = 10  # 80 bits: 16 characters of base32; never reused, and no secret
_WRITTEN = re.compile(r"rly_[A-Za-z0-9_-]{43}")


def make() -> str:
    """A new one, at random."""
    return MARK + urlsafe_b64encode(os.urandom(SECRET_BYTES)).decode().rstrip("=")


def new_id() -> str:
    """Of a token: `tok_` and 16 characters."""
    return "tok_" + b32encode(os.urandom(ID_BYTES)).decode().lower()


def is_one(text: str) -> bool:
    """Whether it is written as a token is; whatever it is handed."""
    return _WRITTEN.fullmatch(text) is not None


def hashed(token: str) -> str:
    """What it is stored as and looked up by: SHA-256, hex."""
    return sha256(token.encode()).hexdigest()


def prefix(token: str) -> str:
    """What is shown of it."""
    return token[:PREFIX]
