from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.config import Config
from relay.pipeline.schedule import Schedule, due_ms, jitter_ms
from tests.builders import NOON_MS

HOUR_S = 3_600
SCHEDULE = Schedule(retry_delays=(5, 30, 600, 7200), hold_delays=(5, 120, 3600), max_age_s=72 * HOUR_S)

delays = st.lists(st.integers(1, 604_800), min_size=1, max_size=12)
schedules = st.builds(
    Schedule,
    retry_delays=delays.map(sorted).map(tuple),  # as the configuration demands
    hold_delays=delays.map(set).map(sorted).map(tuple),
    max_age_s=st.integers(1, 10**7),
)
asks = st.floats(0, 1e12)


@pytest.mark.parametrize(("attempt", "delay_s"), [(1, 5), (2, 30), (3, 600), (4, 7200), (5, None), (6, None)])
def test_each_attempt_has_its_own_delay(attempt: int, delay_s: int | None) -> None:
    """The first delay follows the first attempt; after the last there is none."""
    assert delay_s == SCHEDULE.retry_delay(attempt)


def test_the_default_schedule_lasts_two_days() -> None:
    """Ten attempts in about 45 hours: a receiver that is down over a night, or a day, loses nothing."""
    config = Config()
    schedule = Schedule(config.retry_delays, config.hold_delays, config.max_age_s)

    waits = [schedule.retry_delay(attempt) for attempt in range(1, 11)]

    assert None is waits.pop()
    assert 9 == len(waits)
    assert 44 * HOUR_S < sum(wait or 0 for wait in waits) < 45 * HOUR_S


@given(schedules, st.integers(1, 12), asks)
def test_delays_never_shrink(schedule: Schedule, attempt: int, asked_s: float) -> None:
    """A later attempt waits at least as long as an earlier one, and who asks for more waits no less."""
    wait = schedule.retry_delay(attempt, asked_s)
    later = schedule.retry_delay(attempt + 1, asked_s)
    longer = schedule.retry_delay(attempt, asked_s * 2 + 1)

    if wait is None:
        assert (None, None) == (later, longer)
        return
    assert later is None or wait <= later
    assert longer is not None
    assert wait <= longer


@pytest.mark.parametrize(
    ("attempt", "asked_s", "delay_s"),
    [
        (1, 0, 5),
        (1, 5, 5),
        (1, 5.001, 30),
        (1, 30, 30),
        (1, 31, 120),  # one of the further delays
        (1, 120.5, 600),
        (1, 601, 3600),
        (1, 3601, 7200),
        (1, 7201, 7200),  # more than the longest is not to be had
        (1, 1e64, 7200),
        (3, 30, 600),  # its own is longer
        (4, 30, 7200),
        (5, 30, None),  # who asks gets no further attempt by it
    ],
)
def test_who_asks_to_wait_gets_the_smallest_delay_that_is_long_enough(
    attempt: int, asked_s: float, delay_s: int | None
) -> None:
    """Of all the delays that have a topic, at most the longest, and never less than the attempt's own."""
    assert delay_s == SCHEDULE.retry_delay(attempt, asked_s)


@given(schedules, st.integers(1, 12), asks)
def test_what_is_waited_is_a_topic_of_its_own(schedule: Schedule, attempt: int, asked_s: float) -> None:
    """Long enough unless it is the longest, and no shorter one would have done."""
    topics = {*schedule.retry_delays, *schedule.hold_delays}

    wait = schedule.retry_delay(attempt, asked_s)

    assert (wait is None) == (attempt > len(schedule.retry_delays))
    if wait is not None:
        least = max(schedule.retry_delays[attempt - 1], asked_s)
        assert min((topic for topic in topics if topic >= least), default=max(topics)) == wait


@pytest.mark.parametrize(("deferrals", "delay_s"), [(0, 5), (1, 120), (2, 3600), (3, 3600), (10**9, 3600)])
def test_a_deferral_waits_longer_each_time_and_then_as_long_as_before(deferrals: int, delay_s: int) -> None:
    """There is no last one: age ends it."""
    assert delay_s == SCHEDULE.hold_delay(deferrals, HOUR_S)


