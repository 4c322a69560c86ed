"""`relay replay …`: what a subscription missed, sent to it from the log."""

import asyncio
import os
import re
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, nullcontext
from typing import Annotated, Any

from cyclopts import App, Parameter
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from relay import log, settings
from relay.cli.audit import record
from relay.cli.common import Common, plain, run, tell, who
from relay.cli.history import opened
from relay.cli.patience import ask
from relay.clock import SystemClock
from relay.config import Config
from relay.errors import Invalid, NotFound, Problem
from relay.model import Subscription, SubscriptionId
from relay.replay.runs import shown
from relay.replay.service import Replays
from relay.replay.values import Lost, Place, Preview, Run, RunState, Wish
from relay.store.edits import found
from relay.store.entry import Action
from relay.store.subscriptions import Subscriptions

app = App(name="replay", help="Events of the log, sent again to one subscription.")

COMMON = Common()
COLUMNS = ("id", "created_at", "subscription_id", "kind", "state", "sent", "why")
COUNT_S = 100.0  # for a dry run; what is not counted by then is estimated
LOOK_S = 0.2  # between two looks at how far it is
INTERRUPTED = 130
_FROM = re.compile(r"(?:(?P<topic>[A-Za-z0-9._-]{1,249})/)?(?P<partition>[0-9]{1,9}):(?P<offset>[0-9]{1,18})")
FROM = "must be PARTITION:OFFSET or TOPIC/PARTITION:OFFSET, as in 0:1042"
Id = Annotated[str, Parameter(name="RUN")]


@app.default
def replay(
    *,
    subscription: str,
    since: str | None = None,
    from_offset: Annotated[tuple[str, ...], Parameter(negative=())] = (),
    undelivered: Annotated[bool, Parameter(negative=())] = False,
    dry_run: Annotated[bool, Parameter(negative=())] = False,
    common: Common = COMMON,
) -> int:
    """
    Send a subscription what the log holds for it, under the ids that it had, slower than live traffic.

    It ends where the log ends now. Ctrl-C leaves it: a running console goes on with it, or `relay replay resume RUN`.

    Args:
        subscription: Its id. What does not match it as it is now is not sent.
        since: From then: 24h (ago), or a time as in 2026-01-31T08:00:00Z.
        from_offset: From there: PARTITION:OFFSET, or TOPIC/PARTITION:OFFSET; may be given more than once, and
            partitions that are not named are left out.
        undelivered: Only what was not delivered yet, by the history.
        dry_run: Say how much it would be, and send nothing.
    """
    config = common.load("kafka_bootstrap_servers")
    wish = _wish(config, since, from_offset, undelivered)
    to = found(ask(config, Subscriptions(config).read()), SubscriptionId(subscription))
    if dry_run:
        preview = ask(config, _previewed(config, to, wish))
        common.show_one(_foreseen(preview))
        _tell_lost(preview.lost)
        if preview.note:
            tell(preview.note)
        return 0
    return _end(run(_replayed(config, to, wish)), common)


@app.command(name="list")
def list_(*, account: str | None = None, common: Common = COMMON) -> int:
    """
    Runs of the last 30 days, newest first: replays, redeliveries, requeued dead letters.

    Args:
        account: Only this account's.
    """
    config = common.load("kafka_bootstrap_servers")
    rows = [shown(one) for one in ask(config, _runs(config, account))]
    common.show(rows, COLUMNS, empty="no runs: `relay replay --subscription ID --since 24h` starts one")
    return 0


@app.command
def get(run_id: Id, /, *, common: Common = COMMON) -> int:
    """One of them."""
    config = common.load("kafka_bootstrap_servers")
    common.show_one(shown(_found(ask(config, _runs(config, None)), run_id)))
    return 0


@app.command
def cancel(run_id: Id, /, *, common: Common = COMMON) -> int:
    """End a replay, whoever carries it on; what is on its way already still arrives."""
    config = common.load("kafka_bootstrap_servers")
    common.show_one(shown(ask(config, _cancelled(config, run_id))))
    return 0


@app.command
def resume(run_id: Id, /, *, common: Common = COMMON) -> int:
    """Go on with a replay here, or watch it where another process does."""
    config = common.load("kafka_bootstrap_servers")
    return _end(run(_resumed(config, run_id)), common)


