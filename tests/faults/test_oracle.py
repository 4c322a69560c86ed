"""The oracle, on histories made by hand: a correct one passes, and each thing that can be wrong is seen."""

import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.faults.history import (
    Copy,
    Excuse,
    History,
    Letter,
    Request,
    Result,
    Sample,
    Subscriber,
    What,
    Window,
    Written,
)  # fmt: skip
from tests.faults.oracle import delivery_id, judge

A, B = Subscriber("a"), Subscriber("b", account="acct-1", events=("lead.completed",))
FIRST = Written("events", 0, 0, 1_000, What.EVENT, "acct-1", "lead.completed", "lead-1")
SECOND = Written("events", 0, 1, 1_001, What.EVENT, "acct-2", "lead.completed", "lead-2")
POISON = Written("events", 0, 3, 1_002, What.MALFORMED, "", "", "")
A1, B1, A2 = delivery_id(FIRST, "a"), delivery_id(FIRST, "b"), delivery_id(SECOND, "a")


def a_request(ident: str, subscription: str, began: float, *, attempt: int = 1, lead: str = "lead-1") -> Request:
    return Request(subscription, ident, attempt, lead, began, began + 0.1, 200)


def a_result(ident: str, verdict: str, at: float, *, attempt: int = 1, reason: str = "ok") -> Result:
    return Result(ident, attempt, 0, verdict, reason, at)


# FIRST goes to a and b, where b takes the second attempt; SECOND goes to a; POISON is buried.
SOUND = History(
    events=(FIRST, SECOND, POISON),
    subscribers=(A, B),
    requests=(
        a_request(A1, "a", 10.0),
        a_request(B1, "b", 10.0),
        a_request(A2, "a", 10.5, lead="lead-2"),
        a_request(B1, "b", 12.0, attempt=2),
    ),
    results=(
        a_result(A1, "delivered", 10.2),
        a_result(B1, "retry", 10.2, reason="status"),
        a_result(A2, "delivered", 10.7),
        a_result(B1, "delivered", 12.2, attempt=2),
    ),
    copies=(Copy("deliveries.1s", 0, 0, B1, 2, 0, 10.2),),
    letters=(Letter("events/0/3", 10.8),),
    samples=(
        Sample(10.0, "group", "events", 0, 0),
        Sample(10.3, "group", "events", 0, 1),
        Sample(11.0, "group", "events", 0, 4),
        Sample(12.5, "retries", "deliveries.1s", 0, 1),
    ),
    lag={"group": 0, "retries": 0},
)  # fmt: skip


def test_a_history_in_which_all_went_well_has_no_findings() -> None:
    judged = judge(SOUND)

    assert () == judged.findings
    assert (3, 3, 0, 4, 0) == (judged.events, judged.deliveries, judged.lost, judged.requests, judged.repeats)
    assert pytest.approx(1.5) == judged.stall_s


def test_ids_are_those_of_the_published_vectors() -> None:
    """The formula is written down once more here, so that relay's own cannot agree with itself alone."""
    for vector in json.loads(Path("schemas/vectors/delivery_ids.json").read_text()):
        event = replace(
            FIRST,
            topic=vector["topic"],
            partition=vector["partition"],
            offset=vector["offset"],
            timestamp_ms=vector["timestamp_ms"],
        )
        assert vector["delivery_id"] == delivery_id(event, vector["subscription_id"], vector["namespace"])


def without(results: Iterable[Result], ident: str, attempt: int = 1) -> tuple[Result, ...]:
    return tuple(one for one in results if (one.id, one.attempt) != (ident, attempt))


