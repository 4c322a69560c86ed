"""
What of the topics is not as it must be. Pure.

Some settings break a promise (a log that compacts retries away), some only cost something. The first are wrong, and
no worker starts on one that it needs; the second are told by `relay topics plan` and `relay check`.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from relay import retention
from relay.config import Config
from relay.topics import Cluster, Topics, Wanted, most_partitions, wanted


class Grade(StrEnum):
    """How much a finding matters."""

    MISSING = "missing"  # the topic is not there; no worker starts
    WRONG = "wrong"  # a promise could not be kept; no worker starts
    NOTE = "note"  # it works; somebody may want to know


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing about one topic, and what to do."""

    topic: str
    grade: Grade
    what: str
    remedy: str = ""

    def __str__(self) -> str:
        return f"{self.topic}: {self.what}" + (f"; {self.remedy}" if self.remedy else "")


# What each setting must be for the promises to hold, and why it matters.
_AT_LEAST = {
    "max.message.bytes": "a record of an event of RELAY_MAX_EVENT_BYTES would be refused",
    "retention.ms": "records would be removed before anybody read them",
    "min.insync.replicas": "an acknowledged record could be on one broker alone",
}
_EQUAL = {
    "cleanup.policy": "records would be removed that are still needed, or kept for ever",
    "message.timestamp.type": "due times would not rise along a partition",
    "unclean.leader.election.enable": "acknowledged records could be lost",
    "retention.bytes": "records could be removed before their time",
}
# Whatever a broker does with these, what was acknowledged stands for as long as was configured: told, not refused.
_NOTED = {"retention.ms", "min.insync.replicas", "unclean.leader.election.enable", "retention.bytes"}


def examine(config: Config, cluster: Cluster) -> tuple[Finding, ...]:
    """All that is to be said about the topics of this configuration; nothing where all is as it should be."""
    topics = Topics(config.topic_prefix)
    return (*_events(config, cluster), *_own(config, cluster), *_left_over(topics, config, cluster))


def _events(config: Config, cluster: Cluster) -> Iterator[Finding]:
    for name in config.events_topics:
        if name not in cluster.partitions:
            mend = "the platform makes it, or `relay topics apply --with-events`, or RELAY_EVENTS_TOPICS names another"
            yield Finding(name, Grade.MISSING, "the events topic does not exist", mend)


def _own(config: Config, cluster: Cluster) -> Iterator[Finding]:
    topics = Topics(config.topic_prefix)
    partitions = most_partitions(config, cluster.partitions)
    asked = dict(set(config.retention) - set(retention.DEFAULT))
    for one in wanted(config, events_partitions=partitions, brokers=cluster.brokers):
        if one.name not in cluster.partitions:
            grade, why = (Grade.NOTE, ": the console needs it") if one.name in topics.console else (Grade.MISSING, "")
            yield Finding(one.name, grade, f"the topic does not exist{why}", "`relay topics apply` makes it")
            continue
        if one.name in (topics.subscriptions, *topics.console) and cluster.partitions[one.name] != 1:
            yield Finding(
                one.name,
                Grade.WRONG,
                f"has {cluster.partitions[one.name]} partitions and must have 1: the order of edits is what they mean",
                "delete it (its records are the only ones: keep a copy), then `relay topics apply`",
            )
        delay_s = topics.delay_of(one.name) if topics.is_deliveries(one.name) else 0
        actual = cluster.configs.get(one.name, {})
        yield from _settings(one, actual, delay_ms=delay_s * 1000)
        yield from _kept_too_long(one, actual, topics.kind_of(one.name) in asked)


def _settings(one: Wanted, actual: Mapping[str, str], *, delay_ms: int) -> Iterator[Finding]:
    for setting, value in one.configs.items():
        if setting not in actual or _suits(setting, actual[setting], value):
            continue
        too_short = setting == "retention.ms" and int(actual[setting]) <= delay_ms  # removed before they are due
        grade = Grade.NOTE if setting in _NOTED and not too_short else Grade.WRONG
        why = _AT_LEAST.get(setting) or _EQUAL[setting]
        yield Finding(
            one.name,
            grade,
            f"{setting} is {actual[setting]}, not {value}: {why}",
            f"kafka-configs.sh --alter --topic {one.name} --add-config {setting}={value}",
        )


def _kept_too_long(one: Wanted, actual: Mapping[str, str], asked: bool) -> Iterator[Finding]:  # noqa: FBT001  one of two
    """Where somebody asked for a retention, longer is not as good: they have told others that it is gone by then."""
    wish, kept = one.configs.get("retention.ms", "-1"), actual.get("retention.ms", "-1")
    if asked and "retention.ms" in actual and (kept == "-1" or int(kept) > int(wish)):
        remedy = f"kafka-configs.sh --alter --topic {one.name} --add-config retention.ms={wish}"
        yield Finding(one.name, Grade.NOTE, f"retention.ms is {kept}, and RELAY_RETENTION asks for {wish}", remedy)


def _suits(setting: str, actual: str, value: str) -> bool:
    if setting in _AT_LEAST:
        return actual == "-1" or int(actual) >= int(value)  # -1: for ever
    return actual == value


def _left_over(topics: Topics, config: Config, cluster: Cluster) -> Iterator[Finding]:
    for name in left_over(topics, config, cluster.partitions):
        yield Finding(name, Grade.NOTE, "no delay names it any more; workers read it until it is empty")


def left_over(topics: Topics, config: Config, existing: Iterable[str]) -> tuple[str, ...]:
    """Delivery topics of an earlier configuration."""
    named = {topics.deliveries(delay_s) for delay_s in (0, *config.delays)}
    return tuple(sorted(name for name in existing if topics.is_deliveries(name) and name not in named))
