"""`relay deliveries …`: Delivery History at a terminal, and as a file."""

import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from cyclopts import App, Parameter

from relay import settings
from relay.cli.common import Common, Configured, json_line, plain, run, tell, write_json, write_table
from relay.cli.history import opened, tell_age
from relay.cli.redeliver import redeliver
from relay.cli.tail import tail
from relay.clock import SystemClock
from relay.config import Config
from relay.console import exports, views
from relay.errors import Invalid, NotFound, Problem
from relay.pipeline.results import rfc3339
from relay.store.history.values import Delivery, Page, Refused, Search, State

app = App(name="deliveries", help="Delivery History: what was sent, and what the receivers answered.")
app.command(redeliver)

COLUMNS = (
    *("created_at", "id", "subscription_id", "event_type", "lead_id", "state", "status", "reason", "attempt"),
    "next_attempt_at",
)
ATTEMPTS = ("started_at", "attempt", "verdict", "reason", "status", "elapsed_ms", "next_attempt_at", "attempt_id")
PAGE = 50
COMMON = Common()


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Which:
    """Which deliveries; all that is said holds together."""

    account: str | None = None
    """Of subscriptions of this account."""
    subscription: str | None = None
    """Of this subscription."""
    lead: str | None = None
    """Of this lead."""
    state: Literal["pending", "delivered", "gave_up", "dropped", "other"] | None = None
    """How they stand."""
    verdict: str | None = None
    """Of the newest attempt: delivered, retry, gave_up, deferred, dropped."""
    reason: str | None = None
    """Of the newest attempt: status, timeout, circuit_open, …"""
    status: int | None = None
    """What the receiver answered last: 503, or 5 for 500 to 599."""
    type: str | None = None
    """Of the event: lead.updated."""
    trigger: str | None = None
    """Why they were made: event, redelivery, replay, test."""
    since: str | None = None
    """First attempted then or later: 24h (ago), or a time as in 2026-01-31T08:00:00Z."""
    until: str | None = None
    """And before."""

    def search(self) -> Search:
        """
        As the history is asked.

        Raises:
            Invalid: A time is none.
        """
        problems: list[Problem] = []
        now_ms = SystemClock().now_ms()

        def time_ms(name: str, text: str | None) -> int | None:
            try:
                return None if text is None else settings.since(text, now_ms)
            except ValueError as rule:
                problems.append(Problem(name, str(rule), settings.shown(text or "")))
                return None

        since_ms, until_ms = time_ms("since", self.since), time_ms("until", self.until)
        if problems:
            raise Invalid(*problems)
        return Search(
            subscription_id=self.subscription,
            lead_id=self.lead,
            state=None if self.state is None else State[self.state.upper()],
            verdict=self.verdict,
            reason=self.reason,
            status=self.status,
            event_type=self.type,
            trigger=self.trigger,
            since_ms=since_ms,
            until_ms=until_ms,
        )


WHICH = Which()
CONFIGURED = Configured()
Listing = Annotated[Literal["table", "json", "csv", "ndjson"], Parameter(name=["--output", "-o"])]
Lines = Annotated[Literal["table", "json", "ndjson"], Parameter(name=["--output", "-o"])]


@app.command(name="list")
def list_(
    *,
    which: Which = WHICH,
    limit: int | None = None,
    cursor: str | None = None,
    output: Listing = "table",
    common: Configured = CONFIGURED,
) -> int:
    """
    List deliveries, newest first: a page as a table or a JSON array, or all of them as CSV or NDJSON.

    Args:
        which: Which.
        limit: At most so many; 50 of a page, which has 200 at most, and all of CSV and NDJSON where it is not given.
        cursor: What follows a page that said so.
        output: How the answer is written.
    """
    config, search = common.load(), which.search()
    if limit is not None and limit < 1:
        raise Invalid(Problem("limit", "must be 1 or more", str(limit)))
    if output in ("csv", "ndjson"):
        if cursor is not None:
            raise Invalid(Problem("cursor", f"is for pages; {output} has all of it, or the first --limit"))
        run(_export(config, search, which.account, limit, output))
        return 0
    page = run(_page(config, search, which.account, PAGE if limit is None else limit, cursor))
    rows = [views.delivery(one) for one in page.deliveries]
    if output == "json":
        write_json(rows)
    elif rows:
        write_table(rows, COLUMNS)
    else:
        tell("no deliveries of what you ask for")
    if page.cursor is not None:
        tell(_more(page, page.cursor, search))
    return 0


