"""What a notice says, and when a subscription is re-enabled."""

from collections.abc import Mapping

import orjson
import pytest

from relay.model import State, Subscription, SubscriptionId
from relay.store.edits import Stored, Unreadable, re_enabled
from relay.store.subscriptions import told
from tests.builders import a_subscription
from tests.test_schemas import validator

DISABLED = a_subscription(state=State.DISABLED, version=5, updated_at="2019-06-07T23:12:10.950Z")
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
    assert (DISABLED.updated_at, RESUMED.updated_at) == (said["since"], said["at"])
