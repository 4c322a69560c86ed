"""What a verdict becomes on the topics, and what of a request and a reply is never written down."""

from base64 import b64decode
from dataclasses import replace
from datetime import datetime
from hashlib import sha256
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.model import (
    Answer,
    Deferred,
    Delivered,
    Delivery,
    Dropped,
    EndedBy,
    Failure,
    GaveUp,
    Outgoing,
    Reason,
    Reply,
    Retry,
    Signature,
    Source,
    SubscriptionId,
    Trigger,
    Verdict,
)
from relay.pipeline.decode import read_delivery
from relay.pipeline.match import Endpoint, endpoint, unknown
from relay.pipeline.results import (
    RESPONSE_HEADERS_BYTES,
    SHORT_FORM_BYTES,
    Attempt,
    dead_letter,
    letter,
    outgoing,
    result,
    rfc3339,
)
from relay.pipeline.sign import OpenedSecret, Signer, sign
from relay.topics import Topics
from tests.builders import NOON_MS, a_delivery, a_record, a_subscription, an_answer, an_event

TOPICS = Topics("relay")
MAX_BYTES = 100_000
THIRD = Source("leads.events", 3, 42)


def an_endpoint(own: dict[str, str] | None = None, **fields: Any) -> Endpoint:  # noqa: ANN401  a Subscription's own
    subscription = a_subscription(**{"url": "https://example.com:8443/hooks/t0ken?key=1"} | fields)
    secrets = [OpenedSecret(value=b"new"), OpenedSecret(value=b"old")]
    return endpoint(subscription, signer=Signer(secrets, subscription.signatures), headers=own or {})


def an_attempt(to: Endpoint, reply: Reply, delivery: Delivery | None = None) -> Attempt:
    """One that was made, half a second long."""
    assert to.signer is not None
    request = sign(
        delivery or a_delivery(),
        url=to.subscription.url,
        signer=to.signer,
        own_headers=to.headers,
        timeout_s=15,
        now_ms=NOON_MS,
    )
    return Attempt(id="att_1", started_ms=NOON_MS, elapsed_ms=500, queued_ms=3, request=request, reply=reply)


NONE_MADE = Attempt(id="att_1", started_ms=NOON_MS)


def answered(answer: Reply, *, own: dict[str, str] | None = None, **subscription: Any) -> dict[str, Any]:  # noqa: ANN401
    """The result of an attempt that was answered so."""
    to = an_endpoint(own, **subscription)
    return result(a_delivery(), Delivered(), an_attempt(to, answer), to, worker="w")


def headed(*headers: tuple[str, str]) -> Answer:
    """An answer with these headers, which may repeat."""
    return replace(an_answer(), headers=headers)


def produced(verdict: Verdict, delivery: Delivery | None = None) -> list[Outgoing]:
    return outgoing(
        delivery or a_delivery(event=an_event(source=THIRD)),
        verdict,
        NONE_MADE,
        an_endpoint(),
        topics=TOPICS,
        worker="w",
    )


def read_back(record: Outgoing) -> Delivery:
    return read_delivery(a_record(record.value, key=record.key, headers=record.headers), max_bytes=MAX_BYTES)


# what is never written down


def test_a_url_is_shown_as_its_origin_and_known_by_its_hash() -> None:
    """Paths and queries carry credentials too."""
    shown = answered(an_answer())

    assert "https://example.com:8443/…" == shown["url"]
    assert sha256(b"https://example.com:8443/hooks/t0ken?key=1").hexdigest() == shown["url_sha256"]
    assert "t0ken" not in str(shown)


def test_the_subscriptions_own_headers_are_told_by_name_only() -> None:
    """Their values are its credentials; relay's own are told whole."""
    shown = answered(an_answer(), own={"authorization": "Bearer s3cret", "x-empty": ""})["request_headers"]

    assert ("***", "***") == (shown["authorization"], shown["x-empty"])
    assert "s3cret" not in str(shown)
    assert ("lead.updated", "dlv_1") == (shown["relay-event"], shown["webhook-id"])


def test_signatures_are_cut_to_eight_characters() -> None:
    """Enough to tell two apart; of a list, of several secrets, no more than of one."""
    to = an_endpoint(signatures=(Signature.ARTIBOT_SHA1, Signature.STANDARD_WEBHOOKS, Signature.SHA256))
    attempt = an_attempt(to, an_answer())
    assert attempt.request is not None

    shown: Any = result(a_delivery(), Delivered(), attempt, to, worker="w")["request_headers"]

    for name in ("x-artibot-signature", "x-relay-signature-256", "webhook-signature"):
        whole = attempt.request.headers[name]
        assert whole[:8] == shown[name]
        assert len(whole) > 40
    assert attempt.request.headers["webhook-signature"].count(" ") == 1


