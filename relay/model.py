"""
The nouns. Wire words and code words are the same words (schemas/ has the wire).

Values only: nothing here awaits, reads a clock or rolls a die. Times are milliseconds since the epoch (`_ms`), UTC;
durations are seconds (`_s`) unless the name says otherwise; `attempt` counts from 1.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NewType, Protocol

DeliveryId = NewType("DeliveryId", str)
SubscriptionId = NewType("SubscriptionId", str)

RESOURCE = "lead"
ACTIONS = ("created", "updated", "completed")
EVENT_TYPES = tuple(f"{RESOURCE}.{action}" for action in ACTIONS)
EVERY_ACCOUNT = "*"  # the account of an operator's own subscription: events of all accounts

Headers = tuple[tuple[str, bytes], ...]


class Record(Protocol):
    """What a consumer hands out; `aiokafka.ConsumerRecord` is one."""

    @property
    def topic(self) -> str: ...
    @property
    def partition(self) -> int: ...
    @property
    def offset(self) -> int: ...
    @property
    def timestamp(self) -> int: ...
    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def headers(self) -> Headers: ...


@dataclass(frozen=True, slots=True)
class Source:
    """Where an event stands in the log."""

    topic: str
    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.topic}/{self.partition}/{self.offset}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One thing that happened to a lead: read once, serialised once, shared by its whole fan-out."""

    body: bytes = field(repr=False)  # what is sent and signed: orjson's, compact; personal data
    body_sha256: str  # hex
    type: str  # lead.created | lead.updated | lead.completed
    account_id: str
    lead_id: str
    bot_id: str | None
    resource_version: int | None
    time: str | None  # RFC 3339 UTC with milliseconds; None when unreadable
    time_raw: str | None  # as the platform wrote it
    source: Source | None  # None: a test send, which no log holds
    traceparent: str | None = None


class Trigger(StrEnum):
    """What set a delivery off."""

    EVENT = "event"
    REDELIVERY = "redelivery"
    REPLAY = "replay"
    TEST = "test"


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One event on its way to one subscription: the attempt to come."""

    id: DeliveryId
    event: Event
    subscription_id: SubscriptionId
    account_id: str  # the subscription's, when matched
    incarnation: str  # the subscription's `created_at`, when matched: one made anew gets nothing of it
    matched_ms: int
    attempt: int = 1
    deferrals: int = 0
    trigger: Trigger = Trigger.EVENT
    run_id: str | None = None


class State(StrEnum):
    """Of a subscription."""

    ACTIVE = "active"
    PAUSED = "paused"
    DISABLED = "disabled"


class Signature(StrEnum):
    """The schemes of DESIGN.md section 8; the two of ArtiBot's stand in the same header, so one excludes the other."""

    ARTIBOT_SHA1 = "artibot-sha1"
    STANDARD_WEBHOOKS = "standard-webhooks"
    SHA256 = "sha256"
    STANDARD_WEBHOOKS_ED25519 = "standard-webhooks-ed25519"
    ARTIBOT_URL = "artibot-url"


