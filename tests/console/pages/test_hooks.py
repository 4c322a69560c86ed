"""Webhooks as pages show them."""

from relay.console.pages import hooks
from relay.console.pages.words import Chip
from relay.model import Sealed, Secret, State
from relay.store.codec import shown
from relay.store.history.values import HOUR_MS
from tests.builders import a_subscription
from tests.console.pages.test_charts import some

NOON_MS = 1_559_908_800_000
SEALED = Sealed("key_1", b"sealed")


def test_a_row_says_how_a_day_went_also_to_whoever_sees_no_bars() -> None:
    """The same figures, in words."""
    counts = [some(NOON_MS - HOUR_MS, delivered=3, failed=1)]

    row = hooks.row(shown(a_subscription()), counts, now_ms=NOON_MS)

    assert ("4 attempts in 24 hours, 3 delivered", "75.0 %") == (row.spoken, row.success)
    assert row.events == "LeadCreated, LeadUpdated, LeadCompleted"


def test_a_webhook_that_cannot_be_read_says_so_before_all_else() -> None:
    """Its state is of a form that is no more."""
    there = shown(a_subscription())

    assert Chip("good", "Active") == hooks.chip(there)
    assert Chip("bad", "Failing") == hooks.chip(there, is_failing=True)
    assert Chip("wait", "Paused") == hooks.chip(there | {"state": "paused"}, is_failing=True)
    assert Chip("bad", "Unreadable") == hooks.chip(there | {"unreadable": "filter cannot be read"})


def test_of_a_secret_is_told_when_it_signs_and_nothing_else() -> None:
    """The old one until it expires; one that has expired is not there any more."""
    secrets = (
        Secret(sealed=SEALED, active_ms=NOON_MS + HOUR_MS),
        Secret(sealed=SEALED, expires_ms=NOON_MS + 2 * HOUR_MS),
        Secret(sealed=SEALED, expires_ms=NOON_MS - 1),
    )

    rows = hooks.secrets(shown(a_subscription(secrets=secrets)), now_ms=NOON_MS)

    assert [None, NOON_MS + 2 * HOUR_MS] == [one.expires_ms for one in rows]
    assert "alone from 2019-06-07 13:00" in rows[0].words


def test_what_was_missed_is_what_came_since_it_is_not_active() -> None:
    """A replay begins there."""
    since = {"state_at": "2019-06-07T12:00:00.000Z", "updated_at": "2019-06-09T12:00:00.000Z"}  # renamed meanwhile
    paused = a_subscription(state=State.PAUSED, **since)

    assert hooks.missed_since_ms(shown(paused)) == NOON_MS
    assert hooks.missed_since_ms(shown(a_subscription())) is None
