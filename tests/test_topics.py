import dataclasses
from collections.abc import Mapping

import pytest

from relay.config import Config
from relay.findings import Finding, Grade, examine, left_over
from relay.topics import Cluster, Topics, Wanted, most_partitions, plan, wanted, wanted_events

DAY_MS = 86_400_000
TOPICS = Topics("relay")
CONFIG = Config.read({"RELAY_RETRY_DELAYS": "5s,2m", "RELAY_HOLD_DELAYS": "5s,24h"})


def a_cluster(
    config: Config = CONFIG,
    *,
    partitions: Mapping[str, int] | None = None,
    without: str | None = None,
    brokers: int = 3,
    settings: Mapping[str, Mapping[str, str]] | None = None,
) -> Cluster:
    """
    One where all is as it should be, but for this.

    Args:
        config: Whose topics there are, and an events topic of 6 partitions.
        partitions: Of topics that have another number, or are there besides.
        without: The topic that is not there.
        brokers: How many.
        settings: Of topics that have others.
    """
    own = wanted(config, events_partitions=6, brokers=brokers)
    other = settings or {}
    there = {"leads.events": 6} | {one.name: one.partitions for one in own} | dict(partitions or {})
    return Cluster(
        partitions={name: count for name, count in there.items() if name != without},
        configs={one.name: dict(one.configs) | dict(other.get(one.name, {})) for one in own if one.name != without},
        brokers=brokers,
    )


def by_name(topics: tuple[Wanted, ...]) -> dict[str, Wanted]:
    return {one.name: one for one in topics}


def test_a_delivery_topic_is_called_by_its_delay_and_read_back_from_its_name() -> None:
    """As people write the delay; no delay is `.now`."""
    delays = [0, 5, 90, 120, 21_600, 86_400]

    names = [TOPICS.deliveries(delay_s) for delay_s in delays]

    assert [f"relay.deliveries.{spelled}" for spelled in ("now", "5s", "90s", "2m", "6h", "24h")] == names
    assert delays == [TOPICS.delay_of(name) for name in names]
    assert all(TOPICS.is_deliveries(name) for name in names)


def test_a_delivery_topic_of_another_spelling_is_one_too() -> None:
    """Somebody made it by hand, and records may wait in it."""
    assert TOPICS.is_deliveries("relay.deliveries.1d")
    assert 86_400 == TOPICS.delay_of("relay.deliveries.1d")


@pytest.mark.parametrize(
    "name",
    [
        "relay.results",
        "relay.deliveries",
        "relay.deliveries.",
        "relay.deliveries.soon",
        "relay.deliveries.5s.old",
        "relay.deliveries.-5s",
        "relay2.deliveries.5s",
        "staging.relay.deliveries.5s",
        "leads.events",
        "5s",
        "now",
    ],
)
def test_any_other_topic_is_no_delivery_topic(name: str) -> None:
    """Workers subscribe to whatever is one, so a stranger's topic must not pass for one."""
    assert not TOPICS.is_deliveries(name)
    with pytest.raises(ValueError, match=r".+"):
        TOPICS.delay_of(name)


def test_what_relay_makes_is_its_own_and_an_events_topic_is_not() -> None:
    """So that nobody reads relay's records as events."""
    made = [one.name for one in wanted(CONFIG, events_partitions=6, brokers=3)]

    assert all(map(TOPICS.is_own, [*made, "relay.deliveries.1h"]))
    assert not any(map(TOPICS.is_own, ["leads.events", "relay.events", "eu.relay.results", "results"]))


def test_the_prefix_names_all_but_the_events_topics() -> None:
    """Two installations on one cluster share nothing, not even the group."""
    config = Config.read({"RELAY_TOPIC_PREFIX": "eu.relay", "RELAY_EVENTS_TOPICS": "leads.eu"})
    topics = Topics("eu.relay")

    names = (*topics.of(config), *topics.console)

    assert all(name.startswith("eu.relay.") for name in (*names, topics.deliveries_group))
    assert set(names) == set(by_name(wanted(config, events_partitions=1, brokers=1)))


# DESIGN.md section 4, line by line: topic, partitions where the events topic has 6, cleanup, retention, timestamps.
TABLE = [
    ("relay.subscriptions", 1, "compact", None, None),
    ("relay.deliveries.now", 6, "delete", 7 * DAY_MS, "LogAppendTime"),
    ("relay.deliveries.5s", 6, "delete", 7 * DAY_MS + 5_000, "LogAppendTime"),
    ("relay.deliveries.2m", 6, "delete", 7 * DAY_MS + 120_000, "LogAppendTime"),
    ("relay.deliveries.24h", 6, "delete", 8 * DAY_MS, "LogAppendTime"),
    ("relay.results", 6, "delete", 30 * DAY_MS, None),
    ("relay.progress", 6, "delete", 30 * DAY_MS, None),
    ("relay.notices", 6, "delete", 30 * DAY_MS, None),
    ("relay.dead-letters", 6, "delete", 30 * DAY_MS, None),
    ("relay.tokens", 1, "compact", None, None),
    ("relay.audit", 1, "delete", 365 * DAY_MS, None),
    ("relay.runs", 1, "compact", None, None),
]
CONSOLE = {"relay.tokens", "relay.audit", "relay.runs"}


