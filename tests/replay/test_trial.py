"""The event of a test send."""

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.errors import Malformed
from relay.model import EVENT_TYPES, EVERY_ACCOUNT, Event
from relay.pipeline.decode import delivery_headers, read_delivery
from relay.replay.trial import trial_delivery, trial_event
from relay.samples import ACCOUNT
from tests.builders import NOON_MS, Fetched, a_subscription


def made(event_type: str = "lead.updated", *, delivery_id: str = "dlv_1", at_ms: int = NOON_MS) -> Event:
    return trial_event(event_type, account_id="acc_1", delivery_id=delivery_id, at_ms=at_ms)


@given(st.sampled_from(EVENT_TYPES), st.integers(0, 4_102_444_800_000))
def test_what_was_sent_is_made_again_from_what_its_result_tells(event_type: str, at_ms: int) -> None:
    """Its type, its account, its delivery's id, and its time, which a result has in milliseconds."""
    event = made(event_type, at_ms=at_ms)

    assert event == made(event_type, at_ms=at_ms)
    assert (event_type, "acc_1", None) == (event.type, event.account_id, event.source)
    assert event.time is not None
    assert event.time.endswith(f".{at_ms % 1000:03d}Z")


def test_two_tests_are_of_two_leads() -> None:
    """So that nobody takes the second for the first."""
    assert made(delivery_id="dlv_1").lead_id != made(delivery_id="dlv_2").lead_id


def test_a_type_that_relay_does_not_send_is_refused() -> None:
    """Whoever asks."""
    with pytest.raises(Malformed):
        made("lead.deleted")


@pytest.mark.parametrize(("account", "of"), [("acc_1", "acc_1"), (EVERY_ACCOUNT, ACCOUNT)])
def test_its_delivery_is_one_that_a_worker_reads(account: str, of: str) -> None:
    """A subscription to all accounts gets one of the sample account's."""
    delivery = trial_delivery(a_subscription(account_id=account), "lead.created", delivery_id="dlv_1", at_ms=NOON_MS)

    read = read_delivery(Fetched(value=delivery.event.body, headers=delivery_headers(delivery)), max_bytes=1 << 20)

    assert delivery == read
    assert of == orjson.loads(read.event.body)["lead"]["account_id"]
