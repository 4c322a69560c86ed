"""`relay console`: Delivery History, the API and the pages, until told to stop."""

import asyncio
import signal

from relay.cli.common import Common, run, tell
from relay.config import Config
from relay.errors import RelayError
from relay.settings import spelled

COMMON = Common()
EXTRA = {"sqlalchemy", "alembic", "aiosqlite", "asyncpg", "jinja2"}


def console(*, common: Common = COMMON) -> int:
    """
    Show Delivery History and let people manage their webhooks, at RELAY_CONSOLE_ADDRESS, until SIGTERM or SIGINT.

    What it shows is read from the results topic into RELAY_DATABASE_URL, an SQLite file where none is set: the
    database can be dropped at any time, and is read again. Needs the extra: pip install 'relay[console]'.
    """
    config = common.load("kafka_bootstrap_servers", "secret_keys")
    run(_serve(config))
    return 0


def _where(config: Config, port: int) -> None:
    tell(f"relay console: http://{spelled(config.console_address[0], port)}/")


def _first(token: str) -> None:
    """It is shown nowhere else, and is no line of the log."""
    tell(f"the first token, an admin's, shown this once: {token}")


async def _serve(config: Config) -> None:
    try:
        from relay.console.server import serve  # noqa: PLC0415  a worker's install has none of what it needs
    except ModuleNotFoundError as error:
        if error.name not in EXTRA:
            raise
        raise RelayError(f"the console needs {error.name}: pip install 'relay[console]'") from None
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for one in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(one, stop.set)
    await serve(config, stop, listening=lambda port: _where(config, port), first=_first)
