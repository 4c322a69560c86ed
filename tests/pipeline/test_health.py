"""What an endpoint's answers come to: gone, failing, recovered, dead; and how little is remembered of those well."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.model import DeliveryId, Failure, Reason, Reply, Subscription, SubscriptionId
from relay.pipeline.health import REMEMBERED, Dead, Failing, Finding, Gone, Health, Recovered
from relay.pipeline.notice import Kind, Word
from tests.builders import NOON_MS, a_subscription, a_word, an_answer

OK, GONE, UNWELL, SILENT = an_answer(204), an_answer(410), an_answer(503), Failure(Reason.TIMEOUT)
REFUSED = (Failure(Reason.BLOCKED_ADDRESS), Failure(Reason.INVALID_URL))
ME = a_subscription()
HOUR_S, DAY_S = 3600, 86_400


@dataclass(frozen=True, slots=True)
class Heard:
    """One attempt."""

    at_s: float  # after noon
    reply: Reply
    delivery: str = "dlv_1"
    called: Subscription = ME


def at(second: float) -> int:
    return NOON_MS + round(second * 1000)


def findings(
    heard: Sequence[Heard], health: Health | None = None, *, wrong_s: float = 0.0
) -> list[tuple[Finding, ...]]:
    """What each of them made known; the wall clock goes wrong by so much with each."""
    health = Health() if health is None else health
    return [
        health.hear(one.called, DeliveryId(one.delivery), one.reply, now_ms=at(one.at_s + n * wrong_s), now_s=one.at_s)
        for n, one in enumerate(heard)
    ]


def refusals(*at_s: float, called: Subscription = ME) -> list[Heard]:
    """410s, each of a delivery of its own."""
    return [Heard(second, GONE, f"dlv_{second}", called) for second in at_s]


# gone


def test_410_for_three_deliveries_over_a_minute_means_that_it_is_gone() -> None:
    """Since the first of them."""
    assert [(), (), (Gone(at(0)),)] == findings(refusals(0, 30, 60))


@pytest.mark.parametrize("wrong_s", [3600.0, -3600.0])
def test_a_wall_clock_that_is_set_makes_nothing_last_longer_or_shorter(wrong_s: float) -> None:
    """A step of an hour is no hour."""
    assert [()] * 3 == findings(refusals(0, 1, 2), wrong_s=wrong_s)
    assert [(), (), (Gone(at(0)),)] == findings(refusals(0, 30, 60), wrong_s=wrong_s)
    assert [(), (Failing(at(0)),)] == findings([Heard(0, UNWELL), Heard(3600, UNWELL)], wrong_s=wrong_s)


def test_a_minute_that_is_not_over_is_waited_for() -> None:
    """However many say so."""
    assert [()] * 4 + [(Gone(at(0)),)] == findings(refusals(0, 1, 2, 59.999, 60))


def test_two_deliveries_are_too_few_however_often_they_are_sent() -> None:
    """A redelivery is the same delivery, and one 410 may be about one lead."""
    heard = [Heard(second, GONE, f"dlv_{second % 2}") for second in range(0, 600, 35)]

    assert {()} == set(findings(heard))


def test_a_success_starts_the_count_anew() -> None:
    """Three more over another minute."""
    heard = [*refusals(0, 30), Heard(59, OK), *refusals(60, 90), *refusals(119, 120)]

    assert [()] * 6 + [(Gone(at(60)),)] == findings(heard)


def test_a_new_version_of_the_subscription_starts_the_count_anew() -> None:
    """It may have another URL by now; whatever it was that was answered when it became known."""
    new = a_subscription(version=2)
    heard = [*refusals(0, 30), *refusals(60, 90, 120, called=new)]
    first_unwell = [*refusals(0, 30), Heard(59, UNWELL, called=new), *refusals(60, 90, 120, called=new)]

    assert [()] * 4 + [(Gone(at(60)),)] == findings(heard)
    assert [()] * 5 + [(Gone(at(60)),)] == findings(first_unwell)


def test_another_failure_between_changes_nothing() -> None:
    """It is no success."""
    heard = [*refusals(0, 30), Heard(40, UNWELL), Heard(50, SILENT), *refusals(60)]

    assert (Gone(at(0)),) == findings(heard)[-1]


def test_it_is_told_again_by_a_later_410_a_minute_on() -> None:
    """Whoever acts on it may not have been able to; but not by every request that was under way."""
    told = findings(refusals(0, 30, 60, 60.5, 119.9, 120, 121))

    assert [2, 5] == [number for number, one in enumerate(told) if one]
    assert (Gone(at(0)),) == told[5]


# failing and recovered


def test_an_hour_without_a_success_is_told_once() -> None:
    """Since the first failure after the last success."""
    heard = [Heard(0, OK), Heard(10, UNWELL), Heard(3609.9, SILENT), Heard(3610, UNWELL), Heard(9000, UNWELL)]

    assert [(), (), (), (Failing(at(10)),), ()] == findings(heard)


def test_a_single_failure_is_not_an_endpoint_that_fails() -> None:
    """Nor does the next success have anything to recover from."""
    assert [(), ()] == findings([Heard(0, UNWELL), Heard(86_400, OK)])


def test_the_first_success_after_it_was_told_is_its_recovery() -> None:
    """And only then; the next trouble is a new one."""
    hour = [Heard(0, UNWELL), Heard(3600, UNWELL)]
    again = [Heard(8000, UNWELL), Heard(11_600, UNWELL)]

    told = findings([*hour, Heard(7200, OK), Heard(7201, OK), *again])

    assert [(), (Failing(at(0)),), (Recovered(at(0)),), (), (), (Failing(at(8000)),)] == told


def test_a_new_version_does_not_make_it_well() -> None:
    """Its recovery is what people wait for after they have changed something."""
    new = a_subscription(version=2)
    heard = [Heard(0, UNWELL), Heard(3600, UNWELL), Heard(3700, UNWELL, called=new), Heard(3800, OK, called=new)]

    assert [(), (Failing(at(0)),), (), (Recovered(at(0)),)] == findings(heard)


def test_an_endpoint_may_be_gone_and_failing_at_once() -> None:
    """410s an hour apart are failures too."""
    assert (Gone(at(0)), Failing(at(0))) == findings(refusals(0, 1800, 3600))[-1]


# neither


@pytest.mark.parametrize("refused", REFUSED)
def test_what_our_own_rules_refused_is_no_answer_of_the_endpoint(refused: Failure) -> None:
    """It starts nothing, ends nothing, and counts for nothing."""
    health = Health()

    assert {()} == set(findings([Heard(second, refused) for second in (0, 3600, 7200)], health))
    assert len(health) == 0
    assert [(), (), (Failing(at(0)),)] == findings([Heard(0, UNWELL), Heard(1, refused), Heard(3600, UNWELL)])


def test_a_subscription_made_anew_under_the_same_id_is_another() -> None:
    """Nothing that was known of the former one is held against it, nor told to it."""
    anew = a_subscription(created_at="2019-06-07T12:00:30.000Z")

    assert {()} == set(findings([*refusals(0, 30), *refusals(60, called=anew)]))
    failing = [Heard(0, UNWELL), Heard(3600, UNWELL)]
    assert [()] * 2 == findings([*failing, Heard(3601, UNWELL, called=anew), Heard(3602, OK, called=anew)])[2:]


# memory


def test_an_endpoint_that_is_well_takes_no_memory() -> None:
    """Whatever it was before."""
    health = Health()

    findings([Heard(0, OK), *refusals(1, 30, 90), Heard(4000, UNWELL), Heard(4001, OK)], health)

    assert len(health) == 0


def test_the_one_without_news_for_longest_is_forgotten_first() -> None:
    """A failure is news."""
    health = Health(limit=2)
    a, b, c = (a_subscription(id=SubscriptionId(name)) for name in "abc")
    findings([Heard(0, UNWELL, called=a), Heard(1, UNWELL, called=b), Heard(2, UNWELL, called=a)], health)

    findings([Heard(3, UNWELL, called=c)], health)

    assert len(health) == 2
    told = findings(
        [Heard(3600, UNWELL, called=a), Heard(3603, UNWELL, called=c), Heard(3604, UNWELL, called=b)], health
    )
    assert [(Failing(at(0)),), (Failing(at(3)),), ()] == told


def test_how_much_is_remembered_unless_told_otherwise() -> None:
    """Ten thousand in trouble, however many there are."""
    health = Health()
    for number in range(REMEMBERED + 100):
        health.hear(
            replace(ME, id=SubscriptionId(f"sub_{number}")), DeliveryId("dlv_1"), UNWELL, now_ms=NOON_MS, now_s=0.0
        )

    assert len(health) == REMEMBERED == 10_000


# dead, by what was seen here


def test_what_was_told_to_be_failing_five_days_ago_and_fails_still_is_dead() -> None:
    """Not an hour earlier, from its first failure; and it is told again by a later failure, a minute on."""
    five = HOUR_S + 5 * DAY_S
    heard = [Heard(at_s, UNWELL) for at_s in (0, HOUR_S, five - HOUR_S, five - 1, five, five + 59, five + 60)]

    assert [(), (Failing(at(0)),), (), (), (Dead(at(0)),), (), (Dead(at(0)),)] == findings(heard)


def test_one_failure_after_a_long_silence_is_not_enough() -> None:
    """It may be the network's; its retry decides. Without any traffic nothing is decided at all."""
    heard = [Heard(0, UNWELL), Heard(HOUR_S, UNWELL), Heard(7 * DAY_S, UNWELL), Heard(7 * DAY_S + 5, UNWELL)]

    assert [(), (Dead(at(0)),)] == findings(heard)[2:]


