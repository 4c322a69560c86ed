"""What was sent, shown exactly: its event is read again by its coordinates, or made again where it was a test. Edge."""

from collections.abc import Mapping
from typing import Any

from relay.config import Config
from relay.errors import Malformed
from relay.instants import epoch_ms
from relay.model import EVENT_TYPES, Event, Source, Subscription, Trigger
from relay.pipeline.decode import Skipped, read_event
from relay.pipeline.match import Endpoint
from relay.replay.lookup import Gone, records
from relay.replay.shown import Sent, body_of, headers_of, url_of
from relay.replay.trial import trial_event
from relay.store.catalogue import opened
from relay.store.keyring import CannotOpen, KeyRing


async def sent(
    config: Config, result: Mapping[str, Any], subscription: Subscription | None, keys: KeyRing | None
) -> Sent:
    """
    What this attempt sent; where no request was made, that nothing was.

    Args:
        config: Where the events are.
        result: Of the attempt, as the results topic has it.
        subscription: Whose it is, as it is now; None: there is none any more.
        keys: For whoever may see whole signatures and the whole URL.

    Raises:
        Unreachable, NotAllowed: The broker does not answer, or refuses us.
    """
    if result.get("request_headers") is None:  # deferred, dropped, or never made
        return Sent(body=None, why="nothing was sent", headers={}, url=None)
    to = _opened(result, subscription, keys)
    body, why = body_of(result, event := await _event(config, result))
    shown = event if body is not None and isinstance(event, Event) else None
    return Sent(body=body, why=why, headers=headers_of(result, shown, to), url=url_of(result, to))


async def _event(config: Config, result: Mapping[str, Any]) -> Event | str:
    """What was sent, or why it is not there."""
    if result.get("trigger") == Trigger.TEST:
        return _tried(result)
    topic, partition, offset = (result.get(f"event_{name}") for name in ("topic", "partition", "offset"))
    if not (isinstance(topic, str) and type(partition) is int and type(offset) is int):
        return "its result names no event"
    source = Source(topic, partition, offset)
    record = (await records(config, [source]))[source]
    if isinstance(record, Gone):
        return record.why
    try:
        event = read_event(record, max_bytes=config.max_event_bytes)
    except Malformed as why:
        return f"what stands at its coordinates is no event: {why}"
    return "another event stands at its coordinates" if isinstance(event, Skipped) else event


def _tried(result: Mapping[str, Any]) -> Event | str:
    """Of a test send, made again."""
    event_type, account_id, delivery_id, at = (
        result.get(name) for name in ("event_type", "account_id", "delivery_id", "event_time")
    )
    if event_type not in EVENT_TYPES or not all(isinstance(one, str) for one in (account_id, delivery_id, at)):
        return "its result does not tell which test it was"
    try:
        at_ms = epoch_ms(str(at))
        return trial_event(str(event_type), account_id=str(account_id), delivery_id=str(delivery_id), at_ms=at_ms)
    except (ValueError, Malformed):
        return "its result does not tell which test it was"


def _opened(result: Mapping[str, Any], subscription: Subscription | None, keys: KeyRing | None) -> Endpoint | None:
    """Ready to sign; None: for who may not see, or when it is another's by now, or cannot be opened."""
    if keys is None or subscription is None or subscription.id != result.get("subscription_id"):
        return None
    if subscription.account_id != result.get("subscription_account_id"):
        return None
    try:
        return opened(subscription, keys)
    except CannotOpen:
        return None
