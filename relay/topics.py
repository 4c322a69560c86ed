"""What must exist on the broker (DESIGN.md section 4), as a table. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from relay.durations import parse, written

if TYPE_CHECKING:
    from relay.config import Config  # whose rules ask which topics are relay's own

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

    @property
    def worker(self) -> tuple[str, ...]:
        """What a worker needs, besides delivery topics and those of events."""
        return (self.subscriptions, self.results, self.progress, self.notices, self.dead_letters)

    def of(self, config: "Config") -> tuple[str, ...]:
        """All that a worker of this configuration needs, besides the events topics."""
        return (*self.worker, *(self.deliveries(delay_s) for delay_s in (0, *config.delays)))

    def is_own(self, topic: str) -> bool:
        """Whether relay writes it, in whatever configuration."""
        return topic in (*self.worker, *self.console) or topic.startswith(f"{self.prefix}.deliveries.")


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


def wanted(config: "Config", *, events_partitions: int, brokers: int) -> tuple[Wanted, ...]:
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

    def kept(name: str, delay_s: int = 0) -> dict[str, str]:
        kept_ms = (kept_s[topics.kind_of(name)] + delay_s) * 1000
        return common | {"cleanup.policy": "delete", "retention.ms": str(kept_ms)}

    def one(name: str, configs: Mapping[str, str], partitions: int = events_partitions) -> Wanted:
        return Wanted(name=name, partitions=partitions, replicas=replicas, configs=configs)

    return (
        one(topics.subscriptions, common | {"cleanup.policy": "compact"}, 1),
        *(
            one(
                topics.deliveries(delay_s),
                kept(topics.deliveries(delay_s), delay_s) | {"message.timestamp.type": "LogAppendTime"},
            )
            for delay_s in (0, *config.delays)
        ),
        one(topics.results, kept(topics.results)),
        one(topics.progress, kept(topics.progress)),
        one(topics.notices, kept(topics.notices)),
        one(topics.dead_letters, kept(topics.dead_letters)),
        one(topics.tokens, common | {"cleanup.policy": "compact"}, 1),
        one(topics.audit, kept(topics.audit), 1),
        one(topics.runs, common | {"cleanup.policy": "compact"}, 1),
    )


def wanted_events(config: "Config", *, brokers: int) -> tuple[Wanted, ...]:
    """Events topics are the platform's; made by relay only where somebody asks for it, with the broker's retention."""
    replicas = min(REPLICAS, brokers)
    configs = {"cleanup.policy": "delete", "min.insync.replicas": "2" if replicas >= REPLICAS else "1"}
    return tuple(
        Wanted(name=name, partitions=EVENTS_PARTITIONS, replicas=replicas, configs=configs)
        for name in config.events_topics
    )


def plan(config: "Config", cluster: Cluster, *, with_events: bool) -> tuple[Wanted, ...]:
    """What has to be made."""
    events = wanted_events(config, brokers=cluster.brokers) if with_events else ()
    made = {one.name: one.partitions for one in events} | dict(cluster.partitions)
    own = wanted(config, events_partitions=most_partitions(config, made), brokers=cluster.brokers)
    return tuple(one for one in (*events, *own) if one.name not in cluster.partitions)


def most_partitions(config: "Config", partitions: Mapping[str, int]) -> int:
    """Of the events topics that exist, the most that one has; what relay would make where there is none."""
    return max((partitions[name] for name in config.events_topics if name in partitions), default=EVENTS_PARTITIONS)
