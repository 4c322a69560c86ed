"""Verifiers that others wrote: libraries of receivers, and what one without them does, as in ArtiBot's samples."""

import hmac
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import svix.webhooks
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from gidgethub import ValidationFailure
from gidgethub.sansio import validate_event
from standardwebhooks import webhooks

from relay.verification import check

WHSEC, WHPK = "whsec_", "whpk_"


@dataclass(frozen=True, slots=True)
class Captured:
    """One request as it arrived: header names in lower case."""

    url: str
    headers: Mapping[str, str]
    body: bytes


Verifier = Callable[[Captured, bytes], bool]  # with the secret as the customer has it, or the public key


def prefixed(secret: bytes) -> str:
    """As README says: what does not begin with `whsec_` is passed as that and its bytes in base64."""
    return secret.decode() if secret.startswith(WHSEC.encode()) else WHSEC + b64encode(secret).decode()


def by_standardwebhooks(one: Captured, secret: bytes) -> bool:
    try:
        webhooks.Webhook(prefixed(secret)).verify(one.body, dict(one.headers))
    except webhooks.WebhookVerificationError:
        return False
    return True


def by_svix(one: Captured, secret: bytes) -> bool:
    try:
        svix.webhooks.Webhook(prefixed(secret)).verify(one.body, dict(one.headers))
    except svix.webhooks.WebhookVerificationError:
        return False
    return True


def _by_gidgethub(one: Captured, header: str, secret: bytes) -> bool:
    try:
        validate_event(one.body, signature=one.headers[header], secret=secret.decode())
    except ValidationFailure:
        return False
    return True


def by_gidgethub_sha1(one: Captured, secret: bytes) -> bool:
    return _by_gidgethub(one, "x-artibot-signature", secret)


def by_gidgethub_sha256(one: Captured, secret: bytes) -> bool:
    return _by_gidgethub(one, "x-relay-signature-256", secret)


def by_cryptography(one: Captured, public_key: bytes) -> bool:
    """The text of Standard Webhooks, with a key that anybody may have."""
    key = Ed25519PublicKey.from_public_bytes(b64decode(public_key.decode().removeprefix(WHPK)))
    signed = f"{one.headers['webhook-id']}.{one.headers['webhook-timestamp']}.".encode() + one.body
    return any(
        _holds(key, entry[4:], signed) for entry in one.headers["webhook-signature"].split() if entry[:4] == "v1a,"
    )


def _holds(key: Ed25519PublicKey, signature: str, signed: bytes) -> bool:
    try:
        key.verify(b64decode(signature), signed)
    except InvalidSignature:
        return False
    return True


def by_artibots_sample(one: Captured, secret: bytes) -> bool:
    """The C# one compares upper case exactly; the one for Node in any case."""
    expected = hmac.digest(secret, b"POST&" + one.url.encode() + b"&" + one.body, "sha1").hex().upper()
    return hmac.compare_digest(expected, one.headers["x-artibot-signature"])


def by_relays_own(scheme: str) -> Verifier:
    """What `relay verify` says; the header of one value does not hold with every secret while one is rotated."""

    def verifier(one: Captured, secret: bytes) -> bool:
        now_s = int(one.headers["webhook-timestamp"])
        return scheme in check(one.headers, one.body, secret, now_s, urls=[one.url]).schemes

    return verifier


def _flipped(text: str, at: int) -> str:
    at %= len(text)
    return text[:at] + ("0" if text[at] != "0" else "1") + text[at + 1 :]


def _other_header(one: Captured, name: str, at: int) -> Captured:
    """Of a list every entry: any of them would do."""
    entries = [_flipped(entry, at) for entry in one.headers[name].split(" ")]
    return replace(one, headers={**one.headers, name: " ".join(entries)})


def spoiled(one: Captured, header: str, part: str) -> Captured:
    """The same request with one byte of it changed; well within a signature, for base64 has idle bits at its end."""
    match part:
        case "body":
            middle = len(one.body) // 2
            return replace(one, body=one.body[:middle] + bytes([one.body[middle] ^ 1]) + one.body[middle + 1 :])
        case "signature":
            return _other_header(one, header, 20)
        case _:
            return _other_header(one, f"webhook-{part}", -1)
