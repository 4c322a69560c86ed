"""Signature headers as a sender makes them, by the standard library alone."""

import hmac
from base64 import b64encode

SECRET = b"test"
BODY = b'{"resource_id":"lead-1"}'
NOON_S = 1_700_000_000  # where a ManualClock starts


def sha1(body: bytes = BODY, secret: bytes = SECRET) -> dict[str, str]:
    return {"x-artibot-signature": "sha1=" + hmac.digest(secret, body, "sha1").hex()}


def v1(body: bytes = BODY, secret: bytes = SECRET, at_s: int = NOON_S) -> dict[str, str]:
    signature = hmac.digest(secret, b"dlv_1.%d.%b" % (at_s, body), "sha256")
    return {
        "webhook-id": "dlv_1",
        "webhook-timestamp": str(at_s),
        "webhook-signature": "v1," + b64encode(signature).decode(),
    }