@pytest.mark.parametrize(("age_s", "delay_s"), [(-5, 5), (0, 5), (4.9, 5), (5, 120), (124, 120), (125, 3600)])
def test_a_deferral_waits_no_longer_than_another_of_its_age(age_s: float, delay_s: int) -> None:
    """However often it was put off for moments, where a lane was full."""
    assert delay_s == SCHEDULE.hold_delay(10, age_s)
    drawn = [SCHEDULE.drawn_delay(10, age_s, str(number).encode()) for number in range(100)]
    assert delay_s == max(drawn)


def test_what_is_put_off_for_nothing_but_an_outage_has_its_delays_one_after_the_other() -> None:
    """With relay's own delays its age is never the reason for a shorter one."""
    config = Config.read({})
    schedule = Schedule(config.retry_delays, config.hold_delays, config.max_age_s)
    age_s, delays = 0, list[int]()
    for deferrals in range(len(config.hold_delays)):
        delays.append(schedule.hold_delay(deferrals, age_s))
        age_s += delays[-1]

    assert list(config.hold_delays) == delays


@pytest.mark.parametrize(
    ("deferrals", "delays"),
    [(0, {5}), (1, {5, 120}), (2, {5, 120}), (3, {5, 120, 3600}), (10**9, {5, 120, 3600})],
)
def test_one_of_too_many_draws_among_the_delays_and_the_longer_the_more_often_it_was_put_off(
    deferrals: int, delays: set[int]
) -> None:
    """Each of them as often as the others: what came together does not come back together."""
    drawn = Counter(
        SCHEDULE.drawn_delay(deferrals, HOUR_S, f"dlv_{number}/1/{deferrals}".encode()) for number in range(3_000)
    )

    assert delays == drawn.keys()
    assert all(abs(count - 3_000 / len(delays)) < 200 for count in drawn.values())


def test_draws_of_one_delivery_do_not_follow_from_each_other() -> None:
    """Of those that drew the same once, half draw otherwise the next time."""
    draws = Counter(
        tuple(SCHEDULE.drawn_delay(deferrals, HOUR_S, f"dlv_{number}/1/{deferrals}".encode()) for deferrals in (1, 2))
        for number in range(4_000)
    )

    assert {(5, 5), (5, 120), (120, 5), (120, 120)} == draws.keys()
    assert all(800 < count < 1_200 for count in draws.values())


@pytest.mark.parametrize(("age_ms", "expired"), [(-1, False), (0, False), (259_200_000, False), (259_200_001, True)])
def test_a_delivery_expires_once_it_is_older_than_allowed(age_ms: int, expired: bool) -> None:  # noqa: FBT001
    """72 hours to the millisecond; a clock that stands before its matching makes it young."""
    assert expired is SCHEDULE.expired(NOON_MS, NOON_MS + age_ms)


@given(st.integers(0, 2**53), st.integers(0, 604_800))
def test_a_record_is_due_at_its_own_time_plus_its_topics_delay(timestamp_ms: int, delay_s: int) -> None:
    """And nothing else, so that due times rise along a partition as its timestamps do."""
    assert timestamp_ms + 1000 * delay_s == due_ms(timestamp_ms, delay_s)
    assert due_ms(timestamp_ms, delay_s) < due_ms(timestamp_ms + 1, delay_s)


@given(st.binary(), st.integers(0, 10**9))
def test_jitter_is_a_fifth_of_the_delay_and_ten_seconds_at_most(identity: bytes, delay_s: int) -> None:
    """It never makes anything early."""
    jitter = jitter_ms(identity, delay_s)

    assert 0 <= jitter <= 200 * delay_s
    assert jitter <= 10_000


def test_what_is_due_at_once_has_no_jitter() -> None:
    """A fifth of nothing."""
    assert 0 == jitter_ms(b"dlv_1/1", 0)


def test_jitter_is_of_a_delivery_and_its_attempt() -> None:
    """The same wherever and whenever it is read: the numbers are fixed; another attempt waits otherwise."""
    assert [707, 3169, 666] == [jitter_ms(identity, 30) for identity in (b"dlv_1/1", b"dlv_1/2", b"dlv_2/1")]


@pytest.mark.parametrize("delay_s", [5, 30, 3600])
def test_jitter_spreads_what_failed_together(delay_s: int) -> None:
    """Of 4,000 deliveries that fail at once, each tenth of the range gets between 300 and 500."""
    longest_ms = min(200 * delay_s, 10_000)

    tenths = [jitter_ms(f"dlv_{number:032x}1".encode(), delay_s) * 10 // longest_ms for number in range(4_000)]

    assert all(300 <= tenths.count(tenth) <= 500 for tenth in range(10))
