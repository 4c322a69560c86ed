"""Signatures against the standard library, the reference library and the published vectors; and what else is sent."""

import hmac
import json
from base64 import b64decode, b64encode
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks.webhooks import Webhook

from relay import __version__
from relay.model import Delivery, Request, Signature, Trigger
from relay.pipeline.sign import Mac, OpenedSecret, Signer, sign
from relay.verification import check, verify
from tests.builders import a_delivery, an_event

VECTORS = json.loads((Path(__file__).parents[2] / "schemas" / "vectors" / "signatures.json").read_text("utf-8"))
BOTH = (Signature.ARTIBOT_SHA1, Signature.STANDARD_WEBHOOKS)
NOON_MS = 1_700_000_000_000
BODY = an_event().body
NEW, OLD = b"the new secret", b"the old secret"
LONG = b"a secret that is long enough for a pair"
URL = "https://example.com/hooks?a=%2F"


def signed(
    delivery: Delivery, *, own: Mapping[str, str] | None = None, signer: Signer | None = None, now_ms: int = NOON_MS
) -> Request:
    signer = signer or Signer([OpenedSecret(value=NEW)], BOTH)
    return sign(delivery, url=URL, signer=signer, own_headers=own or {}, timeout_s=7.5, now_ms=now_ms)


def sha1(secret: bytes, body: bytes = BODY) -> str:
    return "sha1=" + hmac.digest(secret, body, "sha1").hex()


def v1(secret: bytes, body: bytes = BODY, *, message_id: str = "dlv_1", now_ms: int = NOON_MS) -> str:
    """Standard Webhooks as its text says, in the standard library's words."""
    key = b64decode(secret[6:]) if secret[:6] == b"whsec_" else secret
    message = f"{message_id}.{now_ms // 1000}.".encode() + body
    return "v1," + b64encode(hmac.digest(key, message, "sha256")).decode()


