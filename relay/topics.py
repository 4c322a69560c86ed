"""
What must exist on the broker (DESIGN.md section 4), as a table, and what of it does not. Pure.

Some settings break a promise (a log that compacts retries away), some only cost something. The first are wrong, and
nothing starts on them; the second are told by `relay topics plan` and `relay check`.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from relay import retention
from relay.config import Config
from relay.durations import parse, written

REPLICAS = 3  # with two in sync: one broker may be down for work, and another may fail meanwhile
EVENTS_PARTITIONS = 4  # of an events topic that relay itself makes, for trying things out


@dataclass(frozen=True, slots=True)
class Topics:
    """The names of relay's own topics."""

    prefix: str  # RELAY_TOPIC_PREFIX

    @property
    def subscriptions(self) -> str:
        return f"{self.prefix}.subscriptions"

    @property
    def results(self) -> str:
        return f"{self.prefix}.results"

    @property
    def progress(self) -> str:
        return f"{self.prefix}.progress"

    @property
    def notices(self) -> str:
        return f"{self.prefix}.notices"

    @property
    def dead_letters(self) -> str:
        return f"{self.prefix}.dead-letters"

    @property
    def tokens(self) -> str:
        return f"{self.prefix}.tokens"

    @property
    def audit(self) -> str:
        return f"{self.prefix}.audit"

    @property
    def runs(self) -> str:
        return f"{self.prefix}.runs"

    @property
    def deliveries_group(self) -> str:
        return f"{self.prefix}.deliveries"

    def deliveries(self, delay_s: int) -> str:
        """The delivery topic of this delay; 0 is `.now`."""
        return f"{self.prefix}.deliveries." + (written(delay_s) if delay_s else "now")

    def is_deliveries(self, topic: str) -> bool:
        """Whether this is a delivery topic, of whatever configuration: its name ends in a delay that we can read."""
        try:
            self.delay_of(topic)
        except ValueError:
            return False
        return True

    def delay_of(self, topic: str) -> int:
        """
        Seconds from a record's timestamp until it is due.

        Raises:
            ValueError: It is no delivery topic.
        """
        name = topic.removeprefix(f"{self.prefix}.deliveries.")
        if name == topic:
            raise ValueError(f"{topic!r} is no delivery topic of {self.prefix}")
        return 0 if name == "now" else parse(name)

    def kind_of(self, topic: str) -> str:
        """As RELAY_RETENTION calls it: all delivery topics are of one kind."""
        return topic.removeprefix(f"{self.prefix}.").partition(".")[0]

    @property
    def console(self) -> tuple[str, ...]:
        """What the console needs, and a worker does without."""
        return (self.tokens, self.audit, self.runs)

    def of(self, config: Config) -> tuple[str, ...]:
        """All that a worker of this configuration needs, besides the events topics."""
        deliveries = [self.deliveries(delay_s) for delay_s in (0, *config.delays)]
        return (self.subscriptions, *deliveries, self.results, self.progress, self.notices, self.dead_letters)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """One topic as it ought to be."""

    name: str
    partitions: int
    replicas: int
    configs: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """What the broker told: all topics by name, and the settings of those that we asked for."""

    partitions: Mapping[str, int]  # topic -> how many
    configs: Mapping[str, Mapping[str, str]]  # topic -> its settings, the broker's defaults among them
    brokers: int


def wanted(config: Config, *, events_partitions: int, brokers: int) -> tuple[Wanted, ...]:
    """
    The topics, in the order in which they are made.

    Args:
        config: Names, delays, sizes and retention.
        events_partitions: Of the events topic that has most; delivery topics, results and dead letters have as many.
        brokers: Three or more: three replicas, of which two must have a record. Else one a broker, and one suffices.
    """
    topics = Topics(config.topic_prefix)
    replicas = min(REPLICAS, brokers)
    common = {
        "min.insync.replicas": "2" if replicas >= REPLICAS else "1",
        "unclean.leader.election.enable": "false",
        "retention.bytes": "-1",
        "max.message.bytes": str(config.max_message_bytes),
    }

    kept_s = dict(config.retention)

    def kept(kind: str, delay_s: int = 0) -> dict[str, str]:
        return common | {"cleanup.policy": "delete", "retention.ms": str((kept_s[kind] + delay_s) * 1000)}

    def one(name: str, configs: Mapping[str, str], partitions: int = events_partitions) -> Wanted:
        return Wanted(name=name, partitions=partitions, replicas=replicas, configs=configs)

    return (
        one(topics.subscriptions, common | {"cleanup.policy": "compact"}, 1),
        *(
            one(
                topics.deliveries(delay_s),
                kept("deliveries", delay_s) | {"message.timestamp.type": "LogAppendTime"},
            )
            for delay_s in (0, *config.delays)
        ),
        one(topics.results, kept("results")),
        one(topics.progress, kept("progress")),
        one(topics.notices, kept("notices")),
        one(topics.dead_letters, kept("dead-letters")),
        one(topics.tokens, common | {"cleanup.policy": "compact"}, 1),
        one(topics.audit, kept("audit"), 1),
        one(topics.runs, common | {"cleanup.policy": "compact"}, 1),
    )


def wanted_events(config: Config, *, brokers: int) -> tuple[Wanted, ...]:
    """Events topics are the platform's; made by relay only where somebody asks for it, with the broker's retention."""
    replicas = min(REPLICAS, brokers)
    configs = {"cleanup.policy": "delete", "min.insync.replicas": "2" if replicas >= REPLICAS else "1"}
    return tuple(
        Wanted(name=name, partitions=EVENTS_PARTITIONS, replicas=replicas, configs=configs)
        for name in config.events_topics
    )


class Grade(StrEnum):
    """How much a finding matters."""

    MISSING = "missing"  # the topic is not there; no worker starts
    WRONG = "wrong"  # a promise could not be kept; nothing starts
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


# What each setting must satisfy for the promises to hold: (setting, holds(actual, wanted), why it matters).
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


def plan(config: Config, cluster: Cluster, *, with_events: bool) -> tuple[Wanted, ...]:
    """What has to be made."""
    events = wanted_events(config, brokers=cluster.brokers) if with_events else ()
    made = {one.name: one.partitions for one in events} | dict(cluster.partitions)
    own = wanted(config, events_partitions=most_partitions(config, made), brokers=cluster.brokers)
    return tuple(one for one in (*events, *own) if one.name not in cluster.partitions)


def most_partitions(config: Config, partitions: Mapping[str, int]) -> int:
    """Of the events topics that exist, the most that one has; what relay would make where there is none."""
    return max((partitions[name] for name in config.events_topics if name in partitions), default=EVENTS_PARTITIONS)


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
