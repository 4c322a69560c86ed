"""How the tables of a history came to be: alembic's scripts, applied by whoever writes, at its start."""

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import AsyncConnection

from relay.store.history.values import HistoryProblem


async def migrate(connection: AsyncConnection) -> None:
    """
    The tables are as this version needs them; all of it in the connection's transaction.

    Raises:
        HistoryProblem: They were made by a newer relay.
    """
    await connection.run_sync(_upgrade)


def _upgrade(connection: Connection) -> None:
    config = Config()
    config.set_main_option("script_location", "relay.store.history:migrations")  # a package's folder, zipped or not
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        raise HistoryProblem(
            f"the history's database is not this version's ({error}): run the newer relay that made it, or drop it, "
            "and it is read from the results topic again"
        ) from None
