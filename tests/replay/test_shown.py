"""What a request held, as far as whoever asks may see it."""

from dataclasses import replace
from typing import Any

import orjson
import pytest

from relay.model import Answer, Delivered, Request, Signature
from relay.pipeline.match import Endpoint, endpoint
from relay.pipeline.results import Attempt, result
from relay.pipeline.sign import OpenedSecret, Signer, sign
from relay.replay.shown import body_of, headers_of, url_of
from tests.builders import NOON_MS, a_delivery, a_subscription, an_event

SCHEMES = (Signature.ARTIBOT_SHA1, Signature.STANDARD_WEBHOOKS, Signature.SHA256)
DELIVERY = a_delivery()


def to(*secrets: bytes, **fields: Any) -> Endpoint:  # noqa: ANN401
    """With these secrets, newest first."""
    signer = Signer([OpenedSecret(value=one) for one in secrets or (b"old",)], SCHEMES)
    return endpoint(a_subscription(**fields), signer=signer, headers={"authorization": "Bearer t0ken"})


def request(of: Endpoint) -> Request:
    assert of.signer is not None
    own = of.headers
    return sign(DELIVERY, url=of.subscription.url, signer=of.signer, own_headers=own, timeout_s=1, now_ms=NOON_MS)


def told(of: Endpoint) -> dict[str, Any]:
    """The result of an attempt, as the topic has it."""
    attempt = Attempt(id="att_1", started_ms=NOON_MS, request=request(of), reply=Answer(status=200, headers=()))
    read: dict[str, Any] = orjson.loads(orjson.dumps(result(DELIVERY, Delivered(), attempt, of, worker="w")))
    return read


def test_signatures_are_whole_for_whoever_has_the_keys() -> None:
    """As they were sent; the subscription's own headers stay hidden, for everybody."""
    headers = headers_of(told(to()), DELIVERY.event, to())

    assert {**request(to()).headers, "authorization": "***"} == headers


@pytest.mark.parametrize(
    "endpoint_",
    [None, to(b"new"), to(b"new", b"old"), replace(to(), signer=None)],
    ids=["no keys", "other", "more", "none"],
)
def test_signatures_stay_cut_where_the_secrets_are_not_those_of_then(endpoint_: Endpoint | None) -> None:
    """One that merely begins alike is not shown either: all of them have to fit."""
    result_ = told(to())

    assert result_["request_headers"] == headers_of(result_, DELIVERY.event, endpoint_)


def test_an_attempt_without_a_request_has_no_headers() -> None:
    """Put off, or dropped."""
    assert {} == headers_of(told(to()) | {"request_headers": None}, DELIVERY.event, to())


@pytest.mark.parametrize("stamp", ["", "soon", "-1", "１２"])
def test_a_time_that_is_none_leaves_them_cut(stamp: str) -> None:
    """Whatever a result says."""
    cut = told(to())["request_headers"] | {"webhook-timestamp": stamp}

    assert cut == headers_of({"request_headers": cut}, DELIVERY.event, to())


def test_a_body_is_shown_only_if_it_is_what_was_sent() -> None:
    """By its hash; else the reason."""
    assert (DELIVERY.event.body, None) == body_of(told(to()), DELIVERY.event)
    assert (None, "the log no longer holds it") == body_of(told(to()), "the log no longer holds it")
    body, why = body_of(told(to()), an_event(body_sha256="0" * 64))
    assert body is None
    assert "hashes differ" in (why or "")


def test_a_url_is_whole_for_whoever_has_the_keys_and_while_it_is_the_same() -> None:
    """Else its origin, as in the result."""
    moved = to(url="https://receiver.example/moved")

    assert "https://receiver.example/hook" == url_of(told(to()), to())
    assert "https://receiver.example/…" == url_of(told(to()), moved) == url_of(told(to()), None)
    assert url_of(told(to()) | {"url": None, "url_sha256": None}, None) is None
