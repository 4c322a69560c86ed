"""
The history that a console keeps, for commands that ask it themselves. Edge (SQLAlchemy).

They read its database where the console's process does: a command makes no tables and reads no topic, so it says how
old the history is, and where there is none, what makes one.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from relay.cli.common import tell
from relay.clock import SystemClock
from relay.config import Config
from relay.console.ages import aged
from relay.errors import RelayError
from relay.pipeline.results import rfc3339

if TYPE_CHECKING:
    from relay.store.history.store import SqlHistory

EXTRA = {"sqlalchemy", "alembic", "aiosqlite", "asyncpg"}


@asynccontextmanager
async def opened(config: Config) -> AsyncIterator["SqlHistory"]:
    """
    The history at RELAY_DATABASE_URL.

    Raises:
        RelayError: There is none, or what reads it is not installed.
    """
    try:
        from relay.store.history.store import SqlHistory  # noqa: PLC0415  a worker's install has none of what it needs
    except ModuleNotFoundError as error:
        if error.name not in EXTRA:
            raise
        raise RelayError(f"the history needs {error.name}: pip install 'relay[console]'") from None
    history = SqlHistory(config.database_url)
    try:
        if not await history.exists():
            raise RelayError(
                f"there is no history at {history}: `relay console` makes it, with the same RELAY_DATABASE_URL, and "
                "keeps it up to date; `relay deliveries tail` needs none"
            )
        yield history
    finally:
        await history.close()


async def tell_age(history: "SqlHistory") -> None:
    """On stderr: how old it is, and what it lacks."""
    age = aged(await history.age(), SystemClock().now_ms())
    if age.as_of_ms is None:
        tell("the history is empty: nothing was read yet; is `relay console` running?")
    elif age.trouble:
        tell(f"as of {rfc3339(age.as_of_ms)}: {age.trouble}; is `relay console` running?")
    else:
        tell(f"as of {rfc3339(age.as_of_ms)}")
    if age.gaps:
        tell(f"{len(age.gaps)} ranges of the log are not in it: `history.lost` and `history.replaced` in its log")
