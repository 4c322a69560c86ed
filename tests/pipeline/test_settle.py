from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from relay.model import (
    Answer,
    Deferred,
    Delivered,
    Delivery,
    DeliveryId,
    Dropped,
    EndedBy,
    Failure,
    GaveUp,
    Reason,
    Reply,
    Retry,
    Signature,
    State,
    SubscriptionId,
    Trigger,
    Verdict,
)
from relay.pipeline.lane import Outcome
from relay.pipeline.match import Endpoint, endpoint, unknown
from relay.pipeline.schedule import Schedule
from relay.pipeline.settle import admit, outcome_of, put_off, retry_after_s, settle
from relay.pipeline.sign import OpenedSecret, Signer
from tests.builders import NOON_MS, a_delivery, a_machine_in, a_subscription, an_answer

HOUR_MS = 3_600_000
MAX_AGE_MS = 72 * HOUR_MS
SCHEDULE = Schedule(retry_delays=(5, 30, 600, 7200), hold_delays=(5, 120, 3600), max_age_s=MAX_AGE_MS // 1000)
LAST = 5  # attempt
NOON = "Fri, 07 Jun 2019 12:00:00 GMT"
SIGNER = Signer([OpenedSecret(value=b"test")], [Signature.STANDARD_WEBHOOKS])

NO_HEAD = (Reason.TIMEOUT, Reason.CONNECT, Reason.DNS, Reason.TLS, Reason.PROTOCOL)
REFUSED = ((Reason.BLOCKED_ADDRESS, EndedBy.BLOCKED_ADDRESS), (Reason.INVALID_URL, EndedBy.INVALID_URL))
OTHER_STATUSES = (100, 199, 300, 301, 302, 304, 307, 308, 400, 401, 404, 409, 411, 422, 429, 500, 502, 503, 599, 999)


def settled(reply: Reply, *, attempt: int = 1, trigger: Trigger = Trigger.EVENT) -> Verdict:
    return settle(a_delivery(attempt=attempt, trigger=trigger), reply, schedule=SCHEDULE, now_ms=NOON_MS)


def admitted(
    delivery: Delivery | None = None,
    *,
    signer: Signer | None = SIGNER,
    age_ms: int = 0,
    **subscription: Any,  # noqa: ANN401
) -> Verdict | None:
    """What is decided of a delivery matched so long before, to a subscription that by now is like this."""
    to = endpoint(a_subscription(**subscription), signer=signer, headers={})
    return admit(delivery or a_delivery(), to, schedule=SCHEDULE, now_ms=NOON_MS + age_ms)


@pytest.mark.parametrize("status", [200, 201, 202, 204, 206, 250, 299])
@pytest.mark.parametrize("attempt", [1, LAST])
def test_a_complete_2xx_head_is_delivered(status: int, attempt: int) -> None:
    """At any attempt."""
    assert Delivered() == settled(an_answer(status), attempt=attempt)


def test_a_2xx_is_delivered_whatever_its_body_does() -> None:
    """It may be cut, break off, or say that something failed."""
    assert Delivered() == settled(an_answer(200, body=b'{"error": "no', truncated=True))


def test_a_2xx_that_asks_to_wait_is_delivered() -> None:
    """Retry-After is of no matter to what was taken."""
    assert Delivered() == settled(an_answer(202, headers={"Retry-After": "120"}))


@pytest.mark.parametrize("attempt", [1, LAST])
@pytest.mark.parametrize("trigger", Trigger)
def test_a_410_ends_the_delivery(attempt: int, trigger: Trigger) -> None:
    """The receiver says that it is gone for good, at whichever attempt."""
    assert GaveUp(EndedBy.GONE, Reason.STATUS) == settled(an_answer(410), attempt=attempt, trigger=trigger)


@pytest.mark.parametrize("status", OTHER_STATUSES)
@pytest.mark.parametrize(("attempt", "delay_s"), [(1, 5), (2, 30), (4, 7200)])
def test_any_other_status_is_tried_again(status: int, attempt: int, delay_s: int) -> None:
    """After the attempt's own delay; a redirect, too, since none is followed."""
    assert Retry(delay_s, Reason.STATUS) == settled(an_answer(status), attempt=attempt)


@pytest.mark.parametrize("reason", NO_HEAD)
def test_a_failure_without_a_head_is_tried_again(reason: Reason) -> None:
    """With what went wrong as its reason."""
    assert Retry(5, reason) == settled(Failure(reason, "for our log"))


@pytest.mark.parametrize("status", OTHER_STATUSES)
def test_the_last_attempt_ends_it(status: int) -> None:
    """Exhausted, also for who asks to wait."""
    assert GaveUp(EndedBy.EXHAUSTED, Reason.STATUS) == settled(
        an_answer(status, headers={"Retry-After": "5"}), attempt=LAST
    )


@pytest.mark.parametrize("reason", NO_HEAD)
def test_the_last_attempt_ends_it_without_a_head(reason: Reason) -> None:
    """Exhausted, and the reason is the last attempt's."""
    assert GaveUp(EndedBy.EXHAUSTED, reason) == settled(Failure(reason), attempt=LAST)


@pytest.mark.parametrize("attempt", [1, LAST])
@pytest.mark.parametrize(("reason", "ended_by"), REFUSED)
def test_an_address_not_allowed_or_a_url_not_valid_ends_it_at_once(
    reason: Reason, ended_by: EndedBy, attempt: int
) -> None:
    """Waiting would not mend it."""
    assert GaveUp(ended_by, reason) == settled(Failure(reason), attempt=attempt)


@pytest.mark.parametrize(("deferrals", "delay_s"), [(0, 5), (1, 120), (9, 3600)])
@pytest.mark.parametrize("attempt", [1, LAST])
def test_a_fault_of_the_proxy_spends_no_attempt(attempt: int, deferrals: int, delay_s: int) -> None:
    """It is ours and not the receiver's: the delivery is put off, at its last attempt too, and later each time."""
    delivery = a_delivery(attempt=attempt, deferrals=deferrals)

    now_ms = NOON_MS + MAX_AGE_MS - 1

    verdict = settle(delivery, Failure(Reason.PROXY), schedule=SCHEDULE, now_ms=now_ms)

    assert Deferred(delay_s, Reason.PROXY) == verdict


def test_a_fault_of_the_proxy_that_lasts_for_too_long_ends_it() -> None:
    """As whatever is put off again and again."""
    now_ms = NOON_MS + MAX_AGE_MS + 1

    verdict = settle(a_delivery(), Failure(Reason.PROXY), schedule=SCHEDULE, now_ms=now_ms)

    assert GaveUp(EndedBy.EXPIRED, Reason.PROXY) == verdict


def test_a_fault_of_the_proxy_says_nothing_of_the_receiver() -> None:
    """Its lane, its circuit and its owner hear nothing of it; nor of what was refused before it was asked."""
    for reason in Reason:
        unasked = reason in {Reason.PROXY, Reason.BLOCKED_ADDRESS, Reason.INVALID_URL}
        assert (outcome_of(Failure(reason)) is Outcome.NONE) is unasked


@pytest.mark.parametrize("reply", [*map(an_answer, OTHER_STATUSES), *map(Failure, (*NO_HEAD, Reason.PROXY))])
def test_a_test_send_has_one_attempt(reply: Reply) -> None:
    """Who sent it looks at the outcome now."""
    verdict = settled(reply, trigger=Trigger.TEST)

    assert isinstance(verdict, GaveUp)
    assert EndedBy.EXHAUSTED is verdict.ended_by


@pytest.mark.parametrize("trigger", [Trigger.REDELIVERY, Trigger.REPLAY])
def test_a_redelivery_and_a_replay_have_the_full_schedule(trigger: Trigger) -> None:
    """They are tried as any event is."""
    assert Retry(7200, Reason.STATUS) == settled(an_answer(500), attempt=4, trigger=trigger)


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(
    ("asked", "delay_s"),
    [
        ("0", 5),
        ("5", 5),
        ("6", 30),
        (" 6 ", 30),
        ("31", 120),
        ("601", 3600),
        ("3601", 7200),
        ("86400", 7200),  # at most the longest
        ("9" * 5000, 7200),
        ("Fri, 07 Jun 2019 12:02:00 GMT", 120),
        ("Fri, 07 Jun 2019 12:02:01 GMT", 600),
        ("Friday, 07-Jun-19 12:02:00 GMT", 120),  # the two older forms of RFC 9110, 5.6.7
        ("Fri Jun  7 12:02:00 2019", 120),
        ("Thu, 31 Dec 9999 23:59:59 GMT", 7200),
        (NOON, 5),
        ("Fri, 07 Jun 2019 11:00:00 GMT", 5),  # past
        ("Thu, 01 Jan 1970 00:00:00 GMT", 5),
        ("-120", 5),
        ("120.5", 5),
        ("1e3", 5),
        ("120, 240", 5),
        ("soon", 5),
        ("", 5),
        ("Fri, 07 Jun 99999 12:00:00 GMT", 5),
        ("Fri, 07 Jun 2019 12:02:00 +9999", 5),
        ("١٢٠", 5),
    ],
)
def test_a_429_and_a_503_are_left_alone_for_as_long_as_they_ask(status: int, asked: str, delay_s: int) -> None:
    """Rounded up to a delay that has a topic; what cannot be read, is negative or past asks for nothing."""
    assert Retry(delay_s, Reason.STATUS) == settled(an_answer(status, headers={"Retry-After": asked}))


@pytest.mark.parametrize("asked", ["1", NOON, ""])
def test_who_asks_for_less_than_the_schedule_gets_the_schedule(asked: str) -> None:
    """Retry-After makes nothing earlier."""
    assert Retry(600, Reason.STATUS) == settled(an_answer(429, headers={"Retry-After": asked}), attempt=3)


@pytest.mark.parametrize("status", [301, 413, 500, 502])
def test_retry_after_counts_for_429_and_503_alone(status: int) -> None:
    """Elsewhere it is not what the table says."""
    assert Retry(5, Reason.STATUS) == settled(an_answer(status, headers={"Retry-After": "3600"}))


@pytest.mark.parametrize("date", ["Fri Jun  7 12:02:00 2019", "Fri, 07 Jun 2019 12:02:00 -0000", "7 Jun 2019 12:02:00"])
def test_a_date_that_names_no_zone_is_utc(date: str) -> None:
    """Never the zone of the machine that relay runs on."""
    with a_machine_in("Asia/Tokyo"):
        assert 120.0 == retry_after_s(date, now_ms=NOON_MS)


dates = st.datetimes().map(lambda moment: f"{moment:%a, %d %b %Y %H:%M:%S}")
headers = (
    st.text() | st.integers().map(str) | st.builds(str.__add__, dates, st.sampled_from(["", " GMT", " -2400", " x"]))
)


@given(headers, st.integers(0, 2**53))
@example("9" * 5000, 0)
def test_any_retry_after_asks_for_some_seconds_or_none(value: str, now_ms: int) -> None:
    """Never for less than none, never for ever, and it never raises."""
    assert 0.0 <= retry_after_s(value, now_ms=now_ms) < float("inf")


replies = st.builds(
    Answer,
    status=st.integers(0, 999),
    headers=headers.map(lambda value: (("retry-after", value),)),
    body=st.binary(max_size=8),
    truncated=st.booleans(),
) | st.builds(Failure, st.sampled_from(Reason), st.text(max_size=8))


@given(replies, st.integers(1, 10**6), st.sampled_from(Trigger))
def test_every_reply_has_a_verdict(reply: Reply, attempt: int, trigger: Trigger) -> None:
    """Delivered by a 2xx alone, deferred by the proxy's fault alone; else a retry that has a topic, or the end."""
    verdict = settled(reply, attempt=attempt, trigger=trigger)

    unasked = isinstance(reply, Failure) and reply.reason is Reason.PROXY and trigger is not Trigger.TEST
    assert isinstance(verdict, Delivered | Retry | GaveUp | Deferred)
    assert isinstance(verdict, Deferred) == unasked
    assert isinstance(verdict, Delivered) == (isinstance(reply, Answer) and 200 <= reply.status <= 299)
    if isinstance(verdict, Retry):
        assert attempt < LAST
        assert verdict.delay_s in {5, 30, 120, 600, 3600, 7200}
    if not isinstance(verdict, Delivered):
        assert verdict.reason is (reply.reason if isinstance(reply, Failure) else Reason.STATUS)


def test_an_attempt_at_an_active_subscription_is_made() -> None:
    """Nothing stands against it."""
    assert admitted() is None


def test_an_attempt_that_is_due_is_made_however_old() -> None:
    """Age ends only what would be put off once more."""
    assert admitted(a_delivery(attempt=LAST, deferrals=9), age_ms=100 * MAX_AGE_MS) is None


def test_what_a_deleted_subscription_has_coming_is_dropped() -> None:
    """At whatever age."""
    assert Dropped(Reason.SUBSCRIPTION_DELETED) == admit(a_delivery(), None, schedule=SCHEDULE, now_ms=NOON_MS)


@pytest.mark.parametrize(
    "anew",
    [
        {"created_at": "2019-06-07T12:00:00.000Z"},
        {"account_id": "acc_2"},
        {"account_id": "*"},
        {"created_at": "2019-06-07T12:00:00.000Z", "account_id": "acc_2", "state": State.PAUSED},
    ],
)
def test_a_subscription_made_anew_gets_nothing_of_the_one_before(anew: dict[str, Any]) -> None:
    """Its id is the same, but the one that matched is gone; it may be another's by now."""
    assert Dropped(Reason.SUBSCRIPTION_DELETED) == admitted(**anew)


def test_an_operators_subscription_gets_what_it_matched() -> None:
    """Its account is the subscription's, `*`, and not the lead's."""
    assert admitted(a_delivery(account_id="*"), account_id="*") is None


def test_a_subscription_that_was_edited_gets_what_it_matched() -> None:
    """Another URL, name or version is still the same subscription."""
    assert (
        admitted(url="https://elsewhere.example/", name="Another", version=7, updated_at="2019-06-07T12:00:00.000Z")
        is None
    )


@pytest.mark.parametrize("signer", [SIGNER, None])
@pytest.mark.parametrize("age_ms", [0, MAX_AGE_MS + 1])
def test_what_a_disabled_subscription_has_coming_is_dropped(signer: Signer | None, age_ms: int) -> None:
    """Readable or not, young or old; a replay can send it later."""
    assert Dropped(Reason.SUBSCRIPTION_DISABLED) == admitted(state=State.DISABLED, signer=signer, age_ms=age_ms)


WAITS = (
    ({"state": State.PAUSED}, Reason.SUBSCRIPTION_PAUSED),
    ({"state": State.PAUSED, "signer": None}, Reason.SUBSCRIPTION_PAUSED),
    ({"signer": None}, Reason.UNREADABLE_SECRET),
)


@pytest.mark.parametrize(("like", "reason"), WAITS)
@pytest.mark.parametrize(("deferrals", "delay_s"), [(0, 5), (1, 120), (2, 3600), (50, 3600)])
def test_what_is_paused_or_cannot_be_signed_is_deferred(
    like: dict[str, Any], reason: Reason, deferrals: int, delay_s: int
) -> None:
    """Longer each time; no attempt is spent, so the last one is put off like the first."""
    assert Deferred(delay_s, reason) == admitted(a_delivery(deferrals=deferrals, attempt=LAST), age_ms=HOUR_MS, **like)


@pytest.mark.parametrize(("like", "reason"), WAITS)
def test_what_was_put_off_for_too_long_is_given_up(like: dict[str, Any], reason: Reason) -> None:
    """A millisecond beyond RELAY_MAX_AGE, and not before, with why it waited."""
    assert Deferred(5, reason) == admitted(age_ms=MAX_AGE_MS, **like)
    assert GaveUp(EndedBy.EXPIRED, reason) == admitted(age_ms=MAX_AGE_MS + 1, **like)


@pytest.mark.parametrize("reason", [Reason.LANE_FULL, Reason.RATE_LIMITED])
def test_many_that_are_too_many_at_once_do_not_come_back_all_at_once(reason: Reason) -> None:
    """Each draws its delay, another one each time; those whose receiver does not answer do not."""

    def delays(why: Reason, deferrals: int, *, answers: bool = True) -> list[int]:
        several = (a_delivery(id=DeliveryId(f"dlv_{number}"), deferrals=deferrals) for number in range(40))
        now_ms = NOON_MS + HOUR_MS
        verdicts = [put_off(one, why, schedule=SCHEDULE, now_ms=now_ms, answers=answers) for one in several]
        return [verdict.delay_s for verdict in verdicts if isinstance(verdict, Deferred)]

    assert {5} == set(delays(reason, 0))
    assert {5, 120, 3600} == set(delays(reason, 3))
    assert delays(reason, 3) == delays(reason, 3) != delays(reason, 4)
    assert {3600} == set(delays(Reason.CIRCUIT_OPEN, 3)) == set(delays(reason, 3, answers=False))


def test_a_subscription_that_never_could_be_read_makes_its_deliveries_wait() -> None:
    """Nobody can say that it is another one, so nothing is dropped."""
    nobody_knows = unknown(SubscriptionId("sub_1"))

    verdict = admit(a_delivery(), nobody_knows, schedule=SCHEDULE, now_ms=NOON_MS)

    assert Deferred(5, Reason.UNREADABLE_SECRET) == verdict


endpoints = st.none() | st.builds(
    lambda state, created_at, account_id, signer: endpoint(
        a_subscription(state=state, created_at=created_at, account_id=account_id), signer=signer, headers={}
    ),
    state=st.sampled_from(State),
    created_at=st.sampled_from(["", a_subscription().created_at, "2019-06-07T12:00:00.000Z"]),
    account_id=st.sampled_from(["acc_1", "acc_2", "*"]),
    signer=st.sampled_from([None, SIGNER]),
)


@given(endpoints, st.integers(0, 10**6), st.integers(-MAX_AGE_MS, 2 * MAX_AGE_MS))
def test_an_attempt_is_made_only_where_it_is_owed(to: Endpoint | None, deferrals: int, age_ms: int) -> None:
    """An active subscription, the one that matched, with a secret to sign by; and `admit` never tries to deliver."""
    verdict = admit(a_delivery(deferrals=deferrals), to, schedule=SCHEDULE, now_ms=NOON_MS + age_ms)

    if verdict is None:
        assert to is not None
        assert to.signer is not None
        assert State.ACTIVE is to.subscription.state
    assert not isinstance(verdict, Delivered | Retry)