THIRD = replace(SECOND, offset=2)
TWICE = replace(SOUND.copies[0], offset=1)
BROKEN = {
    "a delivery without a result is lost": ("lost", replace(SOUND, results=without(SOUND.results, A1), samples=())),
    "one that only ever was put off is lost": (
        "lost",
        replace(SOUND, results=without(SOUND.results, B1, 2), copies=(), samples=()),
    ),
    "one that was only superseded is lost": (
        "lost",
        replace(SOUND, results=(*without(SOUND.results, A1), a_result(A1, "dropped", 10.2, reason="superseded"))),
    ),
    "an event that nothing came of is lost": ("lost", replace(SOUND, events=(*SOUND.events, THIRD), samples=())),
    "a record that cannot be read has a dead letter": ("lost", replace(SOUND, letters=(), samples=())),
    "a retry that nobody took is pending": (
        "pending",
        replace(SOUND, copies=(*SOUND.copies, replace(TWICE, attempt=3))),
    ),
    "a second copy that was attempted is a fork": (
        "fork",
        replace(
            SOUND, copies=(*SOUND.copies, TWICE), results=(*SOUND.results, a_result(B1, "delivered", 12.3, attempt=2))
        ),
    ),
    "an attempt made twice without a reason is a repeat": (
        "repeat",
        replace(SOUND, requests=(*SOUND.requests, a_request(A1, "a", 20.0))),
    ),
    "an attempt after the delivery has a reason": (
        "after delivery",
        replace(SOUND, requests=(*SOUND.requests, a_request(A1, "a", 20.0, attempt=2))),
    ),
    "an id that no event has is seen": (
        "unknown id",
        replace(SOUND, requests=(*SOUND.requests, a_request("dlv_0", "a", 20.0))),
    ),
    "another's id is seen": ("wrong id", replace(SOUND, requests=(a_request(B1, "a", 9.0), *SOUND.requests[0::2]))),
    "an id with another's lead is seen": (
        "wrong id",
        replace(SOUND, requests=(a_request(A1, "a", 10.0, lead="lead-9"), *SOUND.requests[1:])),
    ),
    "an aborted record is never sent": (
        "aborted was sent",
        replace(SOUND, aborted=(THIRD,), requests=(*SOUND.requests, a_request(delivery_id(THIRD, "a"), "a", 20.0))),
    ),
    "a commit before the outcome is seen": (
        "committed too early",
        replace(SOUND, samples=(Sample(10.1, "group", "events", 0, 1),)),
    ),
    "a commit over a retry that is not done is seen": (
        "committed too early",
        replace(SOUND, samples=(Sample(11.0, "retries", "deliveries.1s", 0, 1),)),
    ),
    "a commit over a record not yet buried is seen": (
        "committed too early",
        replace(SOUND, samples=(Sample(10.7, "group", "events", 0, 4),)),
    ),
    "a commit that goes back is seen": (
        "commit went back",
        replace(SOUND, samples=(*SOUND.samples, Sample(13.0, "group", "events", 0, 2))),
    ),
    "what is not read at the end is seen": ("lag at the end", replace(SOUND, lag={"group": 3})),
    "a match that `relay reconcile` finds no outcome of is seen": (
        "no outcome",
        replace(SOUND, missing=("1 of events/0/1",)),
    ),
    "a worker that ended by itself is seen": ("worker died", replace(SOUND, died=("worker-1: exit status 1",))),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_wrong_is_seen(name: str) -> None:
    """The name says what; nothing else is found beside it."""
    kind, history = BROKEN[name]

    assert {kind} == set(judge(history).counts)


AGAIN = replace(SOUND, requests=(*SOUND.requests, a_request(A1, "a", 20.0)))
NOT = {
    "a crash long after it was settled": Window(Excuse.CRASH, 15.0, 15.0),
    "a crash after the repeat": Window(Excuse.CRASH, 21.0, 21.0),
    "a rebalance, when it was not open for longer than the drain": Window(Excuse.REBALANCE, 10.0, 15.0),
    "offsets reset beyond it": Window(Excuse.RESET, 15.0, 16.0, "events", 0, 1, 9),
    "a cut of another partition": Window(Excuse.CUT, 15.0, 16.0, "events", 1),
}
EXCUSED = {
    "a crash just after it was settled": Window(Excuse.CRASH, 11.0, 11.0),
    "a zombie that wakes": Window(Excuse.ZOMBIE, 5.0, 19.0),
    "an outage while it was open": Window(Excuse.BROKER, 9.0, 12.0),
    "offsets reset to below it": Window(Excuse.RESET, 15.0, 16.0, "events", 0, 0, 9),
    "a cut of its partition": Window(Excuse.CUT, 15.0, 16.0, "events", 0),
}


@pytest.mark.parametrize("name", NOT)
def test_a_repeat_is_not_excused_by(name: str) -> None:
    assert {"repeat": 1} == judge(replace(AGAIN, windows=(NOT[name],))).counts


@pytest.mark.parametrize("name", EXCUSED)
def test_a_repeat_is_excused_and_counted_after(name: str) -> None:
    judged = judge(replace(AGAIN, windows=(EXCUSED[name],)))

    assert () == judged.findings
    assert 1 == judged.repeats <= sum(judged.bound.values())


def test_an_attempt_that_hung_through_a_rebalance_may_come_again() -> None:
    """Open for longer than the drain, so its partition moved without it."""
    hung = replace(SOUND.requests[0], ended=14.0)
    history = replace(AGAIN, requests=(hung, *AGAIN.requests[1:]), windows=(Window(Excuse.REBALANCE, 10.5, 14.0),))

    assert () == judge(history).findings


def test_a_chain_that_a_crash_doubled_may_go_on_after_the_delivery() -> None:
    """Attempt 1 was repeated and delivered; its first run had left a retry that was already acknowledged."""
    requests = (*SOUND.requests, a_request(B1, "b", 10.9))
    results = (*SOUND.results, a_result(B1, "delivered", 11.0))
    history = replace(SOUND, requests=requests, results=results, windows=(Window(Excuse.CRASH, 10.4, 10.4),))

    judged = judge(history)

    assert () == judged.findings
    assert (1, 1) == (judged.repeats, judged.inherited)


def test_an_attempt_that_was_refused_before_a_crash_may_come_after_the_delivery() -> None:
    """The receiver never saw its first run: the result tells of it."""
    refused = Result(A1, 1, 0, "retry", "connect", 9.0)
    second = a_request(A1, "a", 10.0, attempt=2)
    requests = (second, *SOUND.requests[1:], a_request(A1, "a", 20.0))
    results = (refused, a_result(A1, "delivered", 10.2, attempt=2), *SOUND.results[1:])
    history = replace(SOUND, requests=requests, results=results)

    assert {"after delivery": 1} == judge(history).counts
    assert () == judge(replace(history, windows=(Window(Excuse.CRASH, 9.5, 9.5),))).findings


FORKED = replace(
    SOUND,
    copies=(*SOUND.copies, TWICE),
    results=(
        *without(SOUND.results, B1, 2),
        replace(a_result(B1, "delivered", 12.2, attempt=2), worker="one"),
        replace(a_result(B1, "delivered", 12.3, attempt=2), worker="other"),
    ),
)  # fmt: skip
MOVED = Window(Excuse.REBALANCE, 12.0, 12.5)


def test_a_second_copy_is_excused_where_another_worker_met_it_around_a_fault() -> None:
    judged = judge(replace(FORKED, windows=(MOVED,)))

    assert () == judged.findings
    assert 1 == judged.forks_excused


def test_a_second_copy_is_a_fork_where_its_worker_had_met_the_first_whatever_happened_meanwhile() -> None:
    same = tuple(replace(one, worker="one") for one in FORKED.results)

    assert {"fork": 1} == judge(replace(FORKED, results=same, windows=(MOVED,))).counts
    assert {"fork": 1} == judge(FORKED).counts


def test_a_second_copy_that_is_superseded_is_no_fork() -> None:
    dropped = a_result(B1, "dropped", 12.3, attempt=2, reason="superseded")

    assert () == judge(replace(SOUND, copies=(*SOUND.copies, TWICE), results=(*SOUND.results, dropped))).findings


def test_an_attempt_that_was_frozen_before_it_was_sent_may_leave_a_chain_behind_the_delivery() -> None:
    """Another tool sent the group back; its second run timed out on waking, unseen, and its retry came."""
    again = (a_request(A1, "a", 30.0, attempt=2), *SOUND.requests)
    told = (Result(A1, 1, 0, "retry", "timeout", 29.0), a_result(A1, "delivered", 30.2, attempt=2), *SOUND.results)
    history = replace(SOUND, requests=again, results=told)

    assert {"after delivery": 1} == judge(history).counts
    reset = Window(Excuse.RESET, 20.0, 21.0, "events", 0, 0, 9)
    assert () == judge(replace(history, windows=(reset,))).findings
    seen = replace(history, requests=(replace(SOUND.requests[0], status=None), *again[:1], *SOUND.requests[1:]))
    assert "after delivery" in judge(replace(seen, windows=(Window(Excuse.CRASH, 28.5, 28.5),))).counts


def test_what_a_crash_left_written_of_a_deferral_may_come_beside_what_was_put_off() -> None:
    """Its record for later was acknowledged, its result was not: the heir does it, and the later one comes too."""
    later = (a_request(B1, "b", 20.0, attempt=2), *SOUND.requests)
    history = replace(
        SOUND,
        requests=later,
        copies=(*SOUND.copies, Copy("deliveries.1s", 0, 1, B1, 2, 1, 11.9)),
        results=(*SOUND.results, Result(B1, 2, 1, "delivered", "ok", 20.2)),
    )  # fmt: skip

    assert {"repeat": 1} == judge(history).counts
    assert () == judge(replace(history, windows=(Window(Excuse.CRASH, 11.95, 11.95),))).findings


def test_a_commit_may_go_back_where_another_tool_moved_it() -> None:
    moved = replace(
        SOUND,
        samples=(*SOUND.samples, Sample(13.0, "group", "events", 0, 2)),
        windows=(Window(Excuse.RESET, 12.9, 13.1, "events", 0, 2, 4),),
    )

    assert () == judge(moved).findings


CUT = replace(
    SOUND,
    events=(*SOUND.events, THIRD),
    gone=(replace(THIRD, timestamp_ms=900),),
    windows=(Window(Excuse.CUT, 1.0, 2.0, "events", 0),),
)


def test_new_records_below_where_the_group_was_are_told_apart_where_the_log_was_cut() -> None:
    """An unclean election cut it; Kafka's clients cannot see that without leader epochs. A figure, not a loss."""
    judged = judge(CUT)

    assert (0, 1) == (judged.lost, judged.passed_over)
    assert () == judged.findings


def test_a_record_that_took_no_other_ones_place_is_lost_though_its_log_was_cut_once() -> None:
    elsewhere = replace(CUT, events=(*SOUND.events, replace(THIRD, offset=100)))

    assert {"lost": 1} == judge(elsewhere).counts
    assert {"lost": 1} == judge(replace(CUT, gone=(), samples=())).counts
