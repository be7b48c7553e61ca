"""Alembic's environment: it runs on the connection that `storage.migrate` hands over, and on no other."""

from alembic import context

from breakglass.storage import books  # noqa: F401 (its tables are part of META)
from breakglass.storage.tables import META

context.configure(
    connection=context.config.attributes["connection"], target_metadata=META, transaction_per_migration=True
)
with context.begin_transaction():
    context.run_migrations()
