"""What is sent again, and why something is not."""

from dataclasses import replace
from typing import Any

import pytest

from relay.model import Delivery, Source, State, Subscription, Trigger
from relay.pipeline.decode import delivery_headers
from relay.pipeline.match import delivery_id
from relay.replay.choose import index_of, redelivered, refused, replayed, requeued
from relay.replay.values import Kind, Run
from relay.store.history.values import Delivery as Told
from tests.builders import NOON_MS, Fetched, a_delivery, a_record, a_subscription, a_value, an_event
from tests.replay.made import a_run
from tests.store.history.results import a_row

RUN = a_run(kind=Kind.REPLAY)
HERE: dict[str, Any] = {"event_topic": "leads.events", "event_partition": 0, "event_offset": 42}
ID = delivery_id(an_event(), a_subscription().id, namespace="", timestamp_ms=NOON_MS)


def told(**fields: Any) -> Told:  # noqa: ANN401
    """A delivery of `a_record()` to `a_subscription()`, as the history has it."""
    own: dict[str, Any] = {"delivery_id": ID, "subscription_id": "sub_1", "account_id": "acc_1", "created_ms": NOON_MS}
    return a_row()[1]._replace(**(own | HERE | fields))


def replay(record: Fetched, to: Subscription, run: Run = RUN) -> Delivery | None:
    return replayed(record, index_of(to), run, namespace="", max_bytes=1 << 20, now_ms=NOON_MS + 5)


def redeliver(one: Told, record: Fetched, to: Subscription, *, namespace: str = "") -> Delivery | str:
    return redelivered(one, record, to, run_id="run_2", namespace=namespace, max_bytes=1 << 20, now_ms=NOON_MS + 5)


def test_a_replayed_event_has_the_id_that_live_traffic_gave_it() -> None:
    """Attempts from 1, the run's id, its trigger; it may be put off for as long as any other."""
    delivery = replay(a_record(), a_subscription())

    assert delivery is not None
    assert (ID, 1, 0, NOON_MS + 5) == (delivery.id, delivery.attempt, delivery.deferrals, delivery.matched_ms)
    assert ("run_1", Trigger.REPLAY) == (delivery.run_id, delivery.trigger)


@pytest.mark.parametrize(
    ("record", "to"),
    [
        (a_record(), a_subscription(account_id="acc_2")),
        (a_record(), a_subscription(events=("lead.created",))),
        (a_record(), a_subscription(bot_ids=("bot_2",))),
        (a_record(), a_subscription(filter={"lead.version": {"$gt": 2}})),
        (a_record(None), a_subscription()),
        (a_record(b"{"), a_subscription()),
        (a_record(a_value(resource="bot")), a_subscription()),
        (a_record(timestamp=NOON_MS - 1), a_subscription()),
    ],
)
def test_what_its_subscription_does_not_want_now_is_not_replayed(record: Fetched, to: Subscription) -> None:
    """Nor what is no event, nor what is older than was asked for."""
    assert replay(record, to, replace(RUN, since_ms=NOON_MS)) is None


@pytest.mark.parametrize("state", [State.ACTIVE, State.PAUSED])
def test_a_redelivery_is_made_whatever_the_filter_says_by_now(state: State) -> None:
    """Somebody wants this delivery; of a paused subscription it is put off."""
    to = a_subscription(filter={"lead.version": {"$gt": 2}}, events=("lead.created",), state=state)

    delivery = redeliver(told(), a_record(), to)

    assert refused(told(), to) is None
    assert isinstance(delivery, Delivery)
    assert (ID, 1, "run_2", Trigger.REDELIVERY) == (
        delivery.id,
        delivery.attempt,
        delivery.run_id,
        delivery.trigger,
    )
    assert (to.created_at, Source("leads.events", 0, 42)) == (delivery.incarnation, delivery.event.source)