@app.command
def get(ident: Annotated[str, Parameter(name="ID")], /, *, common: Common = COMMON) -> int:
    """Show a delivery with every attempt that was made, as its records say."""
    config = common.load()
    detail = run(_detail(config, ident))
    if common.output == "json":
        write_json(detail)
        return 0
    attempts = detail.pop("attempts")
    common.show_one(detail)
    print()
    write_table([{name: one.get(name) for name in ATTEMPTS} for one in attempts], ATTEMPTS)
    return 0


@app.command(name="tail")
def tail_(
    *, which: Which = WHICH, limit: int | None = None, output: Lines = "table", common: Configured = CONFIGURED
) -> int:
    """
    Show attempts as they are made, until Ctrl-C: read from the results topic, without a console or a database.

    Args:
        which: Which; --state, --verdict, --reason and --status are each attempt's. --since begins in the past.
        limit: End after so many.
        output: A line an attempt, or its JSON as the topic has it, in a line.
    """
    config, search = common.load("kafka_bootstrap_servers"), which.search()
    if limit is not None and limit < 1:
        raise Invalid(Problem("limit", "must be 1 or more", str(limit)))
    run(tail(config, search, which.account, limit=limit, plain_json=output != "table"))
    return 0


def _more(page: Page, cursor: str, search: Search) -> str:
    """How to go on: with the times that this page was of, for `24h` is another one by then."""
    looked = views.time(page.searched_to_ms)
    how_far = "there are more" if looked is None else f"looked through back to {looked}, there may be more"
    times = {"since": search.since_ms, "until": search.until_ms}
    options = [f"--{name} {rfc3339(ms)}" for name, ms in times.items() if ms is not None]
    return f"{how_far}: the same with {' '.join([*options, '--cursor', cursor])}"


async def _page(config: Config, search: Search, account: str | None, limit: int, cursor: str | None) -> Page:
    async with opened(config) as history:
        page = await history.deliveries(search, account=account, cursor=cursor, limit=limit)
        if isinstance(page, Refused):
            raise Invalid(page.problem)
        await tell_age(history)
        return page


async def _export(config: Config, search: Search, account: str | None, limit: int | None, output: str) -> None:
    async with opened(config) as history:
        await tell_age(history)
        if output == "csv":
            sys.stdout.write(exports.CSV_HEAD)
        async for one in _first(limit, history.every(search, account=account)):
            sys.stdout.write(json_line(views.delivery(one)) if output == "ndjson" else _csv(one))
        sys.stdout.flush()


def _csv(one: Delivery) -> str:
    """A terminal obeys nothing of it; a file has it as it is."""
    line = exports.csv(one)
    return plain(line.removesuffix("\r\n")) + "\n" if sys.stdout.isatty() else line


async def _first(limit: int | None, all_: AsyncIterator[Delivery]) -> AsyncIterator[Delivery]:
    left = limit
    async for one in all_:
        yield one
        left = None if left is None else left - 1
        if left == 0:
            return


async def _detail(config: Config, ident: str) -> dict[str, Any]:
    async with opened(config) as history:
        detail = await history.delivery(ident, account=None)
        await tell_age(history)
    if detail is None:
        raise NotFound(f"there is no delivery {ident}: it may be older than the history, or not be in it yet")
    return views.detail(detail)
