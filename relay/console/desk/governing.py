"""How all of it fares, and who may do what, at the desk: lanes, completeness, notices, audit, tokens, erasing. Edge."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from relay.access.audit import Page
from relay.access.values import Principal, Scope, Token
from relay.console.desk import whose
from relay.console.desk.means import Seat
from relay.console.reconciliations import Reconciliations
from relay.errors import Invalid, NotAllowed, Problem
from relay.instants import LATEST_MS
from relay.notices.board import KEPT
from relay.pipeline.census import Asked, together
from relay.store.entry import Action
from relay.store.history.listing import holds
from relay.workers import ask_all, configured

SILENT = "some workers do not answer: there may be more"


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """Notices, each as in schemas/notice.v1.json."""

    notices: Sequence[Mapping[str, Any]]  # newest first
    standing: Sequence[Mapping[str, Any]]  # of what is failing or disabled now


class Governing(Seat):
    """Which scope each takes stands there; some are for those alone who may see every account."""

    async def lanes(self, who: Principal, *, subscription_id: str | None = None) -> dict[str, Any]:
        """
        How each subscription with work fares, worst first, as the workers say it; and what is wrong with those that say
        nothing.
        """
        who.require(Scope.READ)
        try:
            addresses = configured(self._means.config)
        except Invalid as why:  # an operator's to mend, and no caller's fault
            return {"items": [], "total": 0, "trouble": [str(why) if who.account is None else SILENT]}
        said = await ask_all(addresses, Asked(subscription=subscription_id, account=who.account))
        page = together([one.page for one in said if one.page])
        rows = [whose.told(who, row) for row in page.lanes if who.sees(row["account_id"])]  # an older worker tells all
        wrong = [str(error) for one in said for error in one.wrong]
        if who.account is not None:
            wrong = [SILENT] if wrong else []
        return {"items": rows, "total": page.total if len(rows) == len(page.lanes) else len(rows), "trouble": wrong}

    def reconcile(self, who: Principal, *, since_ms: int, until_ms: int | None = None) -> Reconciliations:
        """
        Whether every match of that time has its outcome is found out from now on: of all accounts, for an event is
        matched for all.
        """
        who.require(Scope.READ)
        _unbound(who)
        if not 0 <= since_ms <= LATEST_MS or (until_ms is not None and not since_ms < until_ms <= LATEST_MS):
            raise Invalid(Problem("until", "must come after since"))
        self._means.reconciler.start(since_ms=since_ms, until_ms=until_ms, by=who.name)
        return self._means.reconciler.there

    def reconciliations(self, who: Principal) -> Reconciliations:
        """How far it is, and what came of the last; likewise."""
        who.require(Scope.READ)
        _unbound(who)
        return self._means.reconciler.there

    async def notices(self, who: Principal, *, limit: int = 100) -> Told:
        """What people must hear of, newest first; and what is failing or disabled now."""
        who.require(Scope.READ)
        if not 1 <= limit <= KEPT:
            raise Invalid(Problem("limit", f"takes 1 to {KEPT}", str(limit)))
        board = self._means.notices.get()
        notices, standing = board.page(account=who.account, limit=limit), board.standing(account=who.account)
        return Told(
            notices=[whose.told(who, one) for one in notices], standing=[whose.told(who, one) for one in standing]
        )

    async def audit(self, who: Principal, *, cursor: str | None = None, limit: int = 50) -> Page:
        """Who did what, newest first."""
        who.require(Scope.ADMIN)
        return await self._means.audit.page(cursor, limit, account=who.account)

    async def tokens(self, who: Principal) -> list[Token]:
        """Those that they may see, newest first, expired ones too."""
        who.require(Scope.ADMIN)
        return [one for one in self._means.access.get().tokens() if who.sees(one.account_id)]

    async def create_token(
        self, who: Principal, *, name: str, scope: str, account: str | None = None, expires_at: str | None = None
    ) -> tuple[Token, str]:
        """A new one, and what its holder shows: this once. Whoever is bound to an account makes it there."""
        who.require(Scope.ADMIN)
        access = self._means.access.get()
        bound = account if account is not None else who.account
        return await access.create(name=name, scope=scope, account=bound, expires_at=expires_at, by=who)

    async def revoke_token(self, who: Principal, token_id: str) -> None:
        """It counts no more, nor do the sessions that began with it."""
        who.require(Scope.ADMIN)
        await self._means.access.get().revoke(token_id, by=who)

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