def reference(secret: bytes, body: str, message_id: str, now_ms: int) -> str:
    """The `standardwebhooks` library's: text is a secret that it decodes, bytes are a key as they are."""
    library = Webhook(secret.decode() if secret[:6] == b"whsec_" else secret)
    return library.sign(message_id, datetime.fromtimestamp(now_ms // 1000, UTC), body)


# Mac


@given(st.binary(max_size=200), st.lists(st.binary(max_size=200), max_size=4), st.sampled_from(["sha1", "sha256"]))
def test_a_mac_is_the_hmac_of_its_parts_one_after_another(key: bytes, parts: list[bytes], algorithm: str) -> None:
    """For keys shorter than a block, as long, and longer; and it can be used again."""
    mac = Mac(key, algorithm)
    wanted = hmac.digest(key, b"".join(parts), algorithm)

    assert wanted == mac.over(*parts)
    assert wanted == mac.over(b"".join(parts))


@pytest.mark.parametrize("size", [0, 1, 63, 64, 65, 256])
def test_a_key_of_about_a_block_is_padded_or_hashed_as_rfc_2104_says(size: int) -> None:
    """Up to 64 bytes it is padded, beyond it is hashed first."""
    key = bytes(range(256))[:size]

    assert hmac.digest(key, BODY, "sha1") == Mac(key, "sha1").over(BODY)
    assert hmac.digest(key, BODY, "sha256") == Mac(key, "sha256").over(BODY)


def test_nothing_that_is_kept_shows_a_secret() -> None:
    """Not in a traceback, not in a log line."""
    secret = OpenedSecret(value=b"s3cret")

    request = signed(a_delivery(), own={"authorization": "Bearer s3cret"})
    kept = Signer([OpenedSecret(value=b"s3cret" + LONG)], tuple(Signature))._keys

    assert "s3cret" not in repr((secret, Mac(secret.value, "sha1"), Signer([secret], BOTH)._keys, kept, request))
    assert "hooks" not in repr(request)


# the vectors


def opened(case: Mapping[str, Any]) -> list[OpenedSecret]:
    return [
        OpenedSecret(value=one["secret"].encode(), active_ms=one["active_ms"], expires_ms=one["expires_ms"])
        for one in case["secrets"]
    ]


@pytest.mark.parametrize("case", [pytest.param(case, id=case["name"]) for case in VECTORS])
def test_relay_signs_as_the_vector_says(case: Mapping[str, Any]) -> None:
    """These headers and no others."""
    signer = Signer(opened(case), [Signature(one) for one in case["signatures"]])

    headers = signer.headers(
        case["body"].encode(), url=case.get("url", URL), message_id=case["message_id"], now_ms=case["now_ms"]
    )

    assert case["headers"] == headers


@pytest.mark.parametrize("case", [pytest.param(case, id=case["name"]) for case in VECTORS])
def test_others_compute_what_the_vector_says(case: Mapping[str, Any]) -> None:
    """The standard library and the reference library, from the secrets that have not expired, newest first."""
    body, message_id, now_ms = case["body"], case["message_id"], case["now_ms"]
    holding = [one for one in opened(case) if one.expires_ms is None or now_ms < one.expires_ms]
    active = ([one for one in holding if one.active_ms <= now_ms] or holding[-1:])[0].value
    listed = case["headers"].get("webhook-signature", "").split()
    expected: dict[str, str] = {}

    assert [entry for one in holding for entry in entries(one.value, case)] == listed
    if "standard-webhooks" in case["signatures"]:
        theirs = [reference(one.value, body, message_id, now_ms) for one in holding]
        assert theirs == [entry for entry in listed if entry.startswith("v1,")]
    if "artibot-sha1" in case["signatures"]:
        expected["x-artibot-signature"] = sha1(active, body.encode())
    if "artibot-url" in case["signatures"]:
        message = b"POST&" + case["url"].encode() + b"&" + body.encode()
        expected["x-artibot-signature"] = hmac.digest(active, message, "sha1").hex().upper()
    if "sha256" in case["signatures"]:
        expected["x-relay-signature-256"] = "sha256=" + hmac.digest(active, body.encode(), "sha256").hex()
    assert expected == {name: value for name, value in case["headers"].items() if name != "webhook-signature"}


def entries(secret: bytes, case: Mapping[str, Any]) -> list[str]:
    """Of one secret in `webhook-signature`, the asymmetric one in the words of RFC 5869 and RFC 8032."""
    body, message_id, now_ms = case["body"].encode(), case["message_id"], case["now_ms"]
    both: list[str] = []
    if "standard-webhooks" in case["signatures"]:
        both.append(v1(secret, body, message_id=message_id, now_ms=now_ms))
    key = b64decode(secret[6:]) if secret[:6] == b"whsec_" else secret
    if "standard-webhooks-ed25519" in case["signatures"] and len(key) >= 24:
        extracted = hmac.digest(bytes(32), key, "sha256")
        half = hmac.digest(extracted, b"relay standard-webhooks-ed25519\x01", "sha256")
        half = b64decode(secret[5:])[:32] if secret[:5] == b"whsk_" else half
        message = f"{message_id}.{now_ms // 1000}.".encode() + body
        both.append("v1a," + b64encode(Ed25519PrivateKey.from_private_bytes(half).sign(message)).decode())
    return both


@pytest.mark.parametrize("case", [pytest.param(case, id=case["name"]) for case in VECTORS])
def test_a_receiver_takes_what_the_vector_says_with_every_secret_that_holds(case: Mapping[str, Any]) -> None:
    """In every scheme, where a header of one value has its; not with a body that is longer by a byte."""
    headers = {"webhook-id": case["message_id"], "webhook-timestamp": str(case["now_ms"] // 1000)} | case["headers"]
    body, now_s, urls = case["body"].encode(), case["now_ms"] / 1000, [case.get("url", URL)]
    secrets = [one.value for one in opened(case) if one.expires_ms is None or case["now_ms"] < one.expires_ms]

    checked = [check(headers, body, secret, now_s, urls=urls) for secret in secrets]

    assert [set(case["signatures"])] == [set(one.schemes) for one in checked if one.why is None][:1]
    assert all(check(headers, body + b" ", secret, now_s, urls=urls).why for secret in secrets)


@pytest.mark.parametrize("secret", [b"test", b"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "schlüssel".encode()])
def test_what_relay_signs_relays_own_receiver_takes(secret: bytes) -> None:
    """Both headers of a request; `relay listen` is how a customer tries them."""
    request = signed(a_delivery(), signer=Signer([OpenedSecret(value=secret)], BOTH))

    assert verify(request.headers, request.body, secret, NOON_MS / 1000) is None
    assert verify(request.headers, request.body + b" ", secret, NOON_MS / 1000) is not None


# rotation


def test_a_secret_that_makes_no_pair_signs_none_and_a_signer_that_needs_one_says_so() -> None:
    """The newest must; an older one was there before anybody had its public key."""
    ed25519 = (Signature.STANDARD_WEBHOOKS_ED25519,)
    signer = Signer([OpenedSecret(value=LONG), OpenedSecret(value=OLD)], ed25519)

    assert 1 == len(signer.headers(BODY, url=URL, message_id="m", now_ms=NOON_MS)["webhook-signature"].split())
    with pytest.raises(ValueError, match="fewer than 24 bytes"):
        Signer([OpenedSecret(value=OLD), OpenedSecret(value=LONG)], ed25519)


def rotated(*, active_in_ms: int = 0, expires_in_ms: int = 86_400_000) -> Signer:
    new = OpenedSecret(value=NEW, active_ms=NOON_MS + active_in_ms)
    return Signer([new, OpenedSecret(value=OLD, expires_ms=NOON_MS + expires_in_ms)], BOTH)


@pytest.mark.parametrize(
    ("at_ms", "single", "listed"),
    [(-1, OLD, [NEW, OLD]), (0, NEW, [NEW, OLD]), (1999, NEW, [NEW, OLD]), (2000, NEW, [NEW])],
)
def test_a_rotated_secret_signs_from_its_activation_and_the_old_one_until_its_expiry(
    at_ms: int, single: bytes, listed: list[bytes]
) -> None:
    """The list has both from the start, for a receiver that knows either; one space between."""
    now_ms = NOON_MS + 500 + at_ms
    signer = rotated(active_in_ms=500, expires_in_ms=2500)

    headers = signer.headers(BODY, url=URL, message_id="dlv_1", now_ms=now_ms)

    assert sha1(single) == headers["x-artibot-signature"]
    assert " ".join(v1(secret, now_ms=now_ms) for secret in listed) == headers["webhook-signature"]


def test_a_secret_that_is_not_active_yet_signs_where_no_other_is_left() -> None:
    """Better early than unsigned: the receiver may have learned it already."""
    signer = rotated(active_in_ms=10_000, expires_in_ms=1_000)

    assert sha1(NEW) == signer.headers(BODY, url=URL, message_id="m", now_ms=NOON_MS + 1_000)["x-artibot-signature"]


def test_where_every_secret_has_expired_nothing_is_signed() -> None:
    """An expired secret never signs again, and no header pretends."""
    signer = Signer([OpenedSecret(value=OLD, expires_ms=NOON_MS)], BOTH)

    assert {} == signer.headers(BODY, url=URL, message_id="m", now_ms=NOON_MS)


@pytest.mark.parametrize(
    ("schemes", "names"),
    [
        ((), set()),
        ((Signature.ARTIBOT_SHA1,), {"x-artibot-signature"}),
        ((Signature.STANDARD_WEBHOOKS,), {"webhook-signature"}),
        (BOTH, {"x-artibot-signature", "webhook-signature"}),
        ((Signature.SHA256,), {"x-relay-signature-256"}),
        ((Signature.STANDARD_WEBHOOKS_ED25519,), {"webhook-signature"}),
        ((Signature.ARTIBOT_URL,), {"x-artibot-signature"}),
    ],
)
def test_only_the_schemes_that_were_asked_for_sign(schemes: tuple[Signature, ...], names: set[str]) -> None:
    """A scheme is a header."""
    signer = Signer([OpenedSecret(value=LONG)], schemes)

    assert names == set(signer.headers(BODY, url=URL, message_id="m", now_ms=NOON_MS))


# the request


def test_a_request_has_relays_headers_the_signatures_and_the_subscriptions_own_in_this_order() -> None:
    """DESIGN.md section 7, whole; the bytes that are signed are the bytes that are sent."""
    delivery = a_delivery(attempt=3, trigger=Trigger.REPLAY)

    request = signed(delivery, own={"x-team": "crm", "authorization": "Bearer t0ken"}, now_ms=NOON_MS + 999)

    assert [
        ("content-type", "application/json"),
        ("user-agent", f"relay/{__version__}"),
        ("accept-encoding", "identity"),
        ("webhook-id", "dlv_1"),
        ("webhook-timestamp", "1700000000"),
        ("relay-event", "lead.updated"),
        ("relay-attempt", "3"),
        ("relay-trigger", "replay"),
        ("x-artibot-signature", sha1(NEW)),
        ("webhook-signature", v1(NEW)),
        ("x-team", "crm"),
        ("authorization", "Bearer t0ken"),
    ] == list(request.headers.items())
    assert ("https://example.com/hooks?a=%2F", 7.5) == (request.url, request.timeout_s)
    assert request.body is delivery.event.body


def test_no_header_of_the_subscriptions_own_replaces_one_of_relays() -> None:
    """Whatever it is called; not a signature, not the id, not the content's type."""
    plain = signed(a_delivery()).headers

    request = signed(a_delivery(), own=dict.fromkeys(plain, "mine"))

    assert plain == request.headers


def test_a_later_attempt_is_signed_anew_under_the_same_id() -> None:
    """The timestamp is the attempt's, so that a receiver's window against replays lets it in."""
    first, second = signed(a_delivery()), signed(a_delivery(attempt=2), now_ms=NOON_MS + 5_000)

    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert ("1700000000", "1700000005") == (first.headers["webhook-timestamp"], second.headers["webhook-timestamp"])
    assert v1(NEW, now_ms=NOON_MS + 5_000) == second.headers["webhook-signature"]
    assert first.headers["x-artibot-signature"] == second.headers["x-artibot-signature"]