def test_the_values_of_set_cookie_are_removed_and_their_number_is_not() -> None:
    """A session of the receiver's is nobody else's; everything else of a reply is told, repeats joined."""
    shown = answered(headed(("set-cookie", "a=1"), ("via", "x"), ("set-cookie", "b=2"), ("via", "y")))

    assert {"set-cookie": "***, ***", "via": "x, y"} == shown["response_headers"]


@pytest.mark.parametrize("name", ["location", "content-location"])
@pytest.mark.parametrize(
    ("value", "shown"),
    [("https://example.com/hooks/t0ken/?key=1", "https://example.com/…"), ("/hooks/t0ken/", "…"), ("\udcff", "…"),
     ("https://ann:pass@example.com/", "…")],
)  # fmt: skip
def test_where_a_redirect_leads_is_told_as_a_url_is(name: str, value: str, shown: str) -> None:
    """Most lead to the path that was called, but for a slash: its origin is what helps, and no more is told."""
    assert {name: shown} == answered(headed((name, value)))["response_headers"]


def test_a_reply_is_not_kept_where_the_subscription_does_not_want_it() -> None:
    """Its status and headers are; its body is not."""
    shown = answered(an_answer(headers={"a": "1"}, body=b"private"), record_response=False)

    assert (200, {"a": "1"}, None) == (shown["status"], shown["response_headers"], shown["response_body"])


def test_what_another_account_made_under_the_same_id_is_not_shown_to_the_old_one() -> None:
    """The delivery is dropped, and its result, which is the old account's to read, says nothing of the new URL."""
    anew = an_endpoint(account_id="acc_2", created_at="2023-02-02T00:00:00.000Z")

    shown = result(a_delivery(), Dropped(Reason.SUBSCRIPTION_DELETED), NONE_MADE, anew, worker="w")

    assert [None] * 3 == [shown["url"], shown["url_sha256"], shown["subscription_version"]]
    assert "acc_1" == shown["subscription_account_id"]


def test_of_a_subscription_that_never_could_be_read_nothing_is_made_up() -> None:
    """No empty URL, no first version."""
    to = unknown(SubscriptionId("sub_1"))

    shown = result(a_delivery(), Deferred(5, Reason.UNREADABLE_SECRET), NONE_MADE, to, worker="w")

    assert [None] * 3 == [shown["url"], shown["url_sha256"], shown["subscription_version"]]


# how much is kept


def header_bytes(shown: dict[str, str]) -> int:
    return sum(len(name.encode()) + len(value.encode()) for name, value in shown.items())


def test_response_headers_are_kept_up_to_16_kib() -> None:
    """What fits exactly is whole; the one that does not ends it."""
    fits = ("a", "x" * (RESPONSE_HEADERS_BYTES - 4)), ("b", "yz")

    whole = answered(headed(*fits))["response_headers"]
    cut = answered(headed(*fits, ("c", ""), ("d", "")))["response_headers"]

    assert dict(fits) == whole
    assert RESPONSE_HEADERS_BYTES == header_bytes(whole)
    assert whole == cut


@pytest.mark.parametrize(
    ("value", "lines", "kept"),
    [("", 10_000, 8192), ("é" * 600, 60, 13), (b"\xff".decode("utf-8", "surrogateescape") * 500, 60, 10)],
    ids=["joints", "beyond ASCII", "no UTF-8"],
)
def test_what_counts_of_response_headers_is_what_is_written(value: str, lines: int, kept: int) -> None:
    """The comma and space between repeats, two bytes for an umlaut, three for what stands in for a byte."""
    shown = answered(headed(*[("a", value)] * lines))["response_headers"]

    assert kept == len(shown["a"].split(", "))
    assert header_bytes(shown) <= RESPONSE_HEADERS_BYTES


NAMES = st.sampled_from(["a", "via", "set-cookie"])
VALUES = st.sampled_from(["", "é" * 600, "x" * 1000, b"\xff".decode("utf-8", "surrogateescape") * 500, "🐦" * 300])


@given(st.lists(st.tuples(NAMES, VALUES), max_size=60))
def test_response_headers_never_take_more_than_16_kib_and_are_always_json(headers: list[tuple[str, str]]) -> None:
    """Repeats, characters beyond ASCII and bytes that are no UTF-8 count as what is written."""
    shown = answered(headed(*headers))["response_headers"]

    assert header_bytes(shown) <= RESPONSE_HEADERS_BYTES
    assert shown == orjson.loads(orjson.dumps(shown))