def test_a_success_starts_the_five_days_anew() -> None:
    days = [Heard(day * DAY_S, UNWELL) for day in range(6)]

    assert {(), (Failing(at(0)),), (Recovered(at(0)),)} == set(findings([*days, Heard(5 * DAY_S + 1, OK)]))
    assert () == findings([*days, Heard(5 * DAY_S + 1, OK), Heard(6 * DAY_S, UNWELL), Heard(6 * DAY_S + 9, UNWELL)])[-1]


def test_whoever_changes_a_subscription_has_it_tried_for_five_days_more() -> None:
    """An edit, a pause, being resumed: somebody looks after it. That it is failing is not told anew."""
    edited = a_subscription(version=2, updated_at="2019-06-11T12:00:00.000Z")  # four days on
    days = [Heard(day * DAY_S, UNWELL) for day in range(4)]
    later = [Heard(day * DAY_S, UNWELL, called=edited) for day in range(4, 10)]

    assert [(), (Failing(at(0)),), *[()] * 7, (Dead(at(0)),)] == findings([*days, *later])


def test_what_is_never_disabled_is_never_dead() -> None:
    days = [Heard(day * DAY_S, UNWELL) for day in range(100)]

    assert {(), (Failing(at(0)),)} == set(findings(days, Health(disable_after_s=0)))


