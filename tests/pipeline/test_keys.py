"""From a secret as a customer has it to the key of each scheme."""

import binascii
import hmac
from base64 import b64encode

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from relay.pipeline.keys import HALF_BYTES, LEAST_KEY_BYTES, ed25519_key, makes_pair, public_key, standard_webhooks_key

PAIR = b"whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg=="


def private(secret: bytes) -> bytes:
    return ed25519_key(secret).private_bytes_raw()


def test_a_key_is_decoded_only_behind_its_prefix() -> None:
    """What looks like base64 without it is taken as it is; what has it and is none is refused."""
    assert [b"test", b"dGVzdA=="] == [standard_webhooks_key(one) for one in (b"whsec_dGVzdA==", b"dGVzdA==")]
    with pytest.raises(binascii.Error):
        standard_webhooks_key(b"whsec_not base64")


@given(st.binary(min_size=LEAST_KEY_BYTES, max_size=64))
def test_a_pair_is_made_of_what_standard_webhooks_signs_with(key: bytes) -> None:
    """RFC 5869 in the standard library's words: no salt, one block; it is not the shared key itself."""
    extracted = hmac.digest(bytes(32), key, "sha256")
    expected = hmac.digest(extracted, b"relay standard-webhooks-ed25519" + bytes([1]), "sha256")

    made = private(b"whsec_" + b64encode(key))

    assert expected == made
    assert key[:HALF_BYTES] != made


def test_a_raw_secret_and_its_base64_make_the_same_pair() -> None:
    """As they do with HMAC: a customer may be told either."""
    raw = b"a secret that is long enough for a pair"

    assert private(raw) == private(b"whsec_" + b64encode(raw))
    assert public_key(raw) == public_key(b"whsec_" + b64encode(raw))


def test_a_pair_is_taken_as_it_is() -> None:
    """The private half, and the public one behind it, as Svix's server writes it."""
    assert "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4=" == public_key(PAIR)


@pytest.mark.parametrize(
    "secret",
    [b"whsk_", b"whsk_%%%", b"whsk_" + b64encode(bytes(32)), b"whsk_" + b64encode(bytes(64)), PAIR[:-4] + b"AAA=",
     b"whsk_" + b64encode(bytes(32) + Ed25519PrivateKey.from_private_bytes(bytes([1] * 32)).public_key()
                          .public_bytes_raw())],
)  # fmt: skip
def test_what_is_no_pair_is_refused_and_not_cited(secret: bytes) -> None:
    """Too short, or two halves that do not belong together."""
    with pytest.raises(ValueError, match=r"^begins with whsk_, and what follows is no pair of Ed25519 keys in base64$"):
        ed25519_key(secret)


@pytest.mark.parametrize(
    ("secret", "makes"),
    [(b"test", False), (b"s" * 23, False), (b"s" * 24, True), (PAIR, True), (b"whsk_", False)]
    + [(b"whsec_" + b64encode(b"s" * size), size >= LEAST_KEY_BYTES) for size in (1, 23, 24, 32)],
)
def test_a_secret_that_could_be_guessed_makes_no_pair(secret: bytes, *, makes: bool) -> None:
    """Whoever has the public key can try guesses at their leisure; the length counts decoded."""
    assert makes is makes_pair(secret)
