"""`relay check`: of each thing wrong, what it is and what to do."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from relay import security
from relay.broker import Broker
from relay.cli.common import Common
from relay.cli.patience import ask
from relay.config import TABLE, Config
from relay.errors import Invalid, TopicProblem
from relay.findings import Grade, examine
from relay.model import Subscription, SubscriptionId
from relay.pipeline.tls import Contexts, Unusable
from relay.store.catalogue import opened
from relay.store.edits import Stored, Unreadable
from relay.store.keyring import CannotOpen, KeyRing
from relay.store.rewrap import uses
from relay.store.subscriptions import Subscriptions
from relay.topics import Cluster, Topics
from relay.urls import normalise

COMMON = Common()
COLUMNS = ("what", "state", "detail", "remedy")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    what: str
    state: str  # ok | note | wrong
    detail: str
    remedy: str = ""


def check(*, common: Common = COMMON) -> int:
    """Look at configuration, broker, topics, keys and subscriptions; exit status 1 when anything is wrong."""
    config = common.load("kafka_bootstrap_servers", "secret_keys")
    findings = [Finding("configuration", "ok", f"{len(TABLE)} settings read"), *ask(config, _asked(config))]
    rows = [{name: getattr(one, name) for name in COLUMNS} for one in findings]
    common.show(rows, COLUMNS, empty="")
    return 1 if any(one.state == "wrong" for one in findings) else 0


async def _asked(config: Config) -> list[Finding]:
    topics = Topics(config.topic_prefix)
    async with Broker(config) as broker:
        able = await broker.capabilities()
        cluster = await broker.cluster((*topics.of(config), *topics.console) if able.topic_configs else ())
    findings = [Finding("broker", "ok", f"{cluster.brokers} at {config.kafka_bootstrap_servers}")]
    if security.in_the_clear(config.kafka_security_protocol, config.kafka_sasl_mechanism):
        remedy = "RELAY_KAFKA_SECURITY_PROTOCOL=SASL_SSL, or SCRAM"
        findings.append(Finding("broker", "note", "whoever listens on the way can read how relay logs in", remedy))
    if able.topic_configs:
        findings += _topics(config, cluster)
    else:
        findings.append(Finding("topics", "note", "an embedded broker: it makes topics on first use"))
    if topics.subscriptions not in cluster.partitions:
        return findings  # the missing topic is among them
    try:
        there = await Subscriptions(config).read()
    except TopicProblem as error:  # made and deleted under our eyes; a broker that is gone is no finding
        return [*findings, Finding("subscriptions", "wrong", str(error))]
    wrong = list(_subscriptions(config, there))
    troubled = len({one.what for one in wrong})  # one may be in trouble twice
    keys = list(_keys(config, there))
    summary = Finding("subscriptions", "wrong" if wrong else "ok", f"{len(there)}, of which {troubled} in trouble")
    return [*findings, *keys, summary, *wrong]


def _topics(config: Config, cluster: Cluster) -> Iterator[Finding]:
    findings = examine(config, cluster)
    for one in findings:
        state = "note" if one.grade is Grade.NOTE else "wrong"
        yield Finding(f"topic {one.topic}", state, one.what, one.remedy)
    if all(one.grade is Grade.NOTE for one in findings):
        yield Finding("topics", "ok", "all are there")


def _keys(config: Config, there: Mapping[SubscriptionId, Stored]) -> Iterator[Finding]:
    """What each key of the ring seals, and each that is missing from it."""
    for use in uses(there, KeyRing(config.secret_keys)):
        what, sealed = f"key {use.key_id}", f"seals {use.values} values of {use.subscriptions} subscriptions"
        if use.state == "missing":
            remedy = "put it back into RELAY_SECRET_KEYS, or rotate their secrets and set their headers again"
            yield Finding(what, "wrong", f"{sealed}, and RELAY_SECRET_KEYS does not hold it", remedy)
        elif use.state == "older" and use.values:
            yield Finding(what, "note", f"{sealed}, and is not the newest", "`relay secrets rewrap` before it goes")
        else:
            yield Finding(what, "ok", sealed if use.values else "seals nothing")


def _subscriptions(config: Config, there: Mapping[SubscriptionId, Stored]) -> Iterator[Finding]:
    keys, contexts = KeyRing(config.secret_keys), Contexts(config.tls_dir)
    for subscription_id, one in sorted(there.items()):
        what = f"subscription {subscription_id}"
        if isinstance(one, Unreadable):
            deferred = "its deliveries are put off" if one.last else "nothing is matched for it"
            yield Finding(what, "wrong", f"cannot be read: {one.why}; {deferred}", "write it anew, or delete it")
            continue
        try:
            opened(one, keys)
        except CannotOpen as why:
            remedy = "put the key back into RELAY_SECRET_KEYS, or rotate its secret"
            yield Finding(what, "wrong", f"{why}; its deliveries are put off", remedy)
        try:
            contexts.of(one.account_id, one.tls)
        except Unusable as why:
            remedy = "put it where RELAY_TLS_DIR of the workers has it, or update its tls"
            yield Finding(what, "wrong", f"its tls cannot be used from here: {why}", remedy)
        yield from _url(what, one, config)


def _url(what: str, one: Subscription, config: Config) -> Iterator[Finding]:
    try:
        normalise(one.url, allow_http=config.allow_http)
    except Invalid as invalid:
        rule = "; ".join(problem.rule for problem in invalid.problems)
        yield Finding(what, "wrong", f"its URL may not be called: {rule}", "update its URL, or see RELAY_ALLOW_HTTP")
