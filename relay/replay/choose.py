"""
What is sent of an event, a delivery or a dead letter: a delivery record, or the reason why there is none. Pure.

A redelivery is somebody's wish for this delivery, so it is made although the filter may not want the event any more; a
replay is a wish for what the subscription wants, so it asks the filter of now.
"""

from dataclasses import replace

from relay.errors import Malformed
from relay.instants import epoch_ms
from relay.model import (
    EVERY_ACCOUNT,
    Delivery,
    DeliveryId,
    Event,
    Record,
    Source,
    State,
    Subscription,
    SubscriptionId,
    Trigger,
)
from relay.pipeline.decode import Skipped, read_delivery, read_event
from relay.pipeline.match import Index, delivery_id, endpoint, first_delivery
from relay.replay.values import Run
from relay.store.history.values import Delivery as Told

OTHER_CLOCK_MS = 60_000  # what a worker's and an editor's clock may differ by


def index_of(subscription: Subscription) -> Index:
    """What events are matched against: this one alone, and nothing to sign with."""
    index = Index()
    index.put(endpoint(subscription, signer=None, headers={}))
    return index


def replayed(record: Record, index: Index, run: Run, *, namespace: str, max_bytes: int, now_ms: int) -> Delivery | None:
    """
    The delivery of this record in a replay; None: it is no event, or its subscription does not want it.

    Args:
        record: Of an events topic.
        index: Of the run's subscription, as it is now.
        run: The replay.
        namespace: RELAY_NAMESPACE.
        max_bytes: RELAY_MAX_EVENT_BYTES.
        now_ms: Becomes its `matched_ms`: it may be put off for as long as any other.
    """
    if run.since_ms is not None and record.timestamp < run.since_ms:  # times of a log may run backwards a little
        return None
    try:
        event = read_event(record, max_bytes=max_bytes)
    except Malformed:  # a dead letter since it was first read
        return None
    if isinstance(event, Skipped):
        return None
    for to in index.match(event):
        first = first_delivery(event, to, namespace=namespace, timestamp_ms=record.timestamp, now_ms=now_ms)
        return replace(first, trigger=Trigger.REPLAY, run_id=run.id)
    return None


def refused(told: Told, subscription: Subscription) -> str | None:
    """Why this delivery is not sent again to this subscription, as far as it can be said without its event."""
    if told.subscription_id != subscription.id or told.account_id != subscription.account_id:
        return "it is another subscription's"
    if told.created_ms + OTHER_CLOCK_MS < _ms(subscription.created_at):
        return "its subscription was deleted, and made anew since"
    if subscription.state is State.DISABLED:
        return "its subscription is disabled: resume it first"
    if source_of(told) is None:
        return "it was a test send, which stands in no log: send another test"
    return None


def source_of(told: Told) -> Source | None:
    """Where its event stands; None: it was a test send."""
    if told.event_topic is None or told.event_partition is None or told.event_offset is None:
        return None
    return Source(told.event_topic, told.event_partition, told.event_offset)


def redelivered(
    told: Told,
    record: Record,
    subscription: Subscription,
    *,
    run_id: str,
    namespace: str,
    max_bytes: int,
    now_ms: int,
) -> Delivery | str:
    """
    The delivery once more, from its first attempt; or why not.

    Args:
        told: As the history has it; not `refused`.
        record: What stands at its coordinates now.
        subscription: Whose it is.
        run_id: Of this redelivery.
        namespace: RELAY_NAMESPACE.
        max_bytes: RELAY_MAX_EVENT_BYTES.
        now_ms: Becomes its `matched_ms`.
    """
    try:
        event = read_event(record, max_bytes=max_bytes)
    except Malformed as why:
        return f"what stands at its coordinates is no event: {why}"
    if isinstance(event, Skipped) or not _is(told, event, record, namespace):
        return "another event stands at its coordinates: the topic was made anew, or RELAY_NAMESPACE is another"
    if subscription.account_id not in {event.account_id, EVERY_ACCOUNT}:
        return "its event is another account's"
    return Delivery(
        id=DeliveryId(told.delivery_id),
        event=event,
        subscription_id=subscription.id,
        account_id=subscription.account_id,
        incarnation=subscription.created_at,
        matched_ms=now_ms,
        trigger=Trigger.REDELIVERY,
        run_id=run_id,
    )


def requeued(letter: Record, subscription: Subscription | None, *, run_id: str, now_ms: int) -> Delivery | str:
    """
    What was given up once more, from its first attempt, with the bytes of its dead letter; or why not.

    Args:
        letter: Of the dead letters.
        subscription: What stands under its subscription's id now.
        run_id: Of this requeue.
        now_ms: Becomes its `matched_ms`.
    """
    given_up = delivery_of(letter)
    if isinstance(given_up, str):
        return given_up
    if given_up.trigger is Trigger.TEST:
        return "it was a test send: send another test"
    if subscription is None:
        return "its subscription was deleted"
    if (subscription.created_at, subscription.account_id) != (given_up.incarnation, given_up.account_id):
        return "its subscription was deleted, and made anew since"
    if subscription.state is State.DISABLED:
        return "its subscription is disabled: resume it first"
    return replace(given_up, attempt=1, deferrals=0, matched_ms=now_ms, trigger=Trigger.REDELIVERY, run_id=run_id)


def delivery_of(letter: Record) -> Delivery | str:
    """The delivery that a dead letter was, or why it is none."""
    names = {name for name, _ in letter.headers}
    if "relay-delivery-id" not in names:
        return "it is malformed, and can only be exported"
    try:
        return read_delivery(letter, max_bytes=len(letter.value or b""))
    except Malformed as why:
        return f"it cannot be read: {why}"


def _is(told: Told, event: Event, record: Record, namespace: str) -> bool:
    """Whether this event makes that delivery: its id follows from where and when the event stands, and for whom."""
    owner = SubscriptionId(told.subscription_id)
    return told.delivery_id == delivery_id(event, owner, namespace=namespace, timestamp_ms=record.timestamp)


def _ms(written: str) -> int:
    """Of RFC 3339; 0 of what cannot be read: then nobody can say that it was made later."""
    try:
        return epoch_ms(written)
    except ValueError:
        return 0
