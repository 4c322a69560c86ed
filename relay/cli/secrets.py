"""`relay secrets rewrap`: everything sealed with the newest key, and what each key of the ring still seals."""

import dataclasses
from collections.abc import Mapping
from typing import Annotated

from cyclopts import App, Parameter

from relay.cli.common import Common, tell, who
from relay.cli.patience import DOUBT, ask
from relay.clock import SystemClock
from relay.model import SubscriptionId
from relay.store.edits import Stored, Unreadable
from relay.store.keyring import KeyRing
from relay.store.rewrap import Rewrap, uses
from relay.store.subscriptions import Subscriptions

app = App(name="secrets", help="What seals the secrets of subscriptions.")

COLUMNS = ("key_id", "state", "values", "subscriptions")
COMMON = Common()


@app.command
def rewrap(*, dry_run: Annotated[bool, Parameter(negative=())] = False, common: Common = COMMON) -> int:
    """
    Seal everything with the newest key of the ring, and say what each key seals: one at 0 may go.

    Exit status 1 while anything is left that is sealed under another key's id.

    Args:
        dry_run: Say what each key seals, write nothing.
    """
    config = common.load("kafka_bootstrap_servers", "secret_keys")
    keys, subscriptions = KeyRing(config.secret_keys), Subscriptions(config)
    edit = Rewrap(keys=keys, by=who(), now_ms=SystemClock().now_ms())
    if not dry_run:
        tell(f"sealed anew: {ask(config, _rewrapped(subscriptions, edit), doubt=DOUBT)} subscriptions")
    there = ask(config, subscriptions.read())
    rows = [dataclasses.asdict(use) for use in uses(there, keys)]
    common.show(rows, COLUMNS, empty="")
    return 1 if _told(there, rows) else 0


async def _rewrapped(subscriptions: Subscriptions, edit: Rewrap) -> int:
    """How many were, in as many transactions as it takes."""
    done = 0
    while changes := await subscriptions.edit(edit):
        done += len(changes)
    return done


def _told(there: Mapping[SubscriptionId, Stored], rows: list[dict[str, object]]) -> bool:
    """Whether anything is left, which people are told."""
    left = sum(row["state"] != "newest" and bool(row["values"]) for row in rows)
    unreadable = sum(isinstance(one, Unreadable) for one in there.values())
    if left:
        tell("keys that still seal something must stay; what they seal and the ring does not open, `relay check` lists")
    if unreadable:
        tell(f"{unreadable} subscriptions cannot be read, and may need any key: `relay check` lists them")
    return bool(left or unreadable)
