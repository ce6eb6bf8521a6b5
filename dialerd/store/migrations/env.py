"""Alembic's environment: runs the steps on the connection that `dialerd.store.migrate` hands over."""

from alembic import context

from dialerd.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,
    transaction_per_migration=False,
)
context.run_migrations()
