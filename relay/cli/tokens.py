"""`relay tokens …`: who is let in to the console and its API. The first token may be lost; this makes another."""

from typing import Annotated

from cyclopts import App, Parameter

from relay import settings
from relay.access.codec import shown
from relay.access.store import Access
from relay.access.values import Principal, Scope
from relay.cli.common import Common, tell, who
from relay.cli.patience import ask
from relay.clock import SystemClock
from relay.errors import Invalid, Problem
from relay.pipeline.results import rfc3339

app = App(name="tokens", help="Who is let in to the console and its API.")

COMMON = Common()
COLUMNS = ("id", "name", "prefix", "scope", "account_id", "expires_at", "created_at", "created_by")
DOUBT = ", and the tokens may have been changed"
LIFETIME = settings.within(settings.duration, "1m", "3650d", "leave it out for a token that does not expire")


@app.command
def create(
    *,
    name: str,
    scope: str = Scope.READ.value,
    account: str | None = None,
    expires_in: str | None = None,
    common: Common = COMMON,
) -> int:
    """
    Make a token, and show it: this once, for it is stored nowhere.

    Args:
        name: What people call it.
        scope: read, write or admin; each includes those before it.
        account: The only account whose subscriptions and deliveries it sees; without one, all.
        expires_in: How long it counts, as in 90d; without one, until it is revoked.
    """
    config = common.load("kafka_bootstrap_servers")
    expires_at = None
    if expires_in is not None:
        try:
            expires_at = rfc3339(SystemClock().now_ms() + LIFETIME(expires_in) * 1000)
        except ValueError as rule:
            raise Invalid(Problem("expires-in", str(rule), settings.shown(expires_in))) from None
    made = Access(config).create(name=name, scope=scope, account=account, expires_at=expires_at, by=_root())
    token, secret = ask(config, made, doubt=DOUBT)
    common.show_one({**shown(token), "token": secret})
    return 0


@app.command(name="list")
def list_(*, common: Common = COMMON) -> int:
    """All of them, newest first; expired ones too."""
    config = common.load("kafka_bootstrap_servers")
    there = ask(config, Access(config).read())
    common.show([shown(one) for one in there], COLUMNS, empty="no tokens: `relay tokens create` makes one")
    return 0


@app.command
def revoke(id_: Annotated[str, Parameter(name="ID")], /, *, common: Common = COMMON) -> int:
    """It lets nobody in any more, nor do the sessions that began with it."""
    config = common.load("kafka_bootstrap_servers")
    ask(config, Access(config).revoke(id_, by=_root()), doubt=DOUBT)
    tell(f"revoked {id_}")
    return 0


def _root() -> Principal:
    """Whoever can run commands against the broker may do everything."""
    return Principal(name=who(), scope=Scope.ADMIN)
