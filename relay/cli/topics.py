"""`relay topics plan|apply`: what must exist on the broker."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from cyclopts import App, Parameter

from relay.broker import Broker
from relay.cli.common import Common, tell
from relay.cli.patience import ask
from relay.config import Config
from relay.errors import TopicProblem
from relay.findings import Finding, Grade, examine, left_over
from relay.topics import REPLICAS, Cluster, Topics, Wanted, plan

app = App(name="topics", help="What must exist on the broker.")

COMMON = Common()
COLUMNS = ("topic", "action", "partitions", "replicas", "settings", "note")
WithEvents = Annotated[bool, Parameter(negative=())]


@dataclass(frozen=True, slots=True)
class Surveyed:
    """What there is and what there ought to be."""

    cluster: Cluster
    missing: Sequence[Wanted]
    findings: Sequence[Finding]
    backlog: Mapping[str, int]  # of delivery topics that no delay names any more


@app.command(name="plan")
def plan_(*, with_events: WithEvents = False, common: Common = COMMON) -> int:
    """
    Show what `apply` would make, and what is not as it should be.

    Args:
        with_events: The events topics too: they are the platform's, unless you are trying things out.
    """
    config = common.load("kafka_bootstrap_servers")
    _show(ask(config, _survey(config, with_events=with_events)), common, done=False)
    return 0


@app.command
def apply(*, with_events: WithEvents = False, common: Common = COMMON) -> int:
    """
    Make what is missing. What exists is never changed: the plan says what to do about it.

    Args:
        with_events: The events topics too: they are the platform's, unless you are trying things out.
    """
    config = common.load("kafka_bootstrap_servers")
    surveyed = ask(config, _apply(config, with_events=with_events), doubt=", and topics may have been made")
    _show(surveyed, common, done=True)
    return 1 if any(one.grade is Grade.WRONG for one in surveyed.findings) else 0


async def _survey(config: Config, *, with_events: bool) -> Surveyed:
    async with Broker(config) as broker:
        return await _look(broker, config, with_events=with_events)


async def _apply(config: Config, *, with_events: bool) -> Surveyed:
    async with Broker(config) as broker:
        surveyed = await _look(broker, config, with_events=with_events)
        await broker.create(surveyed.missing)
    return surveyed


async def _look(broker: Broker, config: Config, *, with_events: bool) -> Surveyed:
    if not (await broker.capabilities()).topic_configs:
        raise TopicProblem("this broker makes topics when they are first used, and can be told nothing about them")
    topics = Topics(config.topic_prefix)
    cluster = await broker.cluster((*topics.of(config), *topics.console))
    old = left_over(topics, config, cluster.partitions)
    return Surveyed(
        cluster=cluster,
        missing=plan(config, cluster, with_events=with_events),
        findings=examine(config, cluster),
        backlog=await broker.backlog(topics.deliveries_group, old),
    )


def _show(surveyed: Surveyed, common: Common, *, done: bool) -> None:
    rows = [_missing(one, done=done) for one in surveyed.missing]
    made = {one.name for one in surveyed.missing}
    rows += [_found(one, surveyed) for one in surveyed.findings if one.topic not in made]
    common.show(rows, COLUMNS, empty="every topic is there, and as it should be")
    if surveyed.missing and surveyed.cluster.brokers < REPLICAS:
        tell(
            f"the cluster has {surveyed.cluster.brokers} of the {REPLICAS} brokers that it takes to lose one: "
            "what is acknowledged is on fewer"
        )


def _missing(one: Wanted, *, done: bool) -> dict[str, Any]:
    settings = [f"{name}={value}" for name, value in sorted(one.configs.items())]
    return {
        "topic": one.name,
        "action": "created" if done else "create",
        "partitions": one.partitions,
        "replicas": one.replicas,
        "settings": settings,
        "note": None,
    }


def _found(one: Finding, surveyed: Surveyed) -> dict[str, Any]:
    behind = surveyed.backlog.get(one.topic)
    note = str(one).removeprefix(f"{one.topic}: ") + ("" if behind is None else f"; {behind} records to go")
    return {
        "topic": one.topic,
        "action": one.grade.value,
        "partitions": surveyed.cluster.partitions.get(one.topic),
        "replicas": None,
        "settings": None,
        "note": note,
    }
