"""`relay erase`: a lead leaves the history; what Kafka still holds of it, and for how long, is told."""

from typing import Any

from relay.broker import Broker
from relay.cli.audit import record
from relay.cli.common import Common, run, tell, write_json, write_table
from relay.cli.history import opened
from relay.cli.patience import ask
from relay.config import Config
from relay.store.entry import Action
from relay.topics import Cluster, Topics

COMMON = Common()
COLUMNS = ("topic", "holds", "kept_for")
DAY_MS, HOUR_MS = 86_400_000, 3_600_000
BODY = "the event itself"


def erase(*, lead: str, common: Common = COMMON) -> int:
    """
    Remove everything of a lead from the history, and say what Kafka still holds of it and for how long.

    A record of Kafka's cannot be removed before its topic's retention: a history that is read again from the results
    topic has the lead again for as long, and so has this one what is still delivered of it. Erase it again then.

    Args:
        lead: Its id, as events have it.
    """
    config = common.load("kafka_bootstrap_servers")
    erased = run(_erase(config, lead))
    tell(f"{erased} deliveries of {lead} are gone from the history" if erased else f"nothing of {lead} is in it")
    topics = held(config, ask(config, _told(config, lead, erased), doubt="; what Kafka still holds is not known"))
    if common.output == "json":
        write_json({"lead_id": lead, "deliveries": erased, "topics": topics})
        return 0
    tell("What Kafka holds of leads goes when its time is over, and a segment of its log at the latest after that:")
    write_table(topics, COLUMNS)
    return 0


def held(config: Config, cluster: Cluster) -> list[dict[str, Any]]:
    """Of each topic that there is and that holds something of leads: what, and how long by its own settings."""
    topics = Topics(config.topic_prefix)
    of = dict.fromkeys(config.events_topics, BODY)
    of |= {name: BODY for name in sorted(cluster.partitions) if topics.is_deliveries(name)}
    of |= {topics.dead_letters: BODY, topics.results: "ids, and what receivers answered"}
    return [
        {"topic": name, "holds": holds, "kept_for": kept(cluster.configs.get(name, {}).get("retention.ms"))}
        for name, holds in of.items()
        if name in cluster.partitions
    ]


def kept(retention_ms: str | None) -> str | None:
    """
    In words; None: the broker does not tell.

    >>> kept("2592000000"), kept("5400000"), kept("-1")
    ('30 d', '1.5 h', 'for ever')
    """
    if retention_ms is None:
        return None
    ms = int(retention_ms)
    if ms < 0:
        return "for ever"
    return f"{ms / DAY_MS:g} d" if ms >= DAY_MS else f"{ms / HOUR_MS:g} h"


async def _erase(config: Config, lead: str) -> int:
    async with opened(config) as history:
        return await history.erase(lead)


async def _told(config: Config, lead: str, erased: int) -> Cluster:
    """The audit has it; what there is."""
    if erased:
        await record(config, Action.ERASED, None, lead, {"deliveries": erased})
    topics = Topics(config.topic_prefix)
    async with Broker(config) as broker:
        there = await broker.topics()
        deliveries = [name for name in there if topics.is_deliveries(name)]
        able = await broker.capabilities()
        asked = (*config.events_topics, *deliveries, topics.dead_letters, topics.results)
        return await broker.cluster(asked if able.topic_configs else ())
