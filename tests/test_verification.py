"""What a receiver does with signatures, against published vectors and another's implementation."""

import hmac
from base64 import b64encode
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from relay.clock import SystemClock
from relay.errors import Invalid
from relay.model import Signature
from relay.verification import ENTRIES, SCHEMES, Checked, check, require_secret, verify
from tests.signed import BODY, NOON_S, SECRET, sha1, v1

URL = "https://receiver.example/hooks?token=a%2Fb"

# Standard Webhooks 1.0.0: the vector in the tests of all its libraries.
VECTOR_SECRET = b"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
VECTOR_BODY = b'{"test": 2432232314}'
VECTOR_S = 1614265330
VECTOR = {
    "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
    "webhook-timestamp": str(VECTOR_S),
    "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
}


def sha256(body: bytes = BODY, secret: bytes = SECRET) -> dict[str, str]:
    return {"x-relay-signature-256": "sha256=" + hmac.digest(secret, body, "sha256").hex()}


def of_url(url: str = URL, body: bytes = BODY, secret: bytes = SECRET) -> dict[str, str]:
    message = b"POST&" + url.encode() + b"&" + body
    return {"x-artibot-signature": hmac.digest(secret, message, "sha1").hex().upper()}


# A pair of Svix's own documentation, with its public half, and the vector of its server's tests.
PAIR = b"whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg=="
PUBLIC = b"whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4="
V1A = "v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg=="


def test_the_published_vector_verifies() -> None:
    """Standard Webhooks, with a key that is decoded."""
    assert verify(VECTOR, VECTOR_BODY, VECTOR_SECRET, VECTOR_S) is None


def test_sha1_is_over_the_body_with_the_secret_as_entered() -> None:
    """RFC 2202's second case; a `whsec_` secret is not decoded for this scheme."""
    rfc = {"x-artibot-signature": "sha1=effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"}

    assert verify(rfc, b"what do ya want for nothing?", b"Jefe", NOON_S) is None
    assert verify(sha1(secret=VECTOR_SECRET), BODY, VECTOR_SECRET, NOON_S) is None


@given(st.binary(min_size=1, max_size=64), st.text(max_size=200), st.from_regex(r"\A[A-Za-z0-9_]{1,40}\Z"))
def test_what_the_reference_library_signs_verifies(key: bytes, text: str, message_id: str) -> None:
    """The `standardwebhooks` package signs, we verify."""
    secret = "whsec_" + b64encode(key).decode()
    signature = Webhook(secret).sign(message_id, datetime.fromtimestamp(NOON_S, UTC), text)
    headers = {"webhook-id": message_id, "webhook-timestamp": str(NOON_S), "webhook-signature": signature}

    assert verify(headers, text.encode(), secret.encode(), NOON_S) is None
    assert verify(headers, text.encode() + b" ", secret.encode(), NOON_S) is not None


@pytest.mark.parametrize("spoiled", [None, "webhook-id", "webhook-timestamp", "webhook-signature"])
def test_the_reference_library_agrees_on_what_is_refused(spoiled: str | None) -> None:
    """The same request, one header changed: both take it or both do not."""
    now_s = SystemClock().now_ms() // 1000
    headers = v1(at_s=now_s)
    if spoiled:
        other = v1(b"{}", at_s=now_s - 301) | {"webhook-id": "dlv_2"}
        headers[spoiled] = other[spoiled]

    try:
        Webhook(SECRET).verify(BODY, headers)
        theirs = True
    except WebhookVerificationError:
        theirs = False

    assert theirs is (spoiled is None)
    assert theirs is (verify(headers, BODY, SECRET, now_s) is None)


