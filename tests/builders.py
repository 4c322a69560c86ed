"""
The nouns of relay/model.py with only the field that matters: `a_delivery(attempt=3)`.

Ids and times are fixed. What is not named is ordinary: an active subscription, a first attempt, an empty 200.
"""

import os
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any

import orjson

from relay.clock import Clock, ManualClock
from relay.metrics import Metrics
from relay.model import (
    EVENT_TYPES,
    Answer,
    Delivery,
    DeliveryId,
    Event,
    Headers,
    Sealed,
    Secret,
    Source,
    Subscription,
    SubscriptionId,
)
from relay.pipeline.disable import Disable
from relay.pipeline.health import Health
from relay.pipeline.notice import Kind, Word, read
from relay.pipeline.notices import Notices
from relay.pipeline.produce import Produce
from relay.pipeline.results import rfc3339
from relay.pipeline.room import Room
from relay.store.edits import Changes, Edit

NOON_MS = 1_559_908_800_000  # 2019-06-07T12:00:00Z
CREATED_AT = "2019-06-01T08:00:00.000Z"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """A record as a consumer hands it out (`relay.model.Record`)."""

    value: bytes | None
    topic: str = "leads.events"
    partition: int = 0
    offset: int = 42
    timestamp: int = NOON_MS
    key: bytes | None = b"lead_1"
    headers: Headers = ()


def a_value(**overrides: object) -> dict[str, Any]:
    """
    What an event says, as the platform publishes it.

    >>> a_value(action="created", lead={"account_id": "acc_2"})["action"]
    'created'
    """
    value = {
        "lead": {"id": "lead_1", "account_id": "acc_1", "bot_id": "bot_1", "status": 0, "version": 2, "data": {}},
        "meta": {"ip_address": ""},
        "resource": "lead",
        "action": "updated",
        "resource_id": "lead_1",
        "time_stamp": "2019-06-07T11:59:59.8186038Z",
        "resource_version": 2,
    }
    return value | overrides


ORDINARY: Mapping[str, Any] = a_value()


def a_record(value: bytes | Mapping[str, Any] | None = ORDINARY, /, **overrides: Any) -> Fetched:  # noqa: ANN401
    """A record of an events topic; a mapping is serialised, None is a tombstone."""
    raw = orjson.dumps(value) if isinstance(value, Mapping) else value
    return replace(Fetched(value=raw), **overrides)


def an_event(value: Mapping[str, Any] | None = None, /, **overrides: Any) -> Event:  # noqa: ANN401
    """The event that says `value` (an ordinary one, unless given); the body and its hash follow from it."""
    value = a_value() if value is None else value
    body = orjson.dumps(value)
    event = Event(
        body=body,
        body_sha256=sha256(body).hexdigest(),
        type=f"{value['resource']}.{value['action']}",
        account_id=value["lead"]["account_id"],
        lead_id=value["resource_id"],
        bot_id=value["lead"].get("bot_id"),
        resource_version=value.get("resource_version"),
        time="2019-06-07T11:59:59.818Z",
        time_raw="2019-06-07T11:59:59.8186038Z",
        source=Source("leads.events", 0, 42),
    )
    return replace(event, **overrides)


def a_delivery(**overrides: Any) -> Delivery:  # noqa: ANN401
    """The first attempt of an ordinary event to `a_subscription()`, matched at noon."""
    delivery = Delivery(
        id=DeliveryId("dlv_1"),
        event=an_event(),
        subscription_id=SubscriptionId("sub_1"),
        account_id="acc_1",
        incarnation=CREATED_AT,
        matched_ms=NOON_MS,
    )
    return replace(delivery, **overrides)


def a_subscription(**overrides: Any) -> Subscription:  # noqa: ANN401
    """An active one of `acc_1` to every event; its one secret is sealed under a key that nobody has."""
    subscription = Subscription(
        id=SubscriptionId("sub_1"),
        account_id="acc_1",
        name="A webhook",
        url="https://receiver.example/hook",
        events=EVENT_TYPES,
        secrets=(Secret(sealed=Sealed("key_1", b"sealed")),),
        state_at=CREATED_AT,
        updated_by="somebody",
        created_at=CREATED_AT,
        updated_at=CREATED_AT,
    )
    return replace(subscription, **overrides)


def an_answer(status: int = 200, *, headers: Mapping[str, str] | None = None, **overrides: Any) -> Answer:  # noqa: ANN401
    """
    A complete head, and an empty body.

    >>> an_answer(503, headers={"Retry-After": "120"}).headers
    (('retry-after', '120'),)
    """
    pairs = tuple((name.lower(), text) for name, text in (headers or {}).items())
    return replace(Answer(status=status, headers=pairs), **overrides)


def a_word(
    kind: Kind = Kind.FAILING,
    *,
    since_ms: int | None = None,
    at_ms: int = NOON_MS,
    version: int = 1,
    **fields: Any,  # noqa: ANN401
) -> Word:
    """A notice of an ordinary subscription, read back; told at noon of what had begun an hour before."""
    reasons = {Kind.DISABLED: ("gone", 410), Kind.RE_ENABLED: ("active", None), Kind.RECOVERED: ("ok", 200)}
    reason, status = reasons.get(kind, ("timeout", None))
    told = {
        "kind": kind.value,
        "subscription_id": "sub_1",
        "subscription_version": version,
        "account_id": "acc_1",
        "url": "https://receiver.example/…",
        "reason": reason,
        "status": status,
        "since": rfc3339(at_ms - 3_600_000 if since_ms is None else since_ms),
        "at": rfc3339(at_ms),
        "worker": "relay-1",
        "relay_version": "0.1.0",
    }
    word = read(orjson.dumps(told | fields))
    assert word is not None
    return word


async def nothing_edited(_: Edit) -> Changes:
    """A topic of subscriptions that nobody asked to write to."""
    raise AssertionError("no subscription is edited here")


def some_notices(
    produce: Produce,
    room: Room,
    *,
    metrics: Metrics | None = None,
    clock: Clock | None = None,
    edit: Callable[[Edit], Awaitable[Changes]] = nothing_edited,
    health: Health | None = None,
) -> Notices:
    """A worker's, with the rules as they are."""
    clock = clock or ManualClock()
    return Notices(
        Health() if health is None else health,
        Disable(edit, clock=clock),
        produce=produce,
        room=room,
        topic="relay.notices",
        metrics=metrics or Metrics(),
        clock=clock,
        worker="relay-0",
    )


@contextmanager
def a_machine_in(zone: str) -> Iterator[None]:
    """The clock on this machine's wall is that of `zone` while this lasts: `Asia/Tokyo` is nine hours ahead of UTC."""
    before = os.environ.get("TZ")
    try:
        os.environ["TZ"] = zone
        time.tzset()
        yield
    finally:
        os.environ.pop("TZ")
        if before is not None:
            os.environ["TZ"] = before
        time.tzset()
