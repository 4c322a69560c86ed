"""Tokens, to their records and back."""

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.access.codec import decode_token, encode_token, shown
from relay.access.values import Scope, Token
from relay.errors import Malformed
from relay.store.fields import MAX_RECORD_BYTES
from tests.access.test_register import NOON, a_token

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
ACCOUNT = st.none() | TEXT.filter(lambda text: 1 <= len(text.encode()) <= 256)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
TOKENS = st.builds(
    Token,
    id=TEXT,
    name=TEXT,
    prefix=TEXT,
    hash=st.from_regex("[0-9a-f]{64}", fullmatch=True),
    scope=st.sampled_from(Scope),
    account_id=ACCOUNT,
    created_at=st.just(NOON),
    created_by=TEXT,
    expires_at=st.none() | st.just(NOON),
)


@given(TOKENS)
def test_a_token_is_read_as_it_was_written(token: Token) -> None:
    """Every field; what people are shown of it is all but the hash."""
    assert token == decode_token(token.id.encode(), encode_token(token))
    assert {**shown(token), "hash": token.hash} == orjson.loads(encode_token(token))
    assert "hash" not in shown(token)


@pytest.mark.parametrize(
    "fields",
    [
        *({name: None} for name in ("id", "name", "prefix", "hash", "scope", "created_at", "created_by")),
        *({"scope": one} for one in ("", "root", "ADMIN", ["admin"], 7)),
        *({"account_id": one} for one in ("", 7, "a" * 257, ["a"])),
        *({"expires_at": one} for one in ("", "never", "2026-11-01T12:00:00Z", "2026-11-01T12:00:00.000+00:00", 7)),
        *({"hash": one} for one in ("", "0" * 63, "G" * 64, "0" * 64 + "\n")),
        {"name": "x" * 1_001},
    ],
    ids=str,
)
def test_a_token_that_cannot_be_honoured_is_none(fields: dict[str, Any]) -> None:
    """Never read as one that may more, or longer."""
    value = orjson.dumps(orjson.loads(encode_token(a_token())) | fields)

    with pytest.raises(Malformed):
        decode_token(b"tok_1", value)


@pytest.mark.parametrize("name", [*orjson.loads(encode_token(a_token()))])
def test_a_token_lacks_no_field(name: str) -> None:
    """Whose account is not said is not everybody's."""
    value = orjson.loads(encode_token(a_token()))
    del value[name]

    with pytest.raises(Malformed):
        decode_token(b"tok_1", orjson.dumps(value))


def test_a_token_stands_under_its_own_id() -> None:
    """Or a tombstone of its id would not revoke it."""
    with pytest.raises(Malformed, match="its key is not its id"):
        decode_token(b"tok_2", encode_token(a_token(1)))


def test_what_a_newer_relay_adds_is_read_past() -> None:
    """Within a version fields are added, and none changes its meaning."""
    value = orjson.loads(encode_token(a_token())) | {"more": {"of": "it"}}

    assert a_token() == decode_token(b"tok_1", orjson.dumps(value))


@given(st.binary(max_size=64) | JSON.map(orjson.dumps) | st.just(b"[" * 60_000) | st.just(b" " * 70_000))
def test_any_other_bytes_are_malformed(value: bytes) -> None:
    """And nothing else is ever raised."""
    with pytest.raises(Malformed):
        decode_token(b"tok_1", value)


def test_what_is_larger_than_anything_of_ours_is_not_looked_at() -> None:
    """However well it reads."""
    value = encode_token(a_token())

    decode_token(b"tok_1", value.ljust(MAX_RECORD_BYTES))
    with pytest.raises(Malformed, match="over 65536 bytes"):
        decode_token(b"tok_1", value.ljust(MAX_RECORD_BYTES + 1))