@pytest.mark.parametrize(
    ("headers", "why"),
    [
        ({}, "no signature"),
        (sha1(secret=b"other"), "x-artibot-signature does not match"),
        (sha1(b"{}"), "x-artibot-signature does not match"),
        ({"x-artibot-signature": sha1()["x-artibot-signature"].removeprefix("sha1=")}, "x-artibot-signature does not"),
        ({"x-artibot-signature": ""}, "x-artibot-signature does not begin with sha1="),
        ({"x-artibot-signature": "sha1=\udcff"}, "x-artibot-signature does not match"),
        (v1(secret=b"other"), "webhook-signature holds no v1"),
        (v1() | {"webhook-id": "dlv_2"}, "webhook-signature holds no v1"),
        (v1() | {"webhook-timestamp": str(NOON_S + 1)}, "webhook-signature holds no v1"),
        (v1() | {"webhook-signature": "v1a," + v1()["webhook-signature"][3:]}, "webhook-signature holds no v1"),
        (v1() | {"webhook-signature": ""}, "webhook-signature holds no v1"),
        (v1() | {"webhook-id": ""}, "webhook-id is missing"),
        (v1() | {"webhook-timestamp": "now"}, "webhook-timestamp is missing"),
        (v1() | {"webhook-timestamp": "٣"}, "webhook-timestamp is missing"),
        (v1() | {"webhook-timestamp": "9" * 5_000}, "webhook-timestamp is missing"),
        (sha1() | v1(secret=b"other"), "webhook-signature holds no v1"),
        (v1() | sha1(secret=b"other"), "x-artibot-signature does not match"),
    ],
)
def test_what_is_not_signed_with_the_secret_is_refused(headers: dict[str, str], why: str) -> None:
    """Each with its reason; a right signature does not excuse a wrong one beside it."""
    told = verify(headers, BODY, SECRET, NOON_S)

    assert told is not None
    assert told.startswith(why)


@pytest.mark.parametrize(
    ("off_s", "taken"), [(-301, False), (-300, True), (0, True), (299.5, True), (300, True), (301, False)]
)
def test_a_timestamp_may_be_five_minutes_off_either_way(off_s: float, *, taken: bool) -> None:
    """Later or earlier than that may be a replay."""
    assert taken is (verify(v1(), BODY, SECRET, NOON_S + off_s) is None)


def test_one_of_several_signatures_is_enough() -> None:
    """While a secret is rotated the old one signs too."""
    ours, another = v1(), v1(secret=b"old")
    listed = another["webhook-signature"] + " v1a,AAAA nonsense " + ours["webhook-signature"]

    assert verify(ours | {"webhook-signature": listed}, BODY, SECRET, NOON_S) is None


# every scheme


def test_its_schemes_are_the_models() -> None:
    """By the same names, though it shares no code with the signer."""
    assert [one.value for one in Signature] == list(SCHEMES)


@pytest.mark.parametrize(
    ("headers", "scheme"),
    [
        (sha1(), "artibot-sha1"),
        (v1(), "standard-webhooks"),
        (sha256(), "sha256"),
        (of_url(), "artibot-url"),
    ],
)
def test_it_says_in_which_scheme_a_request_was_signed(headers: dict[str, str], scheme: str) -> None:
    """One that was not is named with why."""
    assert Checked((scheme,), None) == check(headers, BODY, SECRET, NOON_S, urls=[URL])

    refused = check(headers, BODY + b" ", SECRET, NOON_S, urls=[URL])
    assert () == refused.schemes
    assert refused.why is not None


def test_schemes_that_hold_are_told_beside_one_that_does_not() -> None:
    """Which helps whoever looks for the one that is wrong; the request is refused."""
    told = check(sha1() | v1() | sha256(secret=b"other"), BODY, SECRET, NOON_S)

    assert ("artibot-sha1", "standard-webhooks") == told.schemes
    assert told.why == "x-relay-signature-256 does not match the body and the secret (sha256)"