def test_what_was_disabled_begins_anew_once_it_is_resumed() -> None:
    health = Health()
    findings([Heard(day * DAY_S, UNWELL) for day in range(7)], health)

    health.forget(ME.id)

    assert len(health) == 0
    assert [(), ()] == findings([Heard(8 * DAY_S, UNWELL), Heard(8 * DAY_S + 1, OK)], health)


# what others have told


def taught(*words: Word, at_s: float = 0.0, not_before_s: float = float("-inf")) -> Health:
    """It has learned this; at noon unless told otherwise."""
    health = Health()
    for word in words:
        health.learn(word, now_ms=at(at_s), now_s=at_s, not_before_s=not_before_s)
    return health


def failing(*, days: float, **fields: object) -> Word:
    """Told so long before noon, of what had begun an hour before that."""
    return a_word(Kind.FAILING, at_ms=at(-days * DAY_S), **fields)  # type: ignore[arg-type]


OLD = a_subscription(created_at="2019-01-01T00:00:00.000Z", updated_at="2019-01-01T00:00:00.000Z")


def test_what_another_told_to_be_failing_is_dead_five_days_later() -> None:
    """As soon as two failures are seen here; since when is what the other told."""
    health = taught(failing(days=6))

    told = findings([Heard(0, UNWELL, called=OLD), Heard(5, UNWELL, called=OLD)], health)

    assert [(), (Dead(at(-6 * DAY_S - HOUR_S)),)] == told