@pytest.mark.parametrize(
    ("one", "to", "why"),
    [
        (told(), a_subscription(id="sub_2"), "another subscription's"),
        (told(), a_subscription(account_id="acc_2"), "another subscription's"),
        (told(), a_subscription(created_at="2019-06-07T12:02:00.000Z"), "made anew"),
        (told(), a_subscription(state=State.DISABLED), "disabled"),
        (told(event_topic=None), a_subscription(), "test send"),
    ],
)
def test_a_redelivery_to_what_is_not_its_subscription_is_refused(one: Told, to: Subscription, why: str) -> None:
    """Without a look at the log."""
    assert why in (refused(one, to) or "")


def test_a_subscription_that_was_made_a_moment_later_may_be_by_another_clock() -> None:
    """A worker's and an editor's are not the same."""
    assert refused(told(), a_subscription(created_at="2019-06-07T12:00:59.000Z")) is None
    assert refused(told(), a_subscription(created_at="")) is None


@pytest.mark.parametrize(
    ("record", "why"),
    [
        (a_record(timestamp=NOON_MS + 1), "made anew"),
        (a_record(offset=43), "made anew"),
        (a_record(None), "made anew"),
        (a_record(b"{"), "no event"),
    ],
)
def test_another_event_at_its_coordinates_is_not_sent_in_its_place(record: Fetched, why: str) -> None:
    """Its id follows from where and when it stands: a topic that was made anew gives another."""
    answer = redeliver(told(), record, a_subscription())

    assert isinstance(answer, str)
    assert why in answer
    assert "RELAY_NAMESPACE" in str(redeliver(told(), a_record(), a_subscription(), namespace="eu"))


def test_an_event_of_another_account_is_never_redelivered() -> None:
    """Whatever the history says; a subscription to all accounts gets it."""
    event = a_record(a_value(lead={"account_id": "acc_2"}))

    assert "another account's" in str(redeliver(told(), event, a_subscription()))
    every = a_subscription(account_id="*")
    assert isinstance(redeliver(told(account_id="*"), event, every), Delivery)


def a_letter(delivery: Delivery) -> Fetched:
    headers = (*delivery_headers(delivery), ("relay-reason", b"exhausted"))
    return Fetched(topic="relay.dead-letters", value=delivery.event.body, headers=headers)


def test_a_dead_letter_is_sent_from_its_first_attempt_with_its_own_bytes() -> None:
    """And in a run of its own."""
    given_up = a_delivery(attempt=10, deferrals=3, trigger=Trigger.REPLAY, run_id="run_0")

    again = requeued(a_letter(given_up), a_subscription(), run_id="run_2", now_ms=NOON_MS + 5)

    first: dict[str, Any] = {"attempt": 1, "deferrals": 0, "matched_ms": NOON_MS + 5}
    assert replace(given_up, trigger=Trigger.REDELIVERY, run_id="run_2", **first) == again


@pytest.mark.parametrize(
    ("letter", "to", "why"),
    [
        (Fetched(value=b"{", headers=(("relay-reason", b"not JSON"),)), a_subscription(), "malformed"),
        (Fetched(value=b"{", headers=delivery_headers(a_delivery())), a_subscription(), "cannot be read"),
        (a_letter(a_delivery(trigger=Trigger.TEST)), a_subscription(), "test send"),
        (a_letter(a_delivery()), None, "deleted"),
        (a_letter(a_delivery()), a_subscription(created_at="2019-06-02T08:00:00.000Z"), "made anew"),
        (a_letter(a_delivery()), a_subscription(account_id="*"), "made anew"),
        (a_letter(a_delivery()), a_subscription(state=State.DISABLED), "disabled"),
    ],
)
def test_a_dead_letter_that_cannot_be_sent_says_why(letter: Fetched, to: Subscription | None, why: str) -> None:
    """And nothing is."""
    assert why in str(requeued(letter, to, run_id="run_2", now_ms=NOON_MS))
