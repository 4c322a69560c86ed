"""
A subscription <-> the bytes of its record (schemas/subscription.v1.json). Pure.

Hand-written both ways, so that wire and model can evolve apart. What was read is true afterwards: its filter compiles,
its events are known. What this version does not do is not read past either: a record that asks for it is unreadable.
"""

from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import orjson

from relay.errors import Invalid, Malformed, Problem
from relay.instants import epoch_ms
from relay.model import EVENT_TYPES, Sealed, Secret, State, Subscription, SubscriptionId, Tls
from relay.pipeline.filters import compile_filter
from relay.pipeline.results import rfc3339
from relay.store import limits, sound
from relay.urls import normalise

T = TypeVar("T")

# What the topic takes with RELAY_MAX_EVENT_BYTES as it is. The most that a form holds is some 280 KiB of headers, once
# they are sealed, and 250 of bots, twice that when they are all quotes; the rest is for secrets while they are rotated.
MAX_RECORD_BYTES = 1024 * 1024
NOT_BUILT = {"order": "none"}  # the only value that this version honours
ADDED = {
    "tls": None,
    "rate_per_s": None,
    "max_in_flight": None,
}  # what a record says without them: not every writer knows them


def encode(subscription: Subscription) -> bytes:
    """
    The record's value, which `decode` can read.

    Raises:
        Invalid: It would be larger than a record may be, or signed with more secrets than a request may be.
    """
    if len(subscription.secrets) > sound.MAX_SECRETS:
        rule = (
            f"sign with at most {sound.MAX_SECRETS} at once: wait until some have expired, or let them by --expire-in"
        )
        raise Invalid(Problem("secrets", rule, str(len(subscription.secrets))))
    value = orjson.dumps(stored(subscription))
    if len(value) > MAX_RECORD_BYTES:
        rule = f"takes at most {MAX_RECORD_BYTES} bytes: fewer bots, headers or secrets that have not expired"
        raise Invalid(Problem("subscription", rule, f"{len(value)} bytes"))
    return value


def stored(subscription: Subscription) -> dict[str, Any]:
    """As JSON, secrets and headers sealed."""
    return {
        "id": subscription.id,
        "account_id": subscription.account_id,
        "bot_ids": list(subscription.bot_ids),
        "name": subscription.name,
        "url": subscription.url,
        "events": list(subscription.events),
        "filter": subscription.filter,
        "secrets": [
            _sealed(secret.sealed)
            | {"active_at": rfc3339(secret.active_ms) if secret.active_ms else None}
            | {"expires_at": None if secret.expires_ms is None else rfc3339(secret.expires_ms)}
            for secret in subscription.secrets
        ],
        "signatures": [one.value for one in subscription.signatures],
        "headers": {name: _sealed(value) for name, value in subscription.headers.items()},
        "tls": _tls(subscription.tls),
        "timeout_s": subscription.timeout_s,
        "rate_per_s": subscription.rate_per_s,
        "max_in_flight": subscription.max_in_flight,
        **NOT_BUILT,
        "record_response": subscription.record_response,
        "state": subscription.state.value,
        "state_reason": subscription.state_reason,
        "state_at": subscription.state_at,
        "updated_by": subscription.updated_by,
        "created_at": subscription.created_at,
        "updated_at": subscription.updated_at,
        "version": subscription.version,
    }


def shown(subscription: Subscription) -> dict[str, Any]:
    """As people see it: of a secret when it holds, of a header its name."""
    open_ = stored(subscription)
    secrets = [{"active_at": one["active_at"], "expires_at": one["expires_at"]} for one in open_["secrets"]]
    return open_ | {"secrets": secrets, "headers": dict.fromkeys(open_["headers"], "***")}


def alike(one: object, other: object) -> bool:
    """Whether they are the same JSON, in any order of names; `==` takes true for 1, which a filter does not."""
    return orjson.dumps(one, option=orjson.OPT_SORT_KEYS) == orjson.dumps(other, option=orjson.OPT_SORT_KEYS)


def decode(key: bytes | None, value: bytes) -> Subscription:
    """
    The subscription in a record.

    Raises:
        Malformed: It is none that this version can honour; the message says why, and cites no secret.
    """
    if len(value) > MAX_RECORD_BYTES:
        raise Malformed(f"over {MAX_RECORD_BYTES} bytes")
    try:
        raw = orjson.loads(value)
    except orjson.JSONDecodeError as error:
        raise Malformed(f"not JSON: {str(error)[:200]}") from None
    if not isinstance(raw, dict):
        raise Malformed("not a JSON object")
    since = {"state_at": raw.get("updated_at")}  # as far as a writer tells that does not know the field
    subscription = _subscription({**ADDED, **since, **raw})
    if key != subscription.id.encode():
        raise Malformed("its key is not its id")
    for name, holds in sound.RULES.items():
        if not holds(subscription):
            raise Malformed(f"{name} cannot be read")
    return subscription