def test_what_another_told_to_be_failing_recovers_with_a_success_here() -> None:
    assert [(Recovered(at(-2 * DAY_S - HOUR_S)),), ()] == findings(
        [Heard(0, OK, called=OLD), Heard(1, OK, called=OLD)], taught(failing(days=2))
    )


def test_of_several_that_told_the_earliest_counts() -> None:
    health = taught(failing(days=4), failing(days=6), failing(days=1))

    told = findings([Heard(0, UNWELL, called=OLD), Heard(5, UNWELL, called=OLD)], health)

    assert (Dead(at(-6 * DAY_S - HOUR_S)),) == told[-1]


@pytest.mark.parametrize("kind", [Kind.RECOVERED, Kind.DISABLED, Kind.RE_ENABLED])
def test_what_ends_what_was_told_ends_it_here(kind: Kind) -> None:
    """And nobody tells its recovery again."""
    health = taught(failing(days=6), a_word(kind))

    assert len(health) == 0
    assert {()} == set(findings([Heard(0, UNWELL, called=OLD), Heard(5, OK, called=OLD)], health))


def test_what_ended_before_this_trouble_began_does_not_end_it() -> None:
    """A notice may be read late."""
    health = taught(failing(days=6), a_word(Kind.RECOVERED, at_ms=at(-8 * DAY_S)))

    assert len(health) == 1


def test_a_recovery_elsewhere_starts_the_hour_anew_and_makes_it_two() -> None:
    """Where another's network sees what ours does not, the two are not to take turns every hour for ever."""
    health = Health()
    seen = [Heard(0, UNWELL), Heard(HOUR_S, UNWELL)]
    assert [(), (Failing(at(0)),)] == findings(seen, health)

    for now_s in (HOUR_S + 60, HOUR_S + 61):  # two of them saw it
        health.learn(a_word(Kind.RECOVERED, at_ms=at(now_s)), now_ms=at(now_s), now_s=now_s)

    later = [Heard(HOUR_S * hours, UNWELL) for hours in (2, 3, 4)]
    assert [(), (), (Failing(at(2 * HOUR_S)),)] == findings(later, health)
    assert (Recovered(at(2 * HOUR_S)),) == findings([Heard(5 * HOUR_S, OK)], health)[0]


def test_what_was_told_of_an_earlier_subscription_of_that_id_is_not_held_against_it() -> None:
    """Nor is its recovery told."""
    new = a_subscription(created_at="2019-06-05T12:00:00.000Z", updated_at="2019-06-05T12:00:00.000Z")

    for reply in (OK, UNWELL):
        told = findings([Heard(0, reply, called=new), Heard(5, reply, called=new)], taught(failing(days=6)))
        assert {()} == set(told)
    health = Health()
    findings([Heard(0, UNWELL, called=new)], health)
    health.learn(failing(days=6), now_ms=at(1), now_s=1.0)
    assert () == findings([Heard(2, OK, called=new)], health)[0]


