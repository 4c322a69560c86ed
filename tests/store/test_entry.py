"""Entries of the audit, to their records and back."""

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.errors import Malformed
from relay.store.entry import Action, AuditEntry, decode_entry, encode_entry, outgoing
from relay.store.fields import MAX_DEPTH, MAX_RECORD_BYTES
from tests.access.test_codec import ACCOUNT, JSON, TEXT
from tests.access.test_register import NOON

ENTRIES = st.builds(
    AuditEntry,
    at=st.just(NOON),
    actor=TEXT,
    action=st.sampled_from(Action) | TEXT,
    account_id=ACCOUNT,
    subject=TEXT,
    details=st.dictionaries(TEXT, JSON, max_size=3),
)
ENTRY = AuditEntry(at=NOON, actor="ann", action="erased", account_id=None, subject="lead-1")


@given(ENTRIES)
def test_an_entry_is_read_as_it_was_written(entry: AuditEntry) -> None:
    """Also an action that this version does not know; its key is who did it."""
    record = outgoing(entry, "relay.audit")

    assert entry == decode_entry(encode_entry(entry))
    assert ("relay.audit", entry.actor.encode(), encode_entry(entry), 0) == (
        *(record.topic, record.key, record.value, record.partition),
    )


def test_what_a_newer_relay_adds_is_read_past() -> None:
    """Within a version fields are added, and none changes its meaning."""
    assert ENTRY == decode_entry(orjson.dumps(orjson.loads(encode_entry(ENTRY)) | {"more": {"of": "it"}}))


@given(st.binary(max_size=64) | JSON.map(orjson.dumps) | st.just(b"[" * 60_000) | st.just(b" " * 70_000))
def test_any_other_bytes_are_malformed(value: bytes) -> None:
    """And nothing else is ever raised."""
    with pytest.raises(Malformed):
        decode_entry(value)


def test_what_is_larger_than_anything_of_ours_is_not_looked_at() -> None:
    """However well it reads."""
    decode_entry(encode_entry(ENTRY).ljust(MAX_RECORD_BYTES))
    with pytest.raises(Malformed, match="over 65536 bytes"):
        decode_entry(encode_entry(ENTRY).ljust(MAX_RECORD_BYTES + 1))


@pytest.mark.parametrize("around", [lambda inner: {"a": inner}, lambda inner: [1, inner]], ids=["objects", "lists"])
def test_details_are_read_as_deep_as_they_can_be_shown(around: Any) -> None:  # noqa: ANN401
    """Deeper ones would be an error of every page that lists them."""
    deep: Any = "the end"
    for _ in range(MAX_DEPTH - 1):
        deep = around(deep)
    value = orjson.loads(encode_entry(ENTRY))

    assert {"it": deep} == decode_entry(orjson.dumps(value | {"details": {"it": deep}})).details
    with pytest.raises(Malformed):
        decode_entry(orjson.dumps(value | {"details": {"it": around(deep)}}))


def test_an_entry_of_the_most_that_anybody_does_fits() -> None:
    """Two hundred deliveries sent again at once, each by its id."""
    entry = AuditEntry(
        at=NOON, actor="ann", action=Action.REDELIVERED, account_id=None, subject="run_1",
        details={"deliveries": [f"dlv_{number:032x}" for number in range(200)]},
    )  # fmt: skip

    assert entry == decode_entry(encode_entry(entry))
