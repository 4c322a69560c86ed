"""Runs the scripts on the connection that `migrate` was given; alembic looks for this file."""

from alembic import context

from relay.store.history.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
with context.begin_transaction():
    context.run_migrations()
