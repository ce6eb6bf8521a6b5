"""Opening a store: the schema and its versions, files that are no database, and what the errors say."""

import os
import sqlite3

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from dialerd.model.errors import StoreError
from dialerd.store.database import connect
from dialerd.store.migrate import create, upgrade
from dialerd.store.store import open_store
from dialerd.store.tables import metadata


@pytest.fixture
def path(tmp_path):
    """Return where a database may be."""
    return tmp_path / "dialerd.db"


def schema(path):
    """Return what a database holds, without alembic's own table and without a difference of spaces."""
    database = sqlite3.connect(path)
    found = database.execute("SELECT type, name, sql FROM sqlite_master WHERE name NOT LIKE '%alembic%'").fetchall()
    database.close()
    return {(kind, name, " ".join((sql or "").replace('"', "").split())) for kind, name, sql in found}


def test_migrations_end_where_the_tables_are(path, tmp_path):
    """A database that went all the way through the migrations equals one that was made at once."""
    migrated, made = connect(f"sqlite:///{path}"), connect(f"sqlite:///{tmp_path}/made.db")
    upgrade(migrated)
    create(made)
    with migrated.connect() as connection, connection.begin():
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    assert schema(path) == schema(tmp_path / "made.db")
    upgrade(migrated)
    migrated.dispose()
    made.dispose()


def test_a_store_is_set_up_to_outlive_a_power_cut(path):
    """WAL with full synchronisation, on every connection."""
    engine = connect(f"sqlite:///{path}")
    with engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2
    engine.dispose()


async def test_a_newer_schema_is_refused(path):
    """A database of a later version is left alone, and the message says what to run."""
    async with open_store(f"sqlite:///{path}"):
        pass
    database = sqlite3.connect(path)
    database.execute("UPDATE alembic_version SET version_num = '9999'")
    database.commit()
    database.close()
    with pytest.raises(StoreError, match=r"9999.*run the version that wrote it, or a newer one"):
        async with open_store(f"sqlite:///{path}"):
            pass


async def test_a_file_that_is_no_database(path):
    """It is not touched, and the message says what to do."""
    path.write_text("this is no database\n" * 100)
    before = path.read_bytes()
    with pytest.raises(StoreError, match="restore a backup"):
        async with open_store(f"sqlite:///{path}"):
            pass
    assert path.read_bytes() == before


async def test_a_damaged_database(path):
    """Pages that were overwritten are found out by what reads them."""
    async with open_store(f"sqlite:///{path}"):
        pass
    data = bytearray(path.read_bytes())
    data[100:4096] = os.urandom(3996)
    path.write_bytes(data)
    with pytest.raises(StoreError, match=r"damaged|restore a backup"):
        async with open_store(f"sqlite:///{path}"):
            pass


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser writes whatever the mode says")
async def test_a_directory_that_cannot_be_written(tmp_path):
    """The message names the remedy."""
    tmp_path.chmod(0o500)
    with pytest.raises(StoreError, match="state directory"):
        async with open_store(f"sqlite:///{tmp_path}/dialerd.db"):
            pass


async def test_a_directory_that_is_not_there(tmp_path):
    """The message names the remedy."""
    with pytest.raises(StoreError, match="make the state directory exist"):
        async with open_store(f"sqlite:///{tmp_path}/nowhere/dialerd.db"):
            pass


@pytest.mark.parametrize(
    ("url", "words"), [("nonsense", "not understood"), ("postgresql://x/y", "only sqlite is supported")]
)
async def test_other_urls_are_refused(url, words):
    """What is not supported is said before anything is touched."""
    with pytest.raises(StoreError, match=words):
        async with open_store(url):
            pass
