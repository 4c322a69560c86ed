"""`relay deliveries redeliver`: what the history knows is sent once more."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from cyclopts import Parameter

from relay.cli.audit import record
from relay.cli.common import Common, run, tell, who
from relay.cli.history import opened
from relay.cli.patience import ask
from relay.config import Config
from relay.errors import Invalid, NotFound, Problem
from relay.model import Subscription, SubscriptionId
from relay.replay.service import Replays
from relay.replay.values import MOST_AT_ONCE
from relay.store.entry import Action
from relay.store.history.values import Delivery
from relay.store.subscriptions import Subscriptions

COMMON = Common()
COLUMNS = ("id", "subscription_id", "run_id", "sent", "why")
UNKNOWN = "the history does not have it: it may be older, or not be in it yet"
Row = Mapping[str, Any]


def redeliver(*ids: Annotated[str, Parameter(name="ID")], common: Common = COMMON) -> int:
    """
    Send deliveries once more, each with its own id and the bytes of its event, from its first attempt.

    Exit status 0 when all are on their way, 1 when some are not, and why; 3 when the history has none of them.

    Args:
        ids: Of deliveries, as the history has them; at most 200. `relay replay` sends more.
    """
    config = common.load("kafka_bootstrap_servers")
    wanted = list(dict.fromkeys(ids))
    if not 1 <= len(wanted) <= MOST_AT_ONCE:
        raise Invalid(Problem("ID", f"takes 1 to {MOST_AT_ONCE}: `relay replay` sends more", str(len(wanted))))
    known = run(_known(config, wanted))
    if not known:
        raise NotFound(UNKNOWN.replace("it", "any of these", 1) if len(wanted) > 1 else UNKNOWN)
    rows = ask(config, _sent(config, list(known.values())), doubt=", and some may have been sent")
    rows += [_row(ident, why=UNKNOWN) for ident in wanted if ident not in known]
    common.show(rows, COLUMNS, empty="")
    unsent = sum(not row["sent"] for row in rows)
    if unsent:
        tell(f"{unsent} of {len(rows)} were not sent")
    return 1 if unsent else 0


async def _known(config: Config, ids: Sequence[str]) -> dict[str, Delivery]:
    known: dict[str, Delivery] = {}
    async with opened(config) as history:
        for ident in ids:
            detail = await history.delivery(ident, account=None)
            if detail is not None:
                known[ident] = detail.delivery
    return known


async def _sent(config: Config, deliveries: Sequence[Delivery]) -> list[Row]:
    """What became of each; those of one subscription are one run."""
    of: dict[str, list[Delivery]] = {}
    for one in deliveries:
        of.setdefault(one.subscription_id, []).append(one)
    subscriptions = await Subscriptions(config).read()
    rows: list[Row] = []
    async with Replays(config) as replays:
        for ident, some in of.items():
            to = subscriptions.get(SubscriptionId(ident))
            if not isinstance(to, Subscription):
                why = "its subscription was deleted" if to is None else "its subscription cannot be read: `relay check`"
                rows += [_row(one.delivery_id, ident, why=why) for one in some]
                continue
            run_id, answers = await replays.redeliver(to, some, by=who())
            rows += [_row(one, ident, run_id, why=why) for one, why in answers.items()]
            if sent := [one for one, why in answers.items() if why is None]:
                await record(config, Action.REDELIVERED, to.account_id, ident, {"run_id": run_id, "deliveries": sent})
    return rows


def _row(ident: str, subscription_id: str | None = None, run_id: str | None = None, *, why: str | None) -> Row:
    sent = why is None
    return {
        "id": ident,
        "subscription_id": subscription_id,
        "run_id": run_id if sent else None,
        "sent": sent,
        "why": why,
    }