def test_what_is_learned_late_is_counted_from_then() -> None:
    """Of its successes here before that nobody would have told."""
    health = taught(failing(days=6), at_s=600.0, not_before_s=600.0)

    days = [Heard(600 + day * DAY_S, UNWELL, called=OLD) for day in range(6)]

    assert [*[()] * 5, (Dead(at(-6 * DAY_S - HOUR_S)),)] == findings(days, health)


def test_a_wall_clock_that_is_set_kills_nothing() -> None:
    """A week ahead, after it was learned."""
    health = taught(failing(days=1))
    week_ms = 7 * DAY_S * 1000

    told = [
        health.hear(OLD, DeliveryId("dlv_1"), UNWELL, now_ms=at(second) + week_ms, now_s=second)
        for second in (0.0, 5.0)
    ]

    assert [(), ()] == told


def test_no_more_is_learned_than_may_be_remembered() -> None:
    health = Health(limit=2)
    for number in range(5):
        health.learn(failing(days=1, subscription_id=f"sub_{number}"), now_ms=NOON_MS, now_s=0.0)

    assert len(health) == 2


# a group of workers, each of which hears at once what another tells

steps = st.tuples(
    st.sampled_from([0, 5, 61, HOUR_S, DAY_S - 1, DAY_S, 2 * DAY_S]),
    st.integers(0, 2),
    st.sampled_from([UNWELL, UNWELL, UNWELL, UNWELL, SILENT, OK, None]),  # None: it is restarted
)


@given(st.lists(steps, max_size=60))
def test_a_group_is_of_one_mind(life: list[tuple[int, int, Reply | None]]) -> None:
    """
    Failing and recovered take turns whoever tells them; and dead is what was told to be failing five days ago and was
    well with nobody since, by its second failure within a day at whoever says so.
    """
    group, now_s = [Health() for _ in range(3)], 0
    log: list[Word] = []
    standing_s: int | None = None
    failed_s: dict[int, int] = {}
    dead_s: dict[int, int] = {}
    for gap_s, worker, reply in life:
        now_s += gap_s
        if reply is None:
            group[worker] = Health()
            for word in log:
                group[worker].learn(word, now_ms=at(now_s), now_s=now_s)
            failed_s.pop(worker, None)
            dead_s.pop(worker, None)
            continue

        told = group[worker].hear(OLD, DeliveryId("dlv_1"), reply, now_ms=at(now_s), now_s=now_s)

        long = standing_s is not None and now_s - standing_s >= 5 * DAY_S
        again = now_s - failed_s.get(worker, -DAY_S - 1) <= DAY_S and now_s - dead_s.get(worker, -60) >= 60
        assert (reply != OK and long and again) == any(isinstance(one, Dead) for one in told)
        assert (reply == OK and standing_s is not None) == any(isinstance(one, Recovered) for one in told)
        assert standing_s is None or not any(isinstance(one, Failing) for one in told)
        for one in told:
            if isinstance(one, Dead):
                dead_s[worker] = now_s
                continue
            kind = Kind.FAILING if isinstance(one, Failing) else Kind.RECOVERED
            log.append(a_word(kind, since_ms=one.since_ms, at_ms=at(now_s)))
            standing_s = now_s if kind is Kind.FAILING else None
            for other in group:
                if other is not group[worker]:
                    other.learn(log[-1], now_ms=at(now_s), now_s=now_s)
        if reply == OK:
            failed_s.pop(worker, None)
            if any(isinstance(one, Recovered) for one in told):
                failed_s.clear()
                dead_s.clear()
        else:
            failed_s[worker] = now_s


# whatever comes

