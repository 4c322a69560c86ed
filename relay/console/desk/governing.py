"""How all of it fares, and who may do what, at the desk: lanes, the proof of completeness, erasing. Edge."""

from typing import Any

from relay.access.values import Action, Principal, Scope
from relay.completeness.reading import reconcile
from relay.completeness.values import Report
from relay.console.desk.means import Seat
from relay.errors import Conflict, Invalid, NotAllowed, Problem
from relay.pipeline.census import Asked, together
from relay.store.history.listing import LATEST_MS, holds
from relay.workers import ask_all, configured

OPERATORS = "worker", "process"  # what of a lane is nobody's but an operator's


class Governing(Seat):
    """Which scope each takes stands there; some are for those alone who may see every account."""

    async def lanes(self, who: Principal, *, subscription_id: str | None = None) -> dict[str, Any]:
        """
        How each subscription with work fares, worst first, as the workers say it; and what is wrong with those that say
        nothing.
        """
        who.require(Scope.READ)
        said = await ask_all(configured(self._means.config), Asked(subscription=subscription_id))
        page = together([one.page for one in said if one.page])
        rows = [
            {name: one for name, one in row.items() if who.account is None or name not in OPERATORS}
            for row in page.lanes
            if who.sees(row["account_id"])
        ]
        wrong = [str(error) for one in said for error in one.wrong]
        if who.account is not None:
            wrong = ["some workers do not answer: there may be more"] if wrong else []
        return {"items": rows, "total": page.total if who.account is None else len(rows), "trouble": wrong}

    async def reconcile(self, who: Principal, *, since_ms: int, until_ms: int | None = None) -> Report:
        """Whether every match of that time has its outcome: of all accounts, for an event is matched for all."""
        who.require(Scope.READ)
        _unbound(who)
        if not 0 <= since_ms <= LATEST_MS or (until_ms is not None and not since_ms < until_ms <= LATEST_MS):
            raise Invalid(Problem("until", "must come after since"))
        if self._means.reconciling.locked():
            raise Conflict("a reconciliation is under way: try again when it is done")
        async with self._means.reconciling:
            return await reconcile(self._means.config, since_ms=since_ms, until_ms=until_ms)

    async def erase(self, who: Principal, lead_id: str) -> int:
        """Everything of this lead is gone from the history; how many deliveries that were."""
        who.require(Scope.ADMIN)
        _unbound(who)
        if not lead_id or not holds(lead_id):
            raise Invalid(Problem("lead_id", "is no id of a lead"))
        gone = await self._means.history.erase(lead_id)
        await self._audit(who, Action.ERASED, None, lead_id, deliveries=gone)
        return gone


def _unbound(who: Principal) -> None:
    if who.account is not None:
        raise NotAllowed("this is of all accounts, and you are bound to one")