def _wish(config: Config, since: str | None, from_offset: tuple[str, ...], undelivered: bool) -> Wish:  # noqa: FBT001  an option
    problems, offsets, since_ms = [], dict[Place, int](), None
    if since is not None:
        try:
            since_ms = settings.since(since, SystemClock().now_ms())
        except ValueError as rule:
            problems.append(Problem("since", str(rule), settings.shown(since)))
    for text in from_offset:
        read = _FROM.fullmatch(text)
        if read is None:
            problems.append(Problem("from-offset", FROM, settings.shown(text)))
        else:
            offsets[read["topic"] or config.events_topics[0], int(read["partition"])] = int(read["offset"])
    if (since is None) == (not from_offset):
        problems.append(Problem("since", "give either --since or --from-offset"))
    if problems:
        raise Invalid(*problems)
    return Wish(since_ms=since_ms, from_offsets=offsets or None, undelivered=undelivered)


@asynccontextmanager
async def _open(config: Config, *, undelivered: bool) -> AsyncIterator[Replays]:
    """With the history where it is asked."""
    async with AsyncExitStack() as stack:
        history = await stack.enter_async_context(opened(config)) if undelivered else None
        replays = Replays(config, history=history, worker=f"cli-{os.urandom(8).hex()}")
        yield await stack.enter_async_context(replays)


async def _previewed(config: Config, to: Subscription, wish: Wish) -> Preview:
    async with _open(config, undelivered=wish.undelivered) as replays:
        return await replays.preview(to, wish, seconds=COUNT_S)


async def _runs(config: Config, account: str | None) -> list[Run]:
    async with _open(config, undelivered=False) as replays:
        return replays.runs(account=account)


async def _cancelled(config: Config, run_id: str) -> Run:
    async with _open(config, undelivered=False) as replays:
        cancelled = await replays.cancel(run_id, by=who())
    await record(config, Action.REPLAY_CANCELLED, cancelled.account_id, run_id, {"sent": cancelled.sent})
    return cancelled


async def _replayed(config: Config, to: Subscription, wish: Wish) -> Run:
    async with _open(config, undelivered=wish.undelivered) as replays:
        started = await replays.start(to, wish, by=who(), mine=True)
        details = {"subscription_id": to.id, "since_ms": wish.since_ms, "undelivered": wish.undelivered}
        await record(config, Action.REPLAY_STARTED, to.account_id, started.id, details)
        _tell_lost(started.lost)
        return await _carried(config, replays, started)


async def _resumed(config: Config, run_id: str) -> Run:
    async with _open(config, undelivered=False) as replays:
        there = _found(replays.runs(account=None), run_id)
        if not there.undelivered:
            return await _carried(config, replays, there)
    async with _open(config, undelivered=True) as replays:
        return await _carried(config, replays, there)


async def _carried(config: Config, replays: Replays, started: Run) -> Run:
    """As it is when it is over, or when somebody pressed Ctrl-C."""
    log.configure(format_=config.log_format, level="warning")  # the bar tells what is usual
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, stop.set)
    now, waits = started, None
    async with asyncio.TaskGroup() as group:
        working = group.create_task(replays.work(stop, only=started.id))
        with _bar() as bar:
            task = None if bar is None else bar.add_task(started.id, total=max(1, started.total))
            while not working.done():
                await asyncio.wait({working}, timeout=LOOK_S)
                now = replays.run(started.id, account=None) or now
                if bar is not None and task is not None:
                    _advance(bar, task, now)
                elif now.why not in {None, waits}:
                    waits = now.why
                    tell(f"{now.sent} sent, {now.why}")
    return replays.run(started.id, account=None) or now


def _bar() -> "Progress | nullcontext[None]":
    console = Console(stderr=True)
    if not console.is_terminal:
        return nullcontext()
    said = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    return Progress(*said, console=console)


def _advance(bar: Progress, task: TaskID, now: Run) -> None:
    said = f"{now.sent} sent" + (f", {now.why}" if now.why else "")
    bar.update(task, completed=now.done if now.total else 1, description=plain(said))


def _end(now: Run, common: Common) -> int:
    common.show_one(shown(now))
    if now.state is RunState.RUNNING:
        tell(f"it is not over: a running console goes on with it, or `relay replay resume {now.id}`")
        return INTERRUPTED
    return 0 if now.state is RunState.DONE else 1


def _found(there: list[Run], run_id: str) -> Run:
    for one in there:
        if one.id == run_id:
            return one
    raise NotFound(f"there is no run {settings.shown(run_id)}: `relay replay list` has them")


def _foreseen(preview: Preview) -> Mapping[str, Any]:
    return {
        "events": preview.events,
        "matched": preview.matched,
        "to_send": preview.to_send,
        "exact": preview.exact,
        "lost": [f"{one.topic}/{one.partition} before {one.end}" for one in preview.lost],
    }


def _tell_lost(lost: tuple[Lost, ...]) -> None:
    for one in lost:
        what = "what came before may be missing" if one.first is None else f"{one.first} to {one.end - 1} are lost"
        tell(f"{one.topic}/{one.partition} begins at {one.end} by now: {what}")
