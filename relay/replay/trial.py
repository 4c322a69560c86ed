"""
The event of a test send: relay's own, never the caller's, for whoever could choose it could have anything signed. Pure.

All of it follows from whose it is, its type, its delivery's id and its time, and a result tells all four: so what was
sent is made again to be shown, though no log holds it.
"""

from dataclasses import dataclass, replace
from random import Random

import orjson

from relay.errors import Malformed
from relay.model import EVERY_ACCOUNT, Delivery, DeliveryId, Event, Headers, Subscription, Trigger
from relay.pipeline.decode import Skipped, read_event
from relay.samples import ACCOUNT, sample_event


@dataclass(frozen=True, slots=True, kw_only=True)
class _Made:
    """A record that never stood in a log (`relay.model.Record`)."""

    value: bytes | None
    topic: str = "test"
    partition: int = 0
    offset: int = 0
    timestamp: int = 0
    key: bytes | None = None
    headers: Headers = ()


def trial_event(event_type: str, *, account_id: str, delivery_id: str, at_ms: int) -> Event:
    """
    A made-up lead's.

    Args:
        event_type: One of EVENT_TYPES.
        account_id: Whose lead it is said to be.
        delivery_id: The ids and names in it follow from this.
        at_ms: When it is said to have happened.
    """
    value = sample_event(event_type, now_ms=at_ms, random=Random(delivery_id), account_id=account_id)  # noqa: S311  sample data
    body = orjson.dumps(value)
    event = read_event(_Made(value=body), max_bytes=len(body))
    if isinstance(event, Skipped):
        raise Malformed(f"{event_type} is no event that relay sends")
    return replace(event, source=None)


def trial_delivery(subscription: Subscription, event_type: str, *, delivery_id: str, at_ms: int) -> Delivery:
    """One attempt of it; a subscription to all accounts gets one of the sample account's."""
    account_id = ACCOUNT if subscription.account_id == EVERY_ACCOUNT else subscription.account_id
    return Delivery(
        id=DeliveryId(delivery_id),
        event=trial_event(event_type, account_id=account_id, delivery_id=delivery_id, at_ms=at_ms),
        subscription_id=subscription.id,
        account_id=subscription.account_id,
        incarnation=subscription.created_at,
        matched_ms=at_ms,
        trigger=Trigger.TEST,
    )
