"""Alembic's environment. webapp.database.migrate hands in the connection, and commits."""

from alembic import context

context.configure(
    connection=context.config.attributes["connection"], render_as_batch=True, transaction_per_migration=False
)
context.run_migrations()
