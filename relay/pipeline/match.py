"""
Event x subscriptions -> endpoints, in id order. Pure.

Indexed by account and event type, so that an event costs what its own account's subscriptions cost, however many others
there are. Walked lazily: a fan-out of ten thousand is an iterator, never ten thousand tasks.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from heapq import merge
from typing import Any

import orjson

from relay.model import EVERY_ACCOUNT, Delivery, DeliveryId, Event, Subscription, SubscriptionId
from relay.pipeline.filters import compile_filter
from relay.pipeline.sign import Signer
from relay.urls import masked


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A subscription made ready to be called: everything that is worked out once a change, not once a delivery."""

    subscription: Subscription
    accepts: Callable[[Mapping[str, Any]], bool] | None  # the compiled filter; None: it has none
    signer: Signer | None = field(repr=False)  # None: its secrets cannot be read, so nothing may be sent
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)  # its own, decrypted
    shown_url: str = ""  # origin and …: paths carry credentials too
    url_sha256: str = ""


def endpoint(subscription: Subscription, *, signer: Signer | None, headers: Mapping[str, str]) -> Endpoint:
    """The endpoint of a subscription whose filter is already known to compile."""
    return Endpoint(
        subscription=subscription,
        accepts=compile_filter(subscription.filter) if subscription.filter else None,
        signer=signer,
        headers=headers,
        shown_url=masked(subscription.url),
        url_sha256=sha256(subscription.url.encode()).hexdigest(),
    )


def unknown(subscription_id: SubscriptionId, account_id: str = "") -> Endpoint:
    """Of a subscription that exists and never could be read: it matches nothing, and what is on its way to it waits."""
    nothing = Subscription(id=subscription_id, account_id=account_id, name="", url="", events=())
    return Endpoint(subscription=nothing, accepts=None, signer=None)


def once_matched(subscription_id: SubscriptionId, to: Endpoint | None, event: Event) -> Endpoint:
    """
    What had matched when the event was first read, and does not now.

    Changed, it gets what had matched, as it gets the retries of that. Deleted, or another account's by now, it is one
    that was never created: what is sent to it is dropped, and the result says so.
    """
    ours = to is not None and to.subscription.account_id in {event.account_id, EVERY_ACCOUNT}
    return to if to is not None and ours else unknown(subscription_id, event.account_id)


def delivery_id(event: Event, subscription_id: SubscriptionId, *, namespace: str, timestamp_ms: int) -> DeliveryId:
    """
    The same event and subscription always carry the same id (promise P3; vectors in schemas/vectors).

    Args:
        event: One that stands in a log.
        subscription_id: For whom.
        namespace: RELAY_NAMESPACE.
        timestamp_ms: Of the event's record: a topic deleted and made anew never repeats an id.
    """
    source = event.source
    assert source is not None, "a test send has a random id"
    parts = (namespace, source.topic, source.partition, source.offset, timestamp_ms, subscription_id)
    return DeliveryId("dlv_" + sha256("\n".join(map(str, parts)).encode()).hexdigest()[:32])


def first_delivery(event: Event, to: Endpoint, *, namespace: str, timestamp_ms: int, now_ms: int) -> Delivery:
    """The first attempt of an event that has just matched."""
    subscription = to.subscription
    return Delivery(
        id=delivery_id(event, subscription.id, namespace=namespace, timestamp_ms=timestamp_ms),
        event=event,
        subscription_id=subscription.id,
        account_id=subscription.account_id,
        incarnation=subscription.created_at,
        matched_ms=now_ms,
    )


class _Bucket:
    """The endpoints of one account and event type, sorted by id when next walked."""

    __slots__ = ("_sorted", "by_id")

    def __init__(self) -> None:
        self.by_id: dict[SubscriptionId, Endpoint] = {}
        self._sorted: tuple[Endpoint, ...] | None = None

    def changed(self) -> None:
        self._sorted = None

    def walk(self) -> tuple[Endpoint, ...]:
        if self._sorted is None:
            self._sorted = tuple(self.by_id[key] for key in sorted(self.by_id))
        return self._sorted


class Index:
    """What every event is matched against; changed live, one subscription at a time."""

    def __init__(self) -> None:
        self._by_id: dict[SubscriptionId, Endpoint] = {}
        self._buckets: dict[tuple[str, str], _Bucket] = {}

    def __len__(self) -> int:
        return len(self._by_id)

    def get(self, subscription_id: SubscriptionId) -> Endpoint | None:
        return self._by_id.get(subscription_id)

    def put(self, new: Endpoint) -> None:
        """In force for the next event; a fan-out that is being walked goes on over what it began with."""
        self.remove(new.subscription.id)
        self._by_id[new.subscription.id] = new
        for key in self._keys(new):
            bucket = self._buckets.setdefault(key, _Bucket())
            bucket.by_id[new.subscription.id] = new
            bucket.changed()

    def remove(self, subscription_id: SubscriptionId) -> None:
        """Gone for the next event; unknown ids are none of our business."""
        old = self._by_id.pop(subscription_id, None)
        if old is None:
            return
        for key in self._keys(old):
            bucket = self._buckets[key]
            del bucket.by_id[subscription_id]
            bucket.changed()
            if not bucket.by_id:
                del self._buckets[key]

    def match(self, event: Event) -> Iterator[Endpoint]:
        """The endpoints that want this event, in id order, also paused and disabled ones: they have outcomes too."""
        return (to for to in self.walk(event) if to is not None)

    def walk(self, event: Event) -> Iterator[Endpoint | None]:
        """
        As `match`, with None for each whose filter does not want it: a hundred of those may take a second, and who
        walks can give way between them.

        What a filter looks at is parsed once more, where one asks: kept parsed, everything that waits for a receiver
        would hold four times its bytes.
        """
        own = self._buckets.get((event.account_id, event.type))
        operators = self._buckets.get((EVERY_ACCOUNT, event.type))
        if own is None or own is operators:  # an event whose account claims to be `*` is everybody's but once
            candidates: Iterator[Endpoint] = iter(operators.walk() if operators is not None else ())
        elif operators is None:
            candidates = iter(own.walk())
        else:
            candidates = merge(own.walk(), operators.walk(), key=lambda to: to.subscription.id)
        value: Mapping[str, Any] | None = None
        for to in candidates:
            if to.subscription.bot_ids and event.bot_id not in to.subscription.bot_ids:
                continue
            if to.accepts is not None:
                value = value or orjson.loads(event.body)
                if not to.accepts(value):
                    yield None
                    continue
            yield to

    @staticmethod
    def _keys(of: Endpoint) -> set[tuple[str, str]]:
        return {(of.subscription.account_id, event_type) for event_type in of.subscription.events}