@dataclass(frozen=True, slots=True)
class Sealed:
    """A secret at rest: AES-256-GCM under the named key. `data` is nonce and ciphertext; no part of it is readable."""

    key_id: str
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Secret:
    """One signing secret of a subscription; several overlap while one is rotated out."""

    sealed: Sealed
    active_ms: int = 0  # single-value headers use the newest secret that is active
    expires_ms: int | None = None  # None: it does not


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """What a subscription's connections use besides the public authorities: names under RELAY_TLS_DIR, no contents."""

    client_cert: str | None = None  # a certificate and its key
    ca: str | None = None  # authorities that are trusted too


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """One webhook that a customer registered, as it is stored (its secrets sealed)."""

    id: SubscriptionId
    account_id: str  # a lead's account, or EVERY_ACCOUNT
    name: str
    url: str = field(repr=False)  # normalised when it was written; sent byte for byte; paths carry credentials too
    events: tuple[str, ...]  # canonical, in the order of EVENT_TYPES
    bot_ids: tuple[str, ...] = ()  # empty: all
    filter: Mapping[str, Any] | None = None
    secrets: tuple[Secret, ...] = ()  # newest first
    signatures: tuple[Signature, ...] = (Signature.ARTIBOT_SHA1, Signature.STANDARD_WEBHOOKS)
    headers: Mapping[str, Sealed] = field(default_factory=dict)
    tls: Tls | None = None  # None: no certificate of its own, and the public authorities alone
    timeout_s: float | None = None  # None: RELAY_TIMEOUT_S
    rate_per_s: float | None = None  # requests a second, of all workers together; None: no bound
    max_in_flight: int | None = None  # requests at once, of all workers together but one of each; None: no bound
    record_response: bool = True
    state: State = State.ACTIVE
    state_reason: str | None = None
    state_at: str = ""  # since when it is in this state, as `updated_at`; "": since the edit that is being made
    updated_by: str = ""
    created_at: str = ""  # RFC 3339 UTC with milliseconds; also its incarnation
    updated_at: str = ""
    version: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is sent: POST, these bytes, these headers, in this order."""

    url: str = field(repr=False)  # paths carry credentials too
    headers: Mapping[str, str] = field(repr=False)  # the subscription's own among them, decrypted
    body: bytes = field(repr=False)  # personal data
    timeout_s: float
    account_id: str = ""  # the subscription's: some of what may be called and used is an account's own
    tls: Tls | None = None


class Reason(StrEnum):
    """What happened in an attempt; a closed list (DESIGN.md section 6)."""

    OK = "ok"
    STATUS = "status"
    TIMEOUT = "timeout"
    CONNECT = "connect"
    DNS = "dns"
    TLS = "tls"
    PROTOCOL = "protocol"
    PROXY = "proxy"
    BLOCKED_ADDRESS = "blocked_address"
    INVALID_URL = "invalid_url"
    SUBSCRIPTION_DELETED = "subscription_deleted"
    SUBSCRIPTION_DISABLED = "subscription_disabled"
    SUBSCRIPTION_PAUSED = "subscription_paused"
    UNREADABLE_SECRET = "unreadable_secret"  # noqa: S105  a reason, not a password
    CIRCUIT_OPEN = "circuit_open"
    LANE_FULL = "lane_full"
    RATE_LIMITED = "rate_limited"
    SUPERSEDED = "superseded"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A complete head arrived, and as much of the body as we keep."""

    status: int
    headers: tuple[tuple[str, str], ...]  # names in lower case, in the order received
    body: bytes = b""
    truncated: bool = False  # there was more body, or it broke off


@dataclass(frozen=True, slots=True)
class Failure:
    """No complete head arrived; `detail` is for our log, never for the customer."""

    reason: Reason
    detail: str = ""


Reply = Answer | Failure


class EndedBy(StrEnum):
    """Why a delivery was given up."""

    EXHAUSTED = "exhausted"
    GONE = "gone"
    BLOCKED_ADDRESS = "blocked_address"
    INVALID_URL = "invalid_url"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Delivered:
    """The receiver took it."""

    reason = Reason.OK
    name = "delivered"


@dataclass(frozen=True, slots=True)
class Retry:
    """Try again: the receiver may yet take this delivery."""

    delay_s: int  # of the delivery topic that it waits in
    reason: Reason
    name = "retry"


@dataclass(frozen=True, slots=True)
class GaveUp:
    """No further attempt will be made."""

    ended_by: EndedBy
    reason: Reason
    name = "gave_up"


@dataclass(frozen=True, slots=True)
class Deferred:
    """No attempt was made and none was spent: put off."""

    delay_s: int
    reason: Reason
    name = "deferred"


@dataclass(frozen=True, slots=True)
class Dropped:
    """No attempt will be made: the subscription is disabled, gone, or another's by now."""

    reason: Reason
    name = "dropped"


Verdict = Delivered | Retry | GaveUp | Deferred | Dropped


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """One record to be produced."""

    topic: str
    key: bytes | None
    value: bytes | None = field(repr=False)  # bodies among them
    headers: Headers = ()
    partition: int | None = None  # co-partitioned with the source, modulo the topic's count; None: by key
