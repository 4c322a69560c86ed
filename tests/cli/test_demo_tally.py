"""What the demo's table says of the results that were read."""

from typing import Any

import pytest

from relay.cli.demo_tally import Figures, Progress, Tally

NAMES = {"crm": "CRM", "flaky": "Flaky"}


def a_result(
    delivery: str, verdict: str, *, to: str = "crm", attempt: int = 1, took_ms: int | None = 5
) -> dict[str, Any]:
    return {
        "delivery_id": delivery,
        "subscription_id": to,
        "verdict": verdict,
        "attempt": attempt,
        "queued_ms": 2,
        "elapsed_ms": took_ms,
    }


def a_tally(*results: dict[str, Any]) -> Tally:
    tally = Tally(NAMES)
    for result in results:
        tally.add(result, now_s=0.0)
    return tally


def test_before_the_first_result_every_subscription_has_its_row_of_nothing() -> None:
    """The table does not jump while it fills, and no figure is made up."""
    tally = Tally(NAMES)

    assert [(row.name, row.waiting, row.verdicts) for row in tally.rows] == [("CRM", 0, {}), ("Flaky", 0, {})]
    assert tally.figures(0.0) == Figures(
        attempts=0, settled=0, waiting=0, retries=0, gave_up=0, dropped=0, rate=0.0, p50_ms=None, p95_ms=None
    )


def test_a_delivery_waits_from_its_first_retry_to_its_last_result() -> None:
    """However many attempts it takes, it is one delivery that waits, and then one that is settled."""
    tally = a_tally(a_result("a", "retry", to="flaky"), a_result("a", "retry", to="flaky", attempt=2))

    assert (tally.figures(0.0).waiting, tally.figures(0.0).settled) == (1, 0)

    tally.add(a_result("a", "delivered", to="flaky", attempt=3), now_s=0.0)

    assert (tally.figures(0.0).waiting, tally.figures(0.0).settled) == (0, 1)
    assert tally.rows[1].verdicts == {"retry": 2, "delivered": 1}


@pytest.mark.parametrize("verdict", ["delivered", "gave_up", "dropped"])
def test_a_last_result_settles_a_delivery_whatever_it_says(verdict: str) -> None:
    """Delivered, given up and dropped are all ends."""
    assert a_tally(a_result("a", verdict)).figures(0.0).settled == 1


def test_a_result_that_is_told_twice_settles_one_delivery() -> None:
    """After a crash a delivery may be made again; it is still the same one."""
    assert a_tally(a_result("a", "delivered"), a_result("a", "delivered")).figures(0.0).settled == 1


def test_what_was_put_off_is_no_attempt() -> None:
    """A deferral and a drop made no request, so they count neither as attempts nor in the latency."""
    figures = a_tally(a_result("a", "deferred", took_ms=None), a_result("b", "dropped", took_ms=None)).figures(0.0)

    assert (figures.attempts, figures.waiting, figures.dropped, figures.p50_ms) == (0, 1, 1, None)


def test_latency_is_of_first_attempts_from_reading_the_event_to_the_answer() -> None:
    """A retry's wait is its schedule, not our slowness."""
    tally = a_tally(*(a_result(str(ms), "delivered", took_ms=ms) for ms in range(1, 101)))
    tally.add(a_result("late", "delivered", attempt=2, took_ms=5_000), now_s=0.0)

    assert (tally.figures(0.0).p50_ms, tally.figures(0.0).p95_ms) == (52, 97)


def test_the_rate_forgets_what_is_long_past() -> None:
    """It is over the last five seconds, so that a pause is seen."""
    tally = Tally(NAMES)
    for second in range(10):
        tally.add(a_result(str(second), "delivered"), now_s=second)

    assert tally.figures(9.0).rate == 1.0
    assert tally.figures(60.0).rate == 0.0


def a_progress(*results: dict[str, Any], wanted: int | None = 1, produced: int = 1, verified: int = 1) -> Progress:
    return Progress(tally=a_tally(*results), wanted=wanted, produced=produced, expected=1, verified=verified)


def test_a_demo_is_complete_with_the_last_result_of_its_last_delivery() -> None:
    """Neither before every event was produced, nor while a retry waits."""
    assert a_progress(a_result("a", "delivered")).complete
    assert not a_progress(a_result("a", "retry")).complete
    assert not a_progress(a_result("a", "delivered"), wanted=2).complete


def test_a_complete_demo_has_no_fault() -> None:
    """Everything arrived, signed as it should be."""
    assert a_progress(a_result("a", "delivered")).faults == ()


def test_a_delivery_without_an_outcome_is_a_fault() -> None:
    """However the demo came to its end."""
    assert a_progress(a_result("a", "retry")).faults == ("1 of 1 deliveries have no outcome",)


def test_a_request_that_does_not_verify_is_a_fault() -> None:
    """Even when all was delivered in the end."""
    progress = a_progress(a_result("a", "delivered"))
    progress.unverified = 1

    assert progress.faults == ("1 requests did not verify",)


def test_a_result_of_a_request_that_nobody_saw_is_a_fault() -> None:
    """The results topic is not believed on its own."""
    progress = a_progress(a_result("a", "delivered"), verified=0)

    assert progress.faults == ("1 results tell of a request that no receiver saw",)


def test_a_demo_without_an_end_may_be_interrupted_at_any_time() -> None:
    """What is under way then is no fault."""
    assert a_progress(a_result("a", "retry"), wanted=None).faults == ()


def test_trouble_is_told_first() -> None:
    """It is why the rest is missing."""
    progress = a_progress(wanted=2)
    progress.trouble = "the worker ended"

    assert progress.faults == (
        "the worker ended",
        "1 of 1 deliveries have no outcome",
        "only 1 events were produced",
    )