@pytest.mark.parametrize(
    ("body", "truncated", "text", "encoding"),
    [
        (b"", False, "", None),
        (b"ok", False, "ok", None),
        ("Zoë 🐦".encode(), False, "Zoë 🐦", None),
        (b"\x00", False, "\x00", None),
        (b"\xff\xfe", False, "//4=", "base64"),
        ("Zoë".encode()[:-1], False, "Wm/D", "base64"),
        ("Zoë".encode()[:-1], True, "Zo", None),
        ("Zo🐦".encode()[:-1], True, "Zo", None),
        ("Zo🐦".encode()[:-3], True, "Zo", None),
        (b"Zo\xff bird", True, "Wm//IGJpcmQ=", "base64"),
        (b"\x1f\x8b" + bytes(40), True, "H4s" + "A" * 53, "base64"),
    ],
)
def test_a_body_is_text_or_else_base64(body: bytes, text: str, encoding: str | None, *, truncated: bool) -> None:
    """Our own cut through a character does not make text binary; a reply that is cut off itself is what it is."""
    shown = answered(an_answer(body=body, truncated=truncated))

    assert (text, encoding) == (shown["response_body"], shown["response_body_encoding"])
    assert truncated is shown["response_truncated"]


@given(st.binary(max_size=100))
def test_a_body_that_came_whole_can_be_had_back_from_its_result(body: bytes) -> None:
    """Whatever the bytes are."""
    shown = answered(an_answer(body=body))
    text = shown["response_body"]

    assert body == (b64decode(text) if shown["response_body_encoding"] else text.encode())


# times


@pytest.mark.parametrize(
    ("verdict", "next_at"),
    [
        (Delivered(), None),
        (Retry(30, Reason.STATUS), "2019-06-07T12:00:30.500Z"),
        (Deferred(5, Reason.SUBSCRIPTION_PAUSED), "2019-06-07T12:00:05.500Z"),
        (GaveUp(EndedBy.GONE, Reason.STATUS), None),
        (Dropped(Reason.SUBSCRIPTION_DISABLED), None),
    ],
)
def test_the_next_attempt_is_its_delay_after_this_one_ended(verdict: Verdict, next_at: str | None) -> None:
    """Not before; and only where there is a next. Where no attempt was spent, none took any time."""
    to = an_endpoint()

    shown = result(a_delivery(), verdict, an_attempt(to, an_answer()), to, worker="w")

    assert next_at == shown["next_attempt_at"]
    elapsed_ms = None if isinstance(verdict, Deferred | Dropped) else 500
    assert ("2019-06-07T12:00:00.000Z", elapsed_ms, 3) == (shown["started_at"], shown["elapsed_ms"], shown["queued_ms"])


@given(st.integers(0, 4_000_000_000_000))
def test_a_time_reads_back_to_the_millisecond(ms: int) -> None:
    """RFC 3339 as the standard library reads it."""
    assert ms == round(datetime.fromisoformat(rfc3339(ms)).timestamp() * 1000)


# the records


@pytest.mark.parametrize(
    ("verdict", "topics"),
    [
        (Delivered(), ["relay.results"]),
        (Retry(30, Reason.STATUS), ["relay.results", "relay.deliveries.30s"]),
        (Deferred(3600, Reason.SUBSCRIPTION_PAUSED), ["relay.results", "relay.deliveries.1h"]),
        (GaveUp(EndedBy.EXHAUSTED, Reason.STATUS), ["relay.results", "relay.dead-letters"]),
        (Dropped(Reason.SUBSCRIPTION_DELETED), ["relay.results"]),
    ],
)
def test_a_verdict_is_a_result_and_what_follows_from_it(verdict: Verdict, topics: list[str]) -> None:
    """The result first, on the partition of its event's number."""
    records = produced(verdict)

    assert topics == [record.topic for record in records]
    assert (b"lead_1", 3) == (records[0].key, records[0].partition)
    assert verdict.name == orjson.loads(records[0].value or b"")["verdict"]