def test_the_topics_are_those_of_the_design() -> None:
    """Each distinct delay of retry and hold has one, and nothing that is not yet written has any."""
    rows = [
        (
            one.name,
            one.partitions,
            one.configs["cleanup.policy"],
            int(one.configs["retention.ms"]) if "retention.ms" in one.configs else None,
            one.configs.get("message.timestamp.type"),
        )
        for one in wanted(CONFIG, events_partitions=6, brokers=3)
    ]

    assert TABLE == rows


def test_every_topic_keeps_what_was_acknowledged_and_takes_the_largest_record() -> None:
    """No unclean election, no limit by size, and an event of the largest size with 64 KiB besides."""
    config = Config.read({"RELAY_MAX_EVENT_BYTES": "2MiB"})
    expected = {
        "unclean.leader.election.enable": "false",
        "retention.bytes": "-1",
        "max.message.bytes": str((2 << 20) + (64 << 10)),
    }

    made = wanted(config, events_partitions=6, brokers=3)

    assert all(expected.items() <= one.configs.items() for one in made)


@pytest.mark.parametrize(
    ("brokers", "replicas", "in_sync"), [(1, 1, "1"), (2, 2, "1"), (3, 3, "2"), (5, 3, "2")], ids=str
)
def test_three_brokers_hold_three_replicas_of_which_two_must_have_a_record(
    brokers: int, replicas: int, in_sync: str
) -> None:
    """With fewer, one a broker, and one suffices: else a broker that is down would stop everything."""
    made = (*wanted(CONFIG, events_partitions=6, brokers=brokers), *wanted_events(CONFIG, brokers=brokers))

    assert {(replicas, in_sync)} == {(one.replicas, one.configs["min.insync.replicas"]) for one in made}


def test_an_events_topic_is_made_without_a_word_on_how_long_it_keeps() -> None:
    """Retention of its events is the platform's decision."""
    config = Config.read({"RELAY_EVENTS_TOPICS": "leads.events,leads.more"})

    made = wanted_events(config, brokers=1)

    assert ["leads.events", "leads.more"] == [one.name for one in made]
    assert all("retention.ms" not in one.configs for one in made)


def test_there_is_nothing_to_say_where_all_is_as_it_should_be() -> None:
    """And nothing to make."""
    assert () == examine(CONFIG, a_cluster())
    assert () == plan(CONFIG, a_cluster(), with_events=True)


def test_what_the_broker_did_not_tell_is_not_held_against_it() -> None:
    """A setting that this broker does not know is none that is wrong."""
    cluster = dataclasses.replace(a_cluster(), configs={})

    assert () == examine(CONFIG, cluster)


@pytest.mark.parametrize("topic", ["leads.events", *(row[0] for row in TABLE)])
def test_a_missing_topic_is_told_with_the_command_that_makes_it(topic: str) -> None:
    """And nothing else is said. What the console alone needs stops no worker."""
    (finding,) = examine(CONFIG, a_cluster(without=topic))

    assert (topic, Grade.NOTE if topic in CONSOLE else Grade.MISSING) == (finding.topic, finding.grade)
    assert "relay topics apply" in finding.remedy


@pytest.mark.parametrize(
    ("topic", "setting", "actual", "grade"),
    [
        ("subscriptions", "cleanup.policy", "delete", Grade.WRONG),
        ("subscriptions", "cleanup.policy", "compact,delete", Grade.WRONG),
        ("subscriptions", "max.message.bytes", "1048588", Grade.WRONG),
        ("deliveries.5s", "cleanup.policy", "compact", Grade.WRONG),
        ("deliveries.5s", "message.timestamp.type", "CreateTime", Grade.WRONG),
        ("deliveries.5s", "retention.ms", str(DAY_MS), Grade.NOTE),
        ("deliveries.24h", "retention.ms", str(DAY_MS), Grade.WRONG),
        ("deliveries.24h", "retention.ms", str(DAY_MS + 1), Grade.NOTE),
        ("results", "cleanup.policy", "compact", Grade.WRONG),
        ("results", "max.message.bytes", "1048588", Grade.WRONG),
        ("results", "retention.ms", str(7 * DAY_MS), Grade.NOTE),
        ("results", "retention.bytes", "1073741824", Grade.NOTE),
        ("results", "min.insync.replicas", "1", Grade.NOTE),
        ("results", "unclean.leader.election.enable", "true", Grade.NOTE),
        ("tokens", "cleanup.policy", "delete", Grade.WRONG),
        ("audit", "cleanup.policy", "compact", Grade.WRONG),
        ("audit", "retention.ms", str(30 * DAY_MS), Grade.NOTE),
        ("runs", "cleanup.policy", "delete", Grade.WRONG),
    ],
)
def test_what_breaks_a_promise_is_wrong_and_what_only_costs_something_is_noted(
    topic: str, setting: str, actual: str, grade: Grade
) -> None:
    """A retention that ends before a retry is due loses every one; a shorter week than ours loses none by itself."""
    (finding,) = examine(CONFIG, a_cluster(settings={f"relay.{topic}": {setting: actual}}))

    assert (f"relay.{topic}", grade) == (finding.topic, finding.grade)
    assert f"{setting} is {actual}" in finding.what
    assert f"--topic relay.{topic} --add-config {setting}=" in finding.remedy


