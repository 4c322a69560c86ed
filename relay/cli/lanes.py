"""`relay lanes`: how each subscription with work fares, worst first, as the workers themselves say it."""

from collections.abc import Sequence
from typing import Annotated, Literal

from cyclopts import Parameter

from relay import settings
from relay.cli.common import Common, run, tell
from relay.config import Config
from relay.errors import Invalid, Problem
from relay.pipeline.census import Asked, together
from relay.workers import Address, ask_all, askable, configured

COMMON = Common()
COLUMNS = ("subscription_id", "account_id", "state", "limit", "in_flight", "queued", "deferred", "retry_at", "why")

State = Literal["open", "probing", "limited", "healthy"]


def lanes(
    *,
    at: Annotated[tuple[str, ...], Parameter(negative=())] = (),
    subscription: str | None = None,
    state: State | None = None,
    common: Common = COMMON,
) -> int:
    """
    List the lanes of subscriptions that had work lately, worst first; exit status 5 when a worker does not answer.

    Args:
        at: host:port of a worker's metrics; may be given more than once. Where none is given RELAY_WORKER_ADDRESSES,
            or else RELAY_METRICS_ADDRESS.
        subscription: Only this one's.
        state: Only those that are open (circuit open: nothing is sent), probing (one attempt decides), limited
            (something waits, and a bound keeps it) or healthy.
    """
    config = common.load()
    asked = Asked(subscription=subscription, state=state)
    said = run(ask_all(_addresses(at, config), asked))
    if pages := [one.page for one in said if one.page]:
        page = together(pages)
        columns = (*COLUMNS, "worker") if len(page.workers) > 1 else COLUMNS
        common.show(page.lanes, columns, empty="no lanes: nothing came lately for what you ask for")
        if page.total > len(page.lanes):
            tell(f"{len(page.lanes)} of {page.total} lanes, the worst; --subscription or --state shows others")
    wrong = [error for one in said for error in one.wrong]
    for error in wrong:
        tell(f"relay: {error}")
    return max((error.exit_code for error in wrong), default=0)


def _addresses(at: Sequence[str], config: Config) -> list[Address]:
    """
    Raises:
        Invalid: One cannot be asked.
    """
    if not at:
        return configured(config)
    problems: list[Problem] = []
    addresses: list[Address] = []
    for written in at:
        try:
            addresses.append(askable("at", settings.address(written)))
        except Invalid as invalid:
            problems += invalid.problems
        except ValueError as rule:
            problems.append(Problem("at", str(rule), settings.shown(written)))
    if problems:
        raise Invalid(*problems)
    return addresses