subscriptions = st.builds(
    a_subscription, id=st.sampled_from(["a", "b"]).map(SubscriptionId), version=st.sampled_from([1, 1, 1, 2])
)
replies = st.sampled_from([GONE, GONE, GONE, OK, UNWELL, SILENT, *REFUSED])
gaps = st.sampled_from([0.0, 1.0, 29.5, 30.0, 60.0, 1799.0, 1800.0, 3600.0])
lives = st.lists(st.tuples(gaps, replies, st.sampled_from(["dlv_1", "dlv_2", "dlv_3", "dlv_4"]), subscriptions))


def lived(life: Sequence[tuple[float, Reply, str, Subscription]]) -> Iterator[Heard]:
    now_s = 0.0
    for gap_s, reply, delivery, called in life:
        now_s += gap_s
        yield Heard(now_s, reply, delivery, called)


def told_by(past: Sequence[tuple[Heard, tuple[Finding, ...]]], now: Heard) -> tuple[Finding, ...]:
    """The definitions word by word, over all that was ever heard of one endpoint, and told of it."""
    if now.reply in REFUSED:
        return ()
    answers = [(one, told) for one, told in past if one.reply not in REFUSED]
    since_ok = len(answers) - next(
        (back for back, (one, _) in enumerate(reversed(answers)) if one.reply == OK), len(answers)
    )
    bad = answers[since_ok:]
    failing = [one for _, told in bad for one in told if isinstance(one, Failing)]
    if now.reply == OK:
        return tuple(Recovered(one.since_ms) for one in failing)
    found: list[Finding] = []
    if now.reply == GONE:
        same = len(bad) - next(
            (back for back, (one, _) in enumerate(reversed(bad)) if one.called.version != now.called.version), len(bad)
        )
        counted = [(one, told) for one, told in [*bad[same:], (now, ())] if one.reply == GONE]
        last = max((one.at_s for one, told in counted if any(isinstance(it, Gone) for it in told)), default=0.0)
        enough = len({one.delivery for one, _ in counted}) >= 3
        if enough and now.at_s - max(counted[0][0].at_s, last) >= 60:
            found.append(Gone(at(counted[0][0].at_s)))
    first_s = bad[0][0].at_s if bad else now.at_s
    if bad and not failing and now.at_s - first_s >= 3600:
        found.append(Failing(at(first_s)))
    return tuple(found)


@given(lives)
def test_whatever_is_heard(life: list[tuple[float, Reply, str, Subscription]]) -> None:
    """It is told what the definitions say, of each endpoint by itself, and nothing else."""
    health = Health()
    past: dict[SubscriptionId, list[tuple[Heard, tuple[Finding, ...]]]] = {}
    for one in lived(life):
        mine = past.setdefault(one.called.id, [])
        (told,) = findings([one], health)
        assert told_by(mine, one) == told
        mine.append((one, told))


@given(lives)
def test_failing_and_recovered_take_turns(life: list[tuple[float, Reply, str, Subscription]]) -> None:
    """Each recovery follows the failing that it ends, with its `since`; so whoever reads them knows how it stands."""
    for mine in ("a", "b"):
        health = Health()
        heard = [one for one in lived(life) if one.called.id == mine]
        told = [one for each in findings(heard, health) for one in each if not isinstance(one, Gone)]

        kinds = [Failing, Recovered]
        assert [kinds[number % 2] for number in range(len(told))] == [type(one) for one in told]
        assert all(bad.since_ms == good.since_ms for bad, good in zip(told[::2], told[1::2], strict=False))


@given(st.lists(st.tuples(st.integers(0, 9), replies)), st.integers(1, 5))
def test_how_much_is_remembered(heard: list[tuple[int, Reply]], limit: int) -> None:
    """Never more than the limit, and never more than are in trouble."""
    health = Health(limit=limit)
    ill: set[int] = set()
    for number, reply in heard:
        findings([Heard(0, reply, called=a_subscription(id=SubscriptionId(f"sub_{number}")))], health)
        if reply == OK:
            ill.discard(number)
        elif reply not in REFUSED:
            ill.add(number)
        assert len(health) <= min(limit, len(ill))