@pytest.mark.parametrize(
    ("topic", "setting", "actual"),
    [
        ("results", "retention.ms", str(31 * DAY_MS)),
        ("results", "retention.ms", "-1"),
        ("deliveries.24h", "retention.ms", "-1"),
        ("subscriptions", "retention.ms", str(DAY_MS)),
        ("results", "max.message.bytes", "8388608"),
        ("results", "min.insync.replicas", "3"),
        ("results", "message.timestamp.type", "LogAppendTime"),
    ],
)
def test_more_than_was_wanted_is_as_good(topic: str, setting: str, actual: str) -> None:
    """Retention of -1 is for ever, and that of a compacted topic means nothing."""
    assert () == examine(CONFIG, a_cluster(settings={f"relay.{topic}": {setting: actual}}))


@pytest.mark.parametrize("topic", ["relay.subscriptions", *sorted(CONSOLE)])
def test_a_topic_of_edits_with_several_partitions_is_wrong(topic: str) -> None:
    """Edits have one order only in one partition; its records are to be kept when it is made anew."""
    (finding,) = examine(CONFIG, a_cluster(partitions={topic: 4}))

    assert (topic, Grade.WRONG) == (finding.topic, finding.grade)
    assert "keep a copy" in finding.remedy


def test_any_other_topic_may_have_another_number_of_partitions_than_the_events_topic() -> None:
    """Also where the events topic has one: what is made of it goes to its partition modulo their number."""
    one = {"leads.events": 1, "relay.deliveries.5s": 4, "relay.results": 12}

    assert () == examine(CONFIG, a_cluster(partitions=one))


def test_the_delivery_topics_of_an_earlier_configuration_are_noted() -> None:
    """Workers read them until they are empty; a stranger's topics are none of our business."""
    there = {"relay.deliveries.30s": 6, "relay.deliveries.1d": 6, "relay.deliveries.soon": 6, "other.deliveries.30s": 6}
    cluster = a_cluster(partitions=there)

    findings = examine(CONFIG, cluster)

    assert ("relay.deliveries.1d", "relay.deliveries.30s") == left_over(TOPICS, CONFIG, cluster.partitions)
    assert [("relay.deliveries.1d", Grade.NOTE), ("relay.deliveries.30s", Grade.NOTE)] == [
        (one.topic, one.grade) for one in findings
    ]


def test_the_plan_is_what_is_missing_in_the_order_in_which_it_is_made() -> None:
    """As many partitions as the events topic; the events topic itself only when asked for."""
    empty = Cluster(partitions={}, configs={}, brokers=1)
    half = Cluster(partitions={"leads.events": 12, "relay.results": 3}, configs={}, brokers=1)

    assert [row[0] for row in TABLE] == [one.name for one in plan(CONFIG, empty, with_events=False)]
    assert ["leads.events", *(row[0] for row in TABLE)] == [one.name for one in plan(CONFIG, empty, with_events=True)]
    planned = by_name(plan(CONFIG, half, with_events=True))
    assert {row[0] for row in TABLE} - {"relay.results"} == set(planned)
    assert (1, 12) == (planned["relay.subscriptions"].partitions, planned["relay.deliveries.now"].partitions)


def test_of_several_events_topics_the_one_with_most_partitions_counts() -> None:
    """Those that are not there do not; nor does a topic that is not one of them."""
    config = Config.read({"RELAY_EVENTS_TOPICS": "leads.events,leads.more,leads.none"})

    assert 8 == most_partitions(config, {"leads.events": 2, "leads.more": 8, "other": 99})
    assert 4 == most_partitions(config, {})


def test_a_finding_is_a_line_that_says_where_what_and_what_to_do() -> None:
    """As `relay check` prints it."""
    assert "t: it is so; do this" == str(Finding("t", Grade.NOTE, "it is so", "do this"))
    assert "t: it is so" == str(Finding("t", Grade.NOTE, "it is so"))
