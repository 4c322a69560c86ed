"""`relay deliveries redeliver`: deliveries that the history has, sent once more."""

from collections.abc import Mapping, Sequence
from typing import Annotated

from cyclopts import Parameter

from relay.cli.audit import record
from relay.cli.common import Common, run, who
from relay.cli.history import opened
from relay.config import Config
from relay.errors import Invalid, NotFound, Problem
from relay.model import Subscription, SubscriptionId
from relay.replay.service import Replays
from relay.replay.values import MOST_AT_ONCE
from relay.settings import shown
from relay.store.history.values import Delivery
from relay.store.subscriptions import Subscriptions

COMMON = Common()


def redeliver(*ids: Annotated[str, Parameter(name="ID")], common: Common = COMMON) -> int:
    """
    Send deliveries once more, each under its own id from its first attempt; exit status 1 when one cannot be sent.

    Args:
        ids: Their ids.
    """
    config = common.load("kafka_bootstrap_servers")
    if not 1 <= len(ids) <= MOST_AT_ONCE:
        raise Invalid(Problem("ID", f"name 1 to {MOST_AT_ONCE}: a replay sends more", str(len(ids))))
    answers = run(_redelivered(config, list(dict.fromkeys(ids))))
    rows = [{"id": ident, "sent": why is None, "why": why} for ident, why in answers.items()]
    common.show(rows, ("id", "sent", "why"), empty="")
    return 1 if any(answers.values()) else 0


async def _redelivered(config: Config, ids: Sequence[str]) -> Mapping[str, str | None]:
    by_subscription: dict[str, list[Delivery]] = {}
    async with opened(config) as history:
        for ident in ids:
            detail = await history.delivery(ident, account=None)
            if detail is None:
                raise NotFound(f"there is no delivery {shown(ident)}: the history may not have it yet, or no longer")
            by_subscription.setdefault(detail.delivery.subscription_id, []).append(detail.delivery)
    there = await Subscriptions(config).read()
    answers: dict[str, str | None] = {}
    async with Replays(config) as replays:
        for owner, deliveries in by_subscription.items():
            to = there.get(SubscriptionId(owner))
            if not isinstance(to, Subscription):
                answers |= {one.delivery_id: "its subscription was deleted, or cannot be read" for one in deliveries}
                continue
            run_id, told = await replays.redeliver(to, deliveries, by=who())
            answers |= told
            for ident, why in told.items():
                if why is None:
                    await record(config, "redelivered", to.account_id, ident, {"run_id": run_id})
    return answers