def _subscription(raw: Mapping[str, Any]) -> Subscription:
    def field(name: str, read: Callable[[Any], T]) -> T:
        try:
            return read(raw[name])
        except KeyError as error:
            raise Malformed(f"{name} is missing" if error.args == (name,) else f"{name} cannot be read") from None
        except (ValueError, TypeError, AttributeError, Invalid):
            raise Malformed(f"{name} cannot be read") from None

    for name, only in NOT_BUILT.items():
        if raw.get(name, only) != only:
            raise Malformed(f"{name}: this version does not do that")
    return Subscription(
        id=SubscriptionId(field("id", _text)),
        account_id=field("account_id", _text),
        bot_ids=field("bot_ids", lambda bots: tuple(_text(bot) for bot in _list(bots))),
        name=field("name", _text),
        url=field("url", _url),
        events=field("events", lambda events: tuple(_event(one) for one in _list(events))),
        filter=field("filter", _filter),
        secrets=field("secrets", lambda secrets: tuple(_secret(one) for one in _list(secrets))),
        signatures=field("signatures", lambda names: limits.signatures(_list(names))),
        headers=field("headers", lambda headers: {_text(name): _opened(one) for name, one in headers.items()}),
        tls=field("tls", sound.own_tls),
        timeout_s=field("timeout_s", _or_null(_number)),
        rate_per_s=field("rate_per_s", _or_null(lambda rate: limits.rate_per_s(_number(rate)))),
        max_in_flight=field("max_in_flight", _or_null(lambda most: limits.max_in_flight(_is(most, int)))),
        record_response=field("record_response", lambda flag: _is(flag, bool)),
        state=field("state", State),
        state_reason=field("state_reason", _or_null(_text)),
        state_at=field("state_at", _text),
        updated_by=field("updated_by", _text),
        created_at=field("created_at", _text),
        updated_at=field("updated_at", _text),
        version=field("version", lambda version: _is(version, int)),
    )


def _url(written: Any) -> str:  # noqa: ANN401  whatever JSON holds
    """
    As it would have been written by us. One that never would have been stays as it is, to be seen and put right: it is
    refused at each call, as what it is.
    """
    try:
        return normalise(_text(written), allow_http=True)
    except Invalid:
        return _text(written)


def _or_null(read: Callable[[Any], T]) -> Callable[[Any], T | None]:
    return lambda value: None if value is None else read(value)


def _is(value: Any, kind: type[T]) -> T:  # noqa: ANN401  whatever JSON holds
    if type(value) is not kind:
        raise TypeError
    return value


def _text(value: Any) -> str:  # noqa: ANN401
    return _is(value, str)


def _list(value: Any) -> list[Any]:  # noqa: ANN401
    return _is(value, list)


def _number(value: Any) -> float:  # noqa: ANN401
    return float(value if type(value) is float else _is(value, int))


def _event(value: Any) -> str:  # noqa: ANN401
    if value not in EVENT_TYPES:
        raise ValueError
    return _text(value)


def _filter(value: Any) -> Mapping[str, Any] | None:  # noqa: ANN401
    if value is not None:
        compile_filter(_is(value, dict))
    return value  # type: ignore[no-any-return]


def _sealed(sealed: Sealed) -> dict[str, Any]:
    return {"key_id": sealed.key_id, "data": b64encode(sealed.data).decode()}


def _opened(raw: Mapping[str, Any]) -> Sealed:
    return Sealed(_text(raw["key_id"]), b64decode(_text(raw["data"]), validate=True))


def _tls(tls: Tls | None) -> dict[str, str | None] | None:
    return None if tls is None else {"client_cert": tls.client_cert, "ca": tls.ca}


def _secret(raw: Mapping[str, Any]) -> Secret:
    active, expires = raw["active_at"], raw["expires_at"]
    return Secret(
        sealed=_opened(raw),
        active_ms=0 if active is None else _ms(active),
        expires_ms=None if expires is None else _ms(expires),
    )


def _ms(text: Any) -> int:  # noqa: ANN401
    return epoch_ms(_text(text))
