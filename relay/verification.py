"""
What a customer's receiver does with a request, as plain functions: its signatures checked, in every scheme. Pure.

It shares no code with the signer, where a fault would be hidden by the same fault here.
"""

import binascii
import hmac
import re
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from relay.errors import Invalid, Problem

TOLERANCE_S = 300  # Standard Webhooks' own libraries allow 5 minutes either way
ENTRIES = 64  # of a list that are looked at: relay sends 40 at most, and each of a forged list would cost 0.1 ms
WHSEC, WHSK, WHPK = b"whsec_", b"whsk_", b"whpk_"
HALF_BYTES = 32  # of an Ed25519 key
PAIRED_BYTES = 24  # relay makes no pair of a shorter secret
SCHEMES = ("artibot-sha1", "standard-webhooks", "sha256", "standard-webhooks-ed25519", "artibot-url")


@dataclass(frozen=True, slots=True)
class Checked:
    """What became of a request's signatures."""

    schemes: tuple[str, ...]  # those that hold, in the order of SCHEMES
    why: str | None  # why the request is not to be trusted; None: it is


def verify(
    headers: Mapping[str, str], body: bytes, secret: bytes, now_s: float, *, urls: Sequence[str] = ()
) -> str | None:
    """None when these bytes were signed with this secret, else why they are not to be trusted; the rest as `check`."""
    return check(headers, body, secret, now_s, urls=urls).why


def check(headers: Mapping[str, str], body: bytes, secret: bytes, now_s: float, *, urls: Sequence[str] = ()) -> Checked:
    """
    In which schemes these bytes were signed with this secret, or why they are not to be trusted.

    A sender may use any of the schemes: at least one header must be there, and each that is there must hold; of a list
    one entry must. Comparisons take the same time wherever a wrong signature differs.

    Args:
        headers: Names in lower case, or a mapping that ignores case.
        body: Exactly as received.
        secret: As entered; `whsec_` and base64 is decoded for Standard Webhooks only. Or a public key, `whpk_` and
            base64: then nothing but `standard-webhooks-ed25519` is looked at.
        now_s: Unix time. `webhook-timestamp` may differ from it by 5 minutes.
        urls: What the sender may have called, for `artibot-url`; empty: not known.

    Raises:
        Invalid: The secret is empty, or is none behind its prefix. Never for what a sender does.
    """
    require_secret(secret)
    told = [_standard_webhooks(headers, body, secret, now_s)]
    if not secret.startswith(WHPK):
        told = [_artibot(headers, body, secret, urls), _sha256(headers, body, secret), *told]
    there = [one for one in told if one is not None]
    if not there:
        return Checked((), "no signature: neither x-artibot-signature, x-relay-signature-256 nor webhook-signature")
    holding = {scheme for one in there for scheme in one.schemes}
    return Checked(
        tuple(scheme for scheme in SCHEMES if scheme in holding), next((one.why for one in there if one.why), None)
    )


def require_secret(secret: bytes) -> None:
    """
    It can be checked against.

    Raises:
        Invalid: As `check`; the secret is not cited.
    """
    if not secret.removeprefix(WHSEC):
        raise Invalid(Problem("secret", "is empty: anybody could sign with it"))
    try:
        _standard_webhooks_key(secret)
        _public_key(secret)
    except binascii.Error:
        prefix = secret.partition(b"_")[0].decode()
        raise Invalid(Problem("secret", f"begins with {prefix}_, and what follows is no base64")) from None
    except ValueError as rule:
        raise Invalid(Problem("secret", str(rule))) from None


def _artibot(headers: Mapping[str, str], body: bytes, secret: bytes, urls: Sequence[str]) -> Checked | None:
    given = headers.get("x-artibot-signature")
    if given is None:
        return None
    if _same(given, "sha1=" + hmac.digest(secret, body, "sha1").hex()):
        return Checked(("artibot-sha1",), None)
    if sum(_same(given, hmac.digest(secret, b"POST&%b&%b" % (_raw(url), body), "sha1").hex().upper()) for url in urls):
        return Checked(("artibot-url",), None)
    if given.startswith("sha1="):
        return Checked((), "x-artibot-signature does not match the body and the secret (artibot-sha1)")
    if urls:
        return Checked((), "x-artibot-signature does not match the URL, the body and the secret (artibot-url)")
    return Checked((), "x-artibot-signature does not begin with sha1=, and artibot-url needs the URL that was called")


