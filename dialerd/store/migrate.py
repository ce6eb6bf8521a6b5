"""Bringing a database's schema up to date, with Alembic."""

import sqlite3
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from dialerd.model.errors import StoreError
from dialerd.store.database import explain
from dialerd.store.tables import metadata

_MIGRATIONS = Path(__file__).parent / "migrations"


def create(engine: Engine) -> None:
    """Create the present schema in an empty database at once; for stores in memory, which have no past."""
    metadata.create_all(engine)


def upgrade(engine: Engine) -> None:
    """Bring the schema to the present version.

    Raises:
        StoreError: the database cannot be used, or a newer dialerd has written it.
    """
    try:
        with engine.connect() as connection:
            present = _version(connection)
            script = ScriptDirectory.from_config(_config())
            if present == script.get_current_head():
                return
            if present is not None and present not in {revision.revision for revision in script.walk_revisions()}:
                raise StoreError(
                    f"the database has schema {present}, which this dialerd does not know: "
                    "run the version that wrote it, or a newer one"
                )
            with connection.begin():
                config = _config()
                config.attributes["connection"] = connection
                command.upgrade(config, "head")
    except (DBAPIError, sqlite3.Error) as error:
        raise explain(error) from error


def _version(connection: Connection) -> str | None:
    with connection.begin():
        return MigrationContext.configure(connection).get_current_revision()


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    return config
