"""How long topics keep what they hold."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay import retention
from relay.config import Config
from relay.findings import Grade, examine
from relay.topics import Cluster, wanted

DAY_S = retention.DAY_S


def kept_ms(config: Config) -> dict[str, int]:
    """By topic, what `relay topics plan` would have Kafka keep."""
    made = wanted(config, events_partitions=1, brokers=1)
    return {one.name: int(one.configs["retention.ms"]) for one in made if "retention.ms" in one.configs}


def a_cluster(config: Config, **settings: str) -> Cluster:
    """With all that this configuration wants, and these settings in place of the results topic's."""
    made = wanted(config, events_partitions=4, brokers=1)
    configs = {one.name: dict(one.configs) for one in made}
    configs["relay.results"] |= {key.replace("_", "."): value for key, value in settings.items()}
    partitions = {one.name: one.partitions for one in made} | {"leads.events": 4}
    return Cluster(partitions=partitions, configs=configs, brokers=1)


def test_what_is_said_of_one_kind_holds_for_its_topics_and_no_others() -> None:
    """Delivery topics keep theirs beyond the delay."""
    config = Config.read(
        {"RELAY_RETENTION": "dead-letters=72h,results=7d,deliveries=2d", "RELAY_RETRY_DELAYS": "5s,24h"}
    )
    before, after = kept_ms(Config()), kept_ms(config)

    assert (7 * DAY_S * 1000, 3 * DAY_S * 1000) == (after["relay.results"], after["relay.dead-letters"])
    assert 2 * DAY_S * 1000 == after["relay.deliveries.now"]
    assert (2 * DAY_S + 5) * 1000 == after["relay.deliveries.5s"]
    assert 3 * DAY_S * 1000 == after["relay.deliveries.24h"]
    for name in ("relay.progress", "relay.notices"):
        assert before[name] == after[name] == 30 * DAY_S * 1000


@pytest.mark.parametrize(("asked", "told"), [("", []), ("results=7d", [("relay.results", Grade.NOTE)])])
def test_a_topic_that_keeps_longer_than_was_asked_for_is_told(asked: str, told: list[tuple[str, Grade]]) -> None:
    """Whoever asked has promised somebody that it is gone by then; by default longer is as good."""
    config = Config.read({"RELAY_RETENTION": asked})

    found = examine(config, a_cluster(config, retention_ms=str(90 * DAY_S * 1000)))

    assert told == [(one.topic, one.grade) for one in found]


@pytest.mark.parametrize(
    "wrong",
    [
        *("results", "results=", "results=7", "results=59m", "results=3651d", "results=-1", "results=7d,"),
        *("events=7d", "subscriptions=7d", "results=7d,results=8d", "Results=7d", "results:7d", "=7d"),
    ],
)
def test_what_is_no_retention_is_refused(wrong: str) -> None:
    """Less than an hour would lose what nobody has read."""
    with pytest.raises(ValueError, match="must be `kind=duration` between commas, of deliveries, results"):
        retention.read(wrong)


@given(st.dictionaries(st.sampled_from([*dict(retention.DEFAULT)]), st.integers(1, 3650), min_size=1))
def test_what_was_said_is_read(days: dict[str, int]) -> None:
    """Whatever the order; the rest is as by default."""
    read = retention.read(",".join(f"{kind}={number}d" for kind, number in days.items()))

    assert dict(retention.DEFAULT) | {kind: number * DAY_S for kind, number in days.items()} == dict(read)