def _sha256(headers: Mapping[str, str], body: bytes, secret: bytes) -> Checked | None:
    given = headers.get("x-relay-signature-256")
    if given is None:
        return None
    if _same(given, "sha256=" + hmac.digest(secret, body, "sha256").hex()):
        return Checked(("sha256",), None)
    return Checked((), "x-relay-signature-256 does not match the body and the secret (sha256)")


def _standard_webhooks(headers: Mapping[str, str], body: bytes, secret: bytes, now_s: float) -> Checked | None:
    listed = headers.get("webhook-signature")
    if listed is None:
        return None
    message_id, timestamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not message_id:
        return Checked((), "webhook-id is missing")
    if not re.fullmatch("[0-9]{1,10}", timestamp):
        return Checked((), "webhook-timestamp is missing or no unix time in seconds")
    if abs(now_s - int(timestamp)) > TOLERANCE_S:
        return Checked((), f"webhook-timestamp is more than {TOLERANCE_S} s off this clock")
    signed = b".".join((_raw(message_id), timestamp.encode(), body))
    entries = listed.split(" ")[:ENTRIES]
    schemes = [
        *(["standard-webhooks"] if not secret.startswith(WHPK) and _has_v1(entries, signed, secret) else []),
        *(["standard-webhooks-ed25519"] if _has_v1a(entries, signed, secret) else []),
    ]
    kinds = "v1a" if secret.startswith(WHPK) else "v1 or v1a"
    rule = f"webhook-signature holds no {kinds} signature that matches the id, the timestamp, the body and the secret"
    return Checked(tuple(schemes), None if schemes else rule)


def _has_v1(entries: Sequence[str], signed: bytes, secret: bytes) -> bool:
    expected = "v1," + b64encode(hmac.digest(_standard_webhooks_key(secret), signed, "sha256")).decode()
    # All are compared: an `any` that stops early would tell which of them was right.
    return sum(_same(one, expected) for one in entries) > 0


def _has_v1a(entries: Sequence[str], signed: bytes, secret: bytes) -> bool:
    given = [one.removeprefix("v1a,") for one in entries if one.startswith("v1a,")]
    key = _public_key(secret) if given else None
    return key is not None and any(_signed_by(key, one, signed) for one in given)


def _signed_by(key: Ed25519PublicKey, given: str, signed: bytes) -> bool:
    try:
        key.verify(b64decode(_raw(given), validate=True), signed)
    except (binascii.Error, InvalidSignature):
        return False
    return True


def _standard_webhooks_key(secret: bytes) -> bytes:
    return b64decode(secret.removeprefix(WHSEC), validate=True) if secret.startswith(WHSEC) else secret


def _public_key(secret: bytes) -> Ed25519PublicKey | None:
    """What `v1a` is checked with; None: relay signs nothing so with this secret."""
    if secret.startswith(WHPK):
        return Ed25519PublicKey.from_public_bytes(_decoded(secret, WHPK, HALF_BYTES))
    if secret.startswith(WHSK):
        return Ed25519PublicKey.from_public_bytes(_decoded(secret, WHSK, 2 * HALF_BYTES)[HALF_BYTES:])
    key = _standard_webhooks_key(secret)
    if len(key) < PAIRED_BYTES:
        return None
    # RFC 5869 in two lines: no salt is 32 zeros, and one block of output is enough.
    made_of = hmac.digest(bytes(HALF_BYTES), key, "sha256")
    half = hmac.digest(made_of, b"relay standard-webhooks-ed25519\x01", "sha256")
    return Ed25519PrivateKey.from_private_bytes(half).public_key()


def _decoded(secret: bytes, prefix: bytes, size: int) -> bytes:
    raw = b64decode(secret.removeprefix(prefix), validate=True)
    if len(raw) != size:
        raise ValueError(f"begins with {prefix.decode()}, and what follows is not {size} bytes in base64")
    return raw


def _same(given: str, expected: str) -> bool:
    return hmac.compare_digest(_raw(given), expected.encode())


def _raw(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")  # the server's own decoding, undone
