"""Alembic's entry point; it runs only from `fabula.store.database`, which hands over the connection."""

from __future__ import annotations

from alembic import context

from fabula.store.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,  # SQLite cannot alter columns in place
    transaction_per_migration=False,
)
with context.begin_transaction():
    context.run_migrations()
