"""What Alembic runs for every command; the connection and its transaction are the caller's (`database.schema`)."""

from alembic import context

context.configure(connection=context.config.attributes["connection"], transactional_ddl=True)
context.run_migrations()
