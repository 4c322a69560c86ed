"""What a notice says, and when a subscription is re-enabled."""

import contextlib
from collections.abc import Mapping

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.errors import Malformed
from relay.model import State, Subscription, SubscriptionId
from relay.pipeline.notice import MOST_BYTES, Kind, read
from relay.store.edits import Stored, Unreadable, re_enabled
from relay.store.subscriptions import told
from tests.builders import NOON_MS, a_subscription, a_word
from tests.test_schemas import validator

DISABLED = a_subscription(
    state=State.DISABLED, version=5, state_at="2019-06-07T23:12:10.950Z", updated_at="2019-06-07T23:59:00.000Z"
)
RESUMED = a_subscription(version=6, updated_at="2019-06-08T08:02:00.000Z", updated_by="cli:ops")


@pytest.mark.parametrize(
    ("old", "new", "is_news"),
    [
        (DISABLED, RESUMED, True),
        (DISABLED, a_subscription(state=State.PAUSED, version=6), True),
        (DISABLED, a_subscription(state=State.DISABLED, version=6), False),
        (DISABLED, a_subscription(created_at="2019-06-08T08:02:00.000Z"), False),
        (DISABLED, None, False),
        (None, RESUMED, False),
        (a_subscription(state=State.PAUSED), RESUMED, False),
        (Unreadable("of a later version", DISABLED), RESUMED, False),
        (DISABLED, Unreadable("of a later version", RESUMED), False),
    ],
)
def test_one_is_re_enabled_when_it_was_disabled_and_the_same_one_is_so_no_more(
    old: Stored | None, new: Stored | None, *, is_news: bool
) -> None:
    """Not when it is deleted, made anew, or was not to be read."""
    assert is_news is re_enabled(old, new)


def test_of_an_edit_of_many_each_that_is_re_enabled_is_told() -> None:
    """Who did it, and since when it had been as it was; the others are no news."""
    others = {one.id: one for one in (a_subscription(id="sub_2", state=State.PAUSED), a_subscription(id="sub_3"))}
    existing: Mapping[SubscriptionId, Stored] = {**others, DISABLED.id: DISABLED}
    changes: Mapping[SubscriptionId, Subscription | None] = {
        **others,
        SubscriptionId("sub_3"): None,
        RESUMED.id: RESUMED,
    }

    ((key, value),) = told(existing, changes).items()

    said = orjson.loads(value)
    validator("notice").validate(said)
    assert ("sub_1", "re-enabled", 6) == (key, said["kind"], said["subscription_version"])
    assert ("active", "cli:ops") == (said["reason"], said["worker"])
    assert (DISABLED.state_at, RESUMED.updated_at) == (said["since"], said["at"])


# read back


def test_what_was_written_is_read() -> None:
    """All of it as it stands there, and what relay goes by as values."""
    word = a_word(Kind.FAILING, since_ms=NOON_MS - 7_000, at_ms=NOON_MS, version=3)

    assert read(orjson.dumps(word.told)) == word
    assert ("sub_1", 3, NOON_MS - 7_000, NOON_MS) == (word.subscription_id, word.version, word.since_ms, word.at_ms)
    validator("notice").validate(word.told)


def test_one_of_a_kind_that_is_not_known_is_passed_over() -> None:
    """A newer relay's."""
    assert read(orjson.dumps({**a_word().told, "kind": "tired"})) is None


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (None, "no value"),
        (b"{", "no JSON"),
        (b"[" * 10_000, "no JSON"),
        (b"[]", "not a JSON object"),
        (b" " * (MOST_BYTES + 1), "over 16384 bytes"),
        ({"kind": None}, "kind is no text"),
        ({"subscription_id": ""}, "subscription_id is no text"),
        ({"subscription_version": True}, "no version"),
        ({"subscription_version": 0}, "no version"),
        ({"account_id": 7}, "account_id is no text"),
        ({"since": "yesterday"}, "since is no time"),
        ({"at": "2019-06-07T12:00:00"}, "at is no time"),
        ({"at": "1969-06-07T12:00:00Z"}, "at is no time"),
        ({"worker": None}, "worker is no text"),
    ],
)
def test_what_is_no_notice_is_malformed(value: bytes | dict[str, object] | None, why: str) -> None:
    raw = orjson.dumps({**a_word().told, **value}) if isinstance(value, dict) else value
    with pytest.raises(Malformed, match=why):
        read(raw)


@given(
    st.dictionaries(
        st.sampled_from(list(a_word().told)), st.none() | st.integers(-(2**63), 2**64 - 1) | st.text() | st.booleans()
    )
)
def test_whatever_stands_in_a_field_it_is_read_or_malformed(fields: dict[str, object]) -> None:
    value = orjson.dumps({**a_word().told, **fields})
    with contextlib.suppress(Malformed):
        word = read(value)
        assert word is None or word.told == orjson.loads(value)
