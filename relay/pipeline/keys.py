"""
A secret as a customer has it -> the key of each scheme (DESIGN.md section 8). Pure.

`whsec_` is a key of Standard Webhooks in base64; `whsk_` is a pair of its asymmetric keys in base64, the public half
behind the private one; whatever else is text, and is its own key.

A pair is made of any other secret too, always the same: RFC 5869 (HKDF) with SHA-256, no salt, and INFO, makes the 32
bytes of the private half from what Standard Webhooks would sign with. So the shared key tells the pair, and the public
half tells nothing of the shared key, as long as that cannot be guessed: whoever has the public half can try guesses.
"""

from base64 import b64decode, b64encode

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

WHSEC, WHSK, WHPK = b"whsec_", b"whsk_", b"whpk_"
INFO = b"relay standard-webhooks-ed25519"
HALF_BYTES = 32  # of an Ed25519 key, private or public (RFC 8032, section 5.1.5)
LEAST_KEY_BYTES = 24  # Standard Webhooks' own least; the public half lets anybody try shorter ones


def standard_webhooks_key(secret: bytes) -> bytes:
    """
    What Standard Webhooks signs with: the decoded bytes behind `whsec_`, else the secret's own.

    Raises:
        ValueError: What is behind `whsec_` is no base64.
    """
    return b64decode(secret.removeprefix(WHSEC), validate=True) if secret.startswith(WHSEC) else secret


def ed25519_key(secret: bytes) -> Ed25519PrivateKey:
    """
    The private key of a secret.

    Raises:
        ValueError: It is no pair behind `whsk_`, or could be guessed from the public half; it is not cited.
    """
    if secret.startswith(WHSK):
        return _paired(secret)
    key = standard_webhooks_key(secret)
    if len(key) < LEAST_KEY_BYTES:
        raise ValueError(f"has fewer than {LEAST_KEY_BYTES} bytes: whoever has its public key could guess it")
    return Ed25519PrivateKey.from_private_bytes(HKDF(SHA256(), HALF_BYTES, salt=None, info=INFO).derive(key))


def makes_pair(secret: bytes) -> bool:
    """Whether there is a private key of it."""
    try:
        ed25519_key(secret)
    except ValueError:
        return False
    return True


def public_key(secret: bytes) -> str:
    """
    What a customer verifies `standard-webhooks-ed25519` with, as Standard Webhooks writes it: `whpk_` and base64.

    >>> public_key(b"whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg==")
    'whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4='

    Raises:
        ValueError: As `ed25519_key`.
    """
    return (WHPK + b64encode(ed25519_key(secret).public_key().public_bytes_raw())).decode()


def _paired(secret: bytes) -> Ed25519PrivateKey:
    try:
        pair = b64decode(secret.removeprefix(WHSK), validate=True)
    except ValueError:
        pair = b""
    if len(pair) == 2 * HALF_BYTES:
        key = Ed25519PrivateKey.from_private_bytes(pair[:HALF_BYTES])
        if key.public_key().public_bytes_raw() == pair[HALF_BYTES:]:
            return key
    raise ValueError("begins with whsk_, and what follows is no pair of Ed25519 keys in base64")
