"""
What a reply, or no attempt at all, means for a delivery. Values in, a verdict out. Pure.

DESIGN.md section 7 has the table of replies; `settle` is that table. `admit` decides before any attempt.
"""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus

from relay.model import (
    Answer,
    Deferred,
    Delivered,
    Delivery,
    Dropped,
    EndedBy,
    Failure,
    GaveUp,
    Reason,
    Reply,
    Retry,
    State,
    Trigger,
    Verdict,
)
from relay.pipeline.lane import Outcome
from relay.pipeline.match import Endpoint
from relay.pipeline.schedule import Schedule

ASKS_TO_WAIT = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE})
CROWDED = frozenset({Reason.LANE_FULL, Reason.RATE_LIMITED})  # its receiver takes some, and these were too many at once
FINAL = {Reason.BLOCKED_ADDRESS: EndedBy.BLOCKED_ADDRESS, Reason.INVALID_URL: EndedBy.INVALID_URL}
MAX_RETRY_AFTER_CHARACTERS = 64  # an HTTP date has 29, a century in seconds 10


def settle(delivery: Delivery, reply: Reply, *, schedule: Schedule, now_ms: int) -> Verdict:
    """
    Decide what a reply means for its delivery.

    Args:
        delivery: The attempt that was made.
        reply: What came of it.
        schedule: Delays by attempt, and the attempt after which we give up.
        now_ms: When the reply was complete.

    Never raises: every reply, including none at all, has a verdict.
    """
    asked_s = 0.0
    reason = reason_of(reply)
    match reply:
        case Answer(status=status) if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
            return Delivered()
        case Answer(status=HTTPStatus.GONE):
            return GaveUp(EndedBy.GONE, reason)
        case Answer(status=status) if status in ASKS_TO_WAIT:
            asked_s = retry_after_s(dict(reply.headers).get("retry-after", ""), now_ms=now_ms)
        case Failure() if reason in FINAL:
            return GaveUp(FINAL[reason], reason)
        case Failure(reason=Reason.PROXY) if delivery.trigger is not Trigger.TEST:
            return put_off(delivery, reason, schedule=schedule, now_ms=now_ms)  # the receiver was never asked
        case _:
            pass
    delay_s = schedule.retry_delay(delivery.attempt, asked_s)
    if delay_s is None or delivery.trigger is Trigger.TEST:  # a test send has one attempt
        return GaveUp(EndedBy.EXHAUSTED, reason)
    return Retry(delay_s, reason)


def admit(delivery: Delivery, endpoint: Endpoint | None, *, schedule: Schedule, now_ms: int) -> Verdict | None:
    """
    Decide whether an attempt is made at all; None: make it.

    Args:
        delivery: The attempt to come.
        endpoint: What stands under its subscription's id now.
        schedule: Delays by deferral, and how old a delivery may grow while it is put off.
        now_ms: Now.

    Never raises.
    """
    if endpoint is None:
        return Dropped(Reason.SUBSCRIPTION_DELETED)
    subscription = endpoint.subscription
    known = subscription.created_at != ""  # else it never could be read, and nobody can say that it is another one
    if known and (subscription.created_at, subscription.account_id) != (delivery.incarnation, delivery.account_id):
        return Dropped(Reason.SUBSCRIPTION_DELETED)  # the id was made anew: the one that matched is gone
    if subscription.state is State.DISABLED:
        return Dropped(Reason.SUBSCRIPTION_DISABLED)
    if subscription.state is State.PAUSED:
        reason = Reason.SUBSCRIPTION_PAUSED
    elif endpoint.signer is None:
        reason = Reason.UNREADABLE_SECRET
    else:
        return None
    return put_off(delivery, reason, schedule=schedule, now_ms=now_ms)


def put_off(delivery: Delivery, reason: Reason, *, schedule: Schedule, now_ms: int, answers: bool = False) -> Verdict:
    """
    No attempt is made now, and none is spent: later, and the later the more often; given up when it is too old.

    Args:
        delivery: The attempt that is not made.
        reason: Why.
        schedule: Delays by deferral, and how old a delivery may grow while it is put off.
        now_ms: Now.
        answers: Its receiver does: what is too much for it now is not for long, and is spread.
    """
    if schedule.expired(delivery.matched_ms, now_ms):
        return GaveUp(EndedBy.EXPIRED, reason)
    age_s = (now_ms - delivery.matched_ms) / 1000
    if answers and reason in CROWDED:
        identity = f"{delivery.id}/{delivery.attempt}/{delivery.deferrals}".encode()
        return Deferred(schedule.drawn_delay(delivery.deferrals, age_s, identity), reason)
    return Deferred(schedule.hold_delay(delivery.deferrals, age_s), reason)


def reason_of(reply: Reply) -> Reason:
    """What came of an attempt that was not delivered."""
    return reply.reason if isinstance(reply, Failure) else Reason.STATUS


def outcome_of(reply: Reply | None) -> Outcome:
    """What a reply says of how its receiver is; None: nothing was sent. Never raises."""
    match reply:
        case None:
            return Outcome.NONE
        case Failure(reason=reason):
            return Outcome.NONE if reason in FINAL or reason is Reason.PROXY else Outcome.TROUBLED
        case Answer(status=status) if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
            return Outcome.OK
        case Answer(status=status):
            return Outcome.TROUBLED if status in ASKS_TO_WAIT else Outcome.FAILED


def retry_after_s(value: str, *, now_ms: int) -> float:
    """
    Seconds that a Retry-After header asks for (RFC 9110, 10.2.3: seconds or an HTTP date); 0 when it asks for nothing.

    Never raises: what cannot be read, is negative or past asks for nothing.

    >>> retry_after_s("120", now_ms=0), retry_after_s("Thu, 01 Jan 1970 00:01:00 GMT", now_ms=0)
    (120.0, 60.0)
    >>> [retry_after_s(value, now_ms=0) for value in ("-5", "soon", "")]
    [0.0, 0.0, 0.0]
    """
    value = value.strip()[:MAX_RETRY_AFTER_CHARACTERS]
    if value.isascii() and value.isdigit():
        return float(value)
    try:
        moment: datetime = parsedate_to_datetime(value)
        if moment.tzinfo is None:  # asctime's form names no zone; HTTP's is always UTC, never this machine's
            moment = moment.replace(tzinfo=UTC)
        return max(0.0, moment.timestamp() - now_ms / 1000)
    except (ValueError, TypeError, OverflowError, IndexError):
        return 0.0