@pytest.mark.parametrize(
    ("verdict", "attempt", "deferrals"),
    [(Retry(5, Reason.TIMEOUT), 3, 4), (Deferred(5, Reason.SUBSCRIPTION_PAUSED), 2, 5)],
)
@pytest.mark.parametrize(
    "delivery",
    [
        a_delivery(attempt=2, deferrals=4),
        a_delivery(attempt=2, deferrals=4, trigger=Trigger.REPLAY, run_id="run_1", event=an_event(traceparent="00-1")),
        a_delivery(attempt=2, deferrals=4, trigger=Trigger.TEST, event=an_event(source=None)),
    ],
    ids=["event", "replay", "test"],
)
def test_a_delivery_for_later_reads_back_with_one_attempt_or_one_deferral_more(
    verdict: Verdict, attempt: int, deferrals: int, delivery: Delivery
) -> None:
    """A retry spends an attempt, a deferral does not; everything else stays, to the byte."""
    record = produced(verdict, delivery)[1]

    assert replace(delivery, attempt=attempt, deferrals=deferrals) == read_back(record)
    assert (b"sub_1/lead_1", None) == (record.key, record.partition)
    assert record.value is delivery.event.body


def test_a_delivery_record_holds_no_url_and_no_secret() -> None:
    """Both are looked up when it falls due."""
    to = an_endpoint({"authorization": "Bearer s3cret"})
    retry = Retry(5, Reason.TIMEOUT)
    attempt = an_attempt(to, Failure(Reason.TIMEOUT, "to example.com"))

    later = outgoing(a_delivery(), retry, attempt, to, topics=TOPICS, worker="w")[1]

    assert not [word for word in (b"example.com", b"t0ken", b"s3cret") if word in repr(later).encode()]


def test_a_failures_detail_is_for_our_log_alone() -> None:
    """It may name addresses of the operator's network."""
    shown = answered(Failure(Reason.CONNECT, "10.0.0.7 refused"))

    assert "10.0.0.7" not in str(shown)


def test_the_dead_letter_of_a_delivery_can_be_sent_again() -> None:
    """Its body, its headers, and why it was given up; on the partition of its event's number."""
    delivery = a_delivery(attempt=10, event=an_event(source=THIRD))

    record = produced(GaveUp(EndedBy.EXHAUSTED, Reason.STATUS), delivery)[1]

    assert delivery == read_back(record)
    assert b"exhausted" == dict(record.headers)["relay-reason"]
    assert (b"lead_1", 3) == (record.key, record.partition)


def test_the_dead_letter_of_a_test_send_has_no_partition_of_its_own() -> None:
    """No log holds its body, so its key decides."""
    delivery = a_delivery(trigger=Trigger.TEST, event=an_event(source=None))

    records = [*produced(GaveUp(EndedBy.GONE, Reason.STATUS), delivery), letter(delivery, "gone", topics=TOPICS)]

    assert [None] * 3 == [record.partition for record in records]
    assert "relay-source" not in dict(records[1].headers)


@pytest.mark.parametrize(
    ("value", "key"),
    [(b"{", b"k"), (b"", None), (None, b"k"), (b"x" * (MAX_BYTES - 1), b"k"), (b"x" * MAX_BYTES, None)],
)
def test_a_record_that_cannot_be_read_is_buried_whole_where_the_broker_takes_it(
    value: bytes | None, key: bytes | None
) -> None:
    """Its own bytes and key, the reason, and where it stood."""
    record = dead_letter(a_record(value, key=key, partition=3), "not JSON", topics=TOPICS, max_bytes=MAX_BYTES)

    assert (
        Outgoing(
            topic="relay.dead-letters",
            key=key,
            value=value or b"",
            headers=(("relay-reason", b"not JSON"), ("relay-source", b"leads.events/3/42")),
            partition=3,
        )
        == record
    )


@pytest.mark.parametrize(
    ("size", "key", "kept_key"),
    [
        (MAX_BYTES, b"k", b"k"),
        (MAX_BYTES + 1, None, None),
        (10 * MAX_BYTES, b"k" * 2000, b"k" * 1024),
        (10, b"k" * MAX_BYTES, b"k" * 1024),
    ],
)
def test_a_record_too_large_for_the_broker_is_buried_in_short_form(
    size: int, key: bytes | None, kept_key: bytes | None
) -> None:
    """The first 64 KiB; its size and hash tell which it was, and it blocks nothing."""
    value = bytes(n % 251 for n in range(size))

    record = dead_letter(a_record(value, key=key), "over 1 MiB", topics=TOPICS, max_bytes=MAX_BYTES)

    headers = dict(record.headers)
    assert (value[:SHORT_FORM_BYTES], kept_key) == (record.value, record.key)
    assert (str(size).encode(), b"over 1 MiB") == (headers["relay-full-bytes"], headers["relay-reason"])
    assert sha256(value).hexdigest().encode() == headers["relay-full-sha256"]
    assert len(record.value or b"") + len(record.key or b"") <= MAX_BYTES
