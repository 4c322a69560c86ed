"""How a notice is sent to an operator's own webhook, and for how long it is tried."""

import re

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.model import Failure, Reason, Reply, Signature
from relay.notices.message import ANSWERED_S, PAUSES_S, SILENT_S, Again, Passed, Sent, message_id, outcome, request
from relay.pipeline.notice import Kind
from relay.pipeline.sign import OpenedSecret, Signer
from relay.verification import check
from tests.builders import NOON_MS, a_word, an_answer

SECRET = b"a-secret-of-this-test"
SIGNER = Signer([OpenedSecret(value=SECRET)], (Signature.STANDARD_WEBHOOKS, Signature.SHA256))
SILENT = Failure(Reason.CONNECT)


def after(
    reply: Reply, *, attempt: int = 1, tried_s: float = 0.0, age_s: float = 0.0, now_ms: int = NOON_MS
) -> Sent | Again | Passed:
    return outcome(reply, attempt=attempt, tried_s=tried_s, age_s=age_s, now_ms=now_ms)


def test_it_is_the_notice_with_its_type_signed_as_a_delivery_is() -> None:
    """And verified by code that shares nothing with the signer."""
    word = a_word(Kind.DISABLED)

    sent = request(
        word, id_="ntc_1", url="https://ops.example/hook", signer=SIGNER, attempt=2, timeout_s=15, now_ms=NOON_MS
    )

    assert {"type": "notice.disabled", **word.told} == orjson.loads(sent.body)
    assert check(sent.headers, sent.body, SECRET, NOON_MS / 1000).schemes == ("standard-webhooks", "sha256")
    names = ("content-type", "webhook-id", "relay-event", "relay-attempt")
    assert ["application/json", "ntc_1", "notice.disabled", "2"] == [sent.headers[name] for name in names]
    assert ("https://ops.example/hook", "*", 15) == (sent.url, sent.account_id, sent.timeout_s)


def test_the_same_notice_has_the_same_id_and_no_other_has_it() -> None:
    """By where it stands in which log."""
    mine = message_id("relay.notices", 3, 7, NOON_MS, namespace="")
    others = {
        message_id(topic, partition, offset, NOON_MS + ms, namespace=namespace)
        for topic in ("relay.notices", "other.notices")
        for partition in (3, 4)
        for offset in (7, 8)
        for ms in (0, 1)
        for namespace in ("", "eu")
    }

    assert re.fullmatch("ntc_[0-9a-f]{32}", mine)
    assert mine in others
    assert 32 == len(others)


@pytest.mark.parametrize("status", [200, 204, 299])
def test_what_was_taken_is_over(status: int) -> None:
    assert Sent() == after(an_answer(status), tried_s=1e9, age_s=1e9)


@pytest.mark.parametrize("reply", [an_answer(500), an_answer(302), an_answer(410), SILENT])
def test_what_was_not_is_tried_again_ever_later(reply: Reply) -> None:
    pauses = [after(reply, attempt=attempt) for attempt in range(1, 9)]

    assert [Again(pause_s) for pause_s in (1, 5, 30, 120, 600, 600, 600, 600)] == pauses


def test_a_receiver_that_answers_and_does_not_take_it_is_left_after_an_hour() -> None:
    """However old the notice is: there may be a day's worth of them behind it."""
    assert Again(600) == after(an_answer(500), attempt=9, tried_s=ANSWERED_S - 600, age_s=1e9)
    assert Passed() == after(an_answer(500), attempt=9, tried_s=ANSWERED_S - 599, age_s=0)


def test_a_receiver_that_is_not_there_is_waited_for_a_day() -> None:
    """Since it was told: what is behind it is not held for a day more."""
    assert Again(600) == after(SILENT, attempt=99, tried_s=1e9, age_s=SILENT_S - 600)
    assert Passed() == after(SILENT, attempt=1, age_s=SILENT_S)


def test_one_that_asks_to_be_left_alone_is_within_bounds() -> None:
    assert Again(77) == after(an_answer(429, headers={"Retry-After": "77"}))
    assert Again(600) == after(an_answer(503, headers={"Retry-After": "9999"}))
    assert Again(30) == after(an_answer(503, headers={"Retry-After": "1"}), attempt=3)


replies = st.one_of(st.integers(100, 999).map(an_answer), st.sampled_from(Reason).map(Failure))


@given(replies, st.integers(0, 10**6), st.floats(0, 1e6))
def test_whatever_comes_it_ends(reply: Reply, told_ago_s: int, takes_s: float) -> None:
    """Within an hour of answers, or a day of silence, and the last pause and attempt."""
    tried_s, attempt = 0.0, 1
    while isinstance(now := after(reply, attempt=attempt, tried_s=tried_s, age_s=told_ago_s + tried_s), Again):
        assert now.pause_s in PAUSES_S
        tried_s += now.pause_s + takes_s
        attempt += 1

    assert attempt <= 1 + len(PAUSES_S) + SILENT_S / PAUSES_S[-1]
    assert isinstance(now, Sent) == (an_answer(200).status <= getattr(reply, "status", 0) < 300)
