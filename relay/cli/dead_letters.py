"""`relay dead-letters …`: what was given up, or could not be read."""

import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Annotated

from cyclopts import App, Parameter

from relay.cli.audit import record
from relay.cli.common import Common, Configured, json_line, run, tell, who
from relay.cli.patience import ask
from relay.config import Config
from relay.errors import Invalid, NotFound, Problem
from relay.replay.dead_letters import MOST, DeadLetters
from relay.replay.letters import DeadLetter, place, shown
from relay.replay.service import Replays
from relay.settings import shown as cited
from relay.store.entry import Action

app = App(name="dead-letters", help="What was given up, or could not be read.")

COMMON = Common()
CONFIGURED = Configured()
COLUMNS = ("place", "at", "reason", "subscription_id", "event_type", "attempt", "source", "bytes")
PAGE = 50
Place = Annotated[str, Parameter(name="PLACE")]


@app.command(name="list")
def list_(*, account: str | None = None, limit: int = PAGE, cursor: str | None = None, common: Common = COMMON) -> int:
    """
    List dead letters, newest first, each with the beginning of its value.

    Args:
        account: Only of this account's subscriptions.
        limit: At most so many; 200 at most.
        cursor: What follows a page that said so.
    """
    config = common.load("kafka_bootstrap_servers")
    letters, more = ask(config, DeadLetters(config).page(account=account, cursor=cursor, limit=limit))
    common.show([shown(one) for one in letters], COLUMNS, empty="no dead letters of what you ask for")
    if more is not None:
        tell(f"there may be more: --cursor {more}")
    return 0


@app.command
def get(where: Place, /, *, common: Common = COMMON) -> int:
    """Show one, by its place: PARTITION/OFFSET."""
    config = common.load("kafka_bootstrap_servers")
    partition, offset = _places([where])[0]
    one = ask(config, DeadLetters(config).one(partition, offset, account=None))
    if one is None:
        raise NotFound(f"there is no dead letter at {where}")
    common.show_one(shown(one))
    return 0


@app.command
def requeue(*where: Place, account: str | None = None, common: Common = COMMON) -> int:
    """
    Send what was given up once more, from its first attempt; exit status 1 when one of them cannot be sent.

    Args:
        where: Their places: PARTITION/OFFSET, as `list` has them.
        account: Only of this account's subscriptions.
    """
    config = common.load("kafka_bootstrap_servers")
    places = _places(where)
    if not places:
        raise Invalid(Problem("PLACE", "name at least one, as in 3/1042"))
    answers = ask(config, _requeued(config, places, account), doubt=", and some may have been sent")
    rows = [
        {"place": f"{partition}/{offset}", "sent": why is None, "why": why}
        for (partition, offset), why in answers.items()
    ]
    common.show(rows, ("place", "sent", "why"), empty="")
    return 1 if any(answers.values()) else 0


@app.command
def export(*, account: str | None = None, limit: int | None = None, common: Configured = CONFIGURED) -> int:
    """
    Write dead letters with all of their bytes, newest first, as NDJSON; what is no UTF-8 as base64.

    Args:
        account: Only of this account's subscriptions.
        limit: At most so many; all, where it is not given.
    """
    config = common.load("kafka_bootstrap_servers")
    if limit is not None and limit < 1:
        raise Invalid(Problem("limit", "must be 1 or more", str(limit)))
    run(_exported(config, account, limit))
    return 0


async def _requeued(
    config: Config, places: Sequence[tuple[int, int]], account: str | None
) -> Mapping[tuple[int, int], str | None]:
    async with Replays(config) as replays:
        answers = await replays.requeue(places, account=account, by=who())
    if sent := [f"{partition}/{offset}" for (partition, offset), why in answers.items() if why is None]:
        await record(config, Action.REQUEUED, account, "dead-letters", {"places": sent})
    return answers


async def _exported(config: Config, account: str | None, limit: int | None) -> None:
    async for one in _letters(config, account, limit):
        sys.stdout.write(json_line(shown(one)))
    sys.stdout.flush()


async def _letters(config: Config, account: str | None, limit: int | None) -> AsyncIterator[DeadLetter]:
    letters, cursor, left = DeadLetters(config), None, sys.maxsize if limit is None else limit
    while left > 0:
        page, cursor = await letters.page(account=account, cursor=cursor, limit=min(left, MOST), keep=None)
        left -= len(page)
        for one in page:
            yield one
        if cursor is None:
            return


def _places(texts: Sequence[str]) -> list[tuple[int, int]]:
    places, problems = [], []
    for text in texts:
        try:
            places.append(place(text))
        except ValueError as rule:
            problems.append(Problem("PLACE", str(rule), cited(text)))
    if problems:
        raise Invalid(*problems)
    return places