@pytest.mark.parametrize("secret", [PAIR, PUBLIC])
def test_the_vector_of_an_asymmetric_signature_verifies_with_either_half(secret: bytes) -> None:
    """The public one is enough; one byte changed, and neither takes it."""
    signed = VECTOR | {"webhook-signature": V1A}

    assert Checked(("standard-webhooks-ed25519",), None) == check(signed, VECTOR_BODY, secret, VECTOR_S)
    assert check(signed, VECTOR_BODY + b" ", secret, VECTOR_S).why
    assert check(signed | {"webhook-signature": "v1a,AAAA v1a,é v1a, v1a"}, VECTOR_BODY, secret, VECTOR_S).why


def test_a_public_key_looks_at_nothing_but_its_own_scheme() -> None:
    """Whoever has it can check no HMAC, right or wrong."""
    signed = VECTOR | {"webhook-signature": V1A}

    assert check(signed | sha1() | sha256(), VECTOR_BODY, PUBLIC, VECTOR_S).why is None
    assert check(sha1() | sha256(), BODY, PUBLIC, NOON_S).why is not None
    assert check(v1(secret=PUBLIC), BODY, PUBLIC, NOON_S).why is not None


def test_a_list_is_looked_at_only_so_far() -> None:
    """Each asymmetric entry costs its receiver a tenth of a millisecond, and anybody may send them."""
    filler = "v1a," + b64encode(Ed25519PrivateKey.from_private_bytes(bytes(32)).sign(b"")).decode()

    def listed(others: int) -> dict[str, str]:
        return VECTOR | {"webhook-signature": " ".join([*[filler] * others, V1A])}

    assert check(listed(ENTRIES - 1), VECTOR_BODY, PUBLIC, VECTOR_S).why is None
    assert check(listed(ENTRIES), VECTOR_BODY, PUBLIC, VECTOR_S).why is not None


@pytest.mark.parametrize(
    ("urls", "why"),
    [
        ([], "x-artibot-signature does not begin with sha1=, and artibot-url needs the URL that was called"),
        ([URL + "x"], "x-artibot-signature does not match the URL, the body and the secret (artibot-url)"),
        ([URL + "x", "\udcff", URL], None),
    ],
)
def test_a_signature_over_the_url_needs_the_url(urls: list[str], why: str | None) -> None:
    """Byte for byte; of several that it may have been one is enough."""
    assert why == verify(of_url(), BODY, SECRET, NOON_S, urls=urls)


def test_a_signature_over_the_url_is_in_upper_case() -> None:
    """As ArtiBot's sample for C# compares it."""
    lower = {name: value.lower() for name, value in of_url().items()}

    assert verify(lower, BODY, SECRET, NOON_S, urls=[URL]) is not None


@pytest.mark.parametrize(
    ("secret", "rule"),
    [
        (b"", "is empty"),
        (b"whsec_", "is empty"),
        (b"whsec_%%%", "begins with whsec_, and what follows is no base64"),
        (b"whsk_%%%", "begins with whsk_, and what follows is no base64"),
        (b"whpk_%%%", "begins with whpk_, and what follows is no base64"),
        (b"whsk_QUJD", "begins with whsk_, and what follows is not 64 bytes in base64"),
        (b"whpk_QUJD", "begins with whpk_, and what follows is not 32 bytes in base64"),
    ],
)
def test_what_nothing_can_be_checked_against_is_refused(secret: bytes, rule: str) -> None:
    """By its prefix; what is behind it is not cited."""
    with pytest.raises(Invalid, match=f"^secret: {rule}") as refused:
        require_secret(secret)

    assert "%%%" not in str(refused.value)
    assert "QUJD" not in str(refused.value)


@given(st.dictionaries(st.sampled_from(["x-artibot-signature", "x-relay-signature-256", "webhook-signature",
                                        "webhook-id", "webhook-timestamp"]), st.text(max_size=60)))  # fmt: skip
def test_whatever_a_sender_sends_is_refused_and_nothing_worse(headers: dict[str, str]) -> None:
    """Any text in any header: without the secret none of it holds."""
    for secret in (SECRET, PAIR, PUBLIC, b"a secret that is long enough for a pair"):
        assert check(headers, BODY, secret, NOON_S, urls=[URL]).why is not None
