"""The schema: migrated and created alike; a database that cannot be used is refused with a way out."""

import re
import sqlite3
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import event

from dialerd.model.errors import StoreError
from dialerd.store import lookup, migrate
from dialerd.store.database import MEMORY, connect, database_path, explain
from dialerd.store.migrate import create, upgrade
from dialerd.store.store import open_store
from dialerd.store.tables import metadata


def url(path):
    """Return the URL of a SQLite file."""
    return f"sqlite:///{path}"


def migrated(path):
    """Return the engine of a migrated database."""
    engine = connect(url(path))
    upgrade(engine)
    return engine


def schema(engine):
    """Return the statements that made a database, by kind and name."""
    with engine.connect() as connection, connection.begin():
        rows = connection.exec_driver_sql(
            "SELECT type, name, sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'alembic%'"
        ).all()
    return {(kind, name): re.sub(r"[\s\"]+", " ", sql).strip() for kind, name, sql in rows}


def test_migrated_equals_created(tmp_path):
    """The steps of the past lead to the tables of today, conditions of indexes and tables without rowid included."""
    fresh = connect(MEMORY)
    create(fresh)
    made, wanted = schema(migrated(tmp_path / "d.db")), schema(fresh)
    assert made == wanted
    assert {name for (kind, name) in wanted if kind == "table"} >= set(metadata.tables)
    assert "WHERE state = 'pending'" in made["index", "recipients_due"]
    assert made["table", "suppressions"].endswith("WITHOUT ROWID")


def test_alembic_sees_no_difference(tmp_path):
    """A step is written whenever the tables change."""
    with migrated(tmp_path / "d.db").connect() as connection, connection.begin():
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, metadata) == []


def test_a_second_upgrade_changes_nothing(tmp_path):
    """A daemon that starts again finds everything as it was."""
    engine = migrated(tmp_path / "d.db")
    before = schema(engine)
    with engine.connect() as connection, connection.begin():
        connection.exec_driver_sql("INSERT INTO day_counts VALUES ('k', '2026-01-01', 1)")
    upgrade(engine)
    assert schema(engine) == before
    with engine.connect() as connection, connection.begin():
        assert connection.exec_driver_sql("SELECT count(*) FROM day_counts").scalar() == 1


def test_what_an_older_dialerd_stored_is_brought_along(tmp_path):
    """Rows of the first schema: people who were never dialled are due at once, all others when they were."""
    engine = connect(url(tmp_path / "d.db"))
    with engine.connect() as connection, connection.begin():
        config = Config()
        config.set_main_option("script_location", str(Path(migrate.__file__).parent / "migrations"))
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        connection.exec_driver_sql(
            """INSERT INTO campaigns (uid, name, agent, state, spec, timezone, start_at, created_at, state_at)
            VALUES ('u', 'x', 'a', 'scheduled', '{"name": "x", "agent": "a"}', 'UTC', 500, 1, 1)"""
        )
        connection.exec_driver_sql("INSERT INTO totals (campaign_id, changed_at, recipients) VALUES (1, 1, 4)")
        for number, state, attempts, refunds in (
            ("1", "pending", 0, 0),
            ("2", "pending", 1, 0),
            ("3", "pending", 0, 1),
            ("4", "done", 0, 0),
        ):
            connection.exec_driver_sql(
                """INSERT INTO recipients (campaign_id, group_id, position, number, state, next_at, attempts, refunds)
                VALUES (1, 1, 1, ?, ?, 500, ?, ?)""",
                (number, state, attempts, refunds),
            )
    upgrade(engine)
    with engine.connect() as connection, connection.begin():
        assert connection.exec_driver_sql("SELECT next_at FROM recipients ORDER BY id").all() == [
            (0,), (500,), (500,), (500,)
        ]  # fmt: skip
        (row,) = lookup.campaigns_named(connection, "u")
        assert (row.spec.name, row.start_at, row.alias, row.dialect, row.extra) == ("x", 500, None, None, {})


def test_a_failing_step_leaves_nothing(tmp_path):
    """The whole way up is one transaction: a database is never left between two schemas."""
    path = tmp_path / "d.db"
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE totals (campaign_id INTEGER)")  # what the last statement of the step makes
    other.close()
    engine = connect(url(path))
    with pytest.raises(StoreError, match="totals"):
        upgrade(engine)
    assert set(schema(engine)) == {("table", "totals")}


async def test_a_newer_schema_is_refused(tmp_path):
    """An older dialerd does not touch what a newer one wrote, and says so."""
    path = tmp_path / "d.db"
    engine = migrated(path)
    with engine.connect() as connection, connection.begin():
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(StoreError, match=r"schema 9999.*run the version that wrote it, or a newer one"):
        async with open_store(url(path)):
            pass


def damaged(tmp_path):
    """Return a database whose first page points to nonsense."""
    path = tmp_path / "d.db"
    engine = migrated(path)
    engine.dispose()
    with sqlite3.connect(path) as other:
        other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    other.close()
    content = bytearray(path.read_bytes())
    content[100:] = b"\xa5" * (len(content) - 100)  # the header stays
    path.write_bytes(content)
    return url(path)


def foreign(tmp_path):
    """Return a file that is something else."""
    path = tmp_path / "d.db"
    path.write_text("these are no pages, but a letter of some length\n" * 100)
    return url(path)


def unwritable(tmp_path):
    """Return a database that may only be read."""
    path = tmp_path / "d.db"
    sqlite3.connect(path).execute("CREATE TABLE t (i)").connection.close()
    return f"sqlite:///file:{path}?mode=ro&uri=true"


def homeless(tmp_path):
    """Return a database in a directory that is not there."""
    return url(tmp_path / "nowhere" / "d.db")


@pytest.mark.parametrize(
    ("place", "words"),
    [
        (damaged, "malformed.*restore a backup or run sqlite3's .recover"),
        (foreign, "not a database.*restore a backup, or move it away"),
        (unwritable, "readonly.*make the state directory writable"),
        (homeless, "unable to open.*make the state directory exist"),
        (url, "unable to open.*make the state directory exist"),  # the path is a directory
        (lambda _: "postgresql://localhost/dialerd", "postgresql.*only sqlite is supported"),
        (lambda _: "no url", "not understood.*write for example sqlite:///"),
    ],
)
async def test_what_cannot_be_opened_is_explained(tmp_path, place, words):
    """The message says what is wrong and what to do."""
    with pytest.raises(StoreError, match=words):
        async with open_store(place(tmp_path)):
            pass


def test_a_locked_database_is_explained(tmp_path):
    """Somebody has the database open and holds it."""
    path = tmp_path / "d.db"
    migrated(path).dispose()
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    engine = connect(url(path))
    event.listen(engine, "connect", lambda dbapi, _: dbapi.execute("PRAGMA busy_timeout=0"))  # not ten seconds here
    with pytest.raises(StoreError, match="locked: another process holds the database: find it with fuser"):
        upgrade(engine)
    other.execute("ROLLBACK")
    other.close()
    upgrade(engine)


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        ("database or disk is full", "free space"),
        ("disk I/O error", "kernel log"),
        ("database disk image is malformed", "restore a backup"),
        ("attempt to write a readonly database", "writable"),
        ("near x: syntax error", ""),
    ],
)
def test_explain(text, remedy):
    """What SQLite says stays in front; the remedy follows where there is one."""
    words = str(explain(sqlite3.OperationalError(text)))
    assert words.startswith(text)
    assert remedy in words


@pytest.mark.parametrize("in_memory", [MEMORY, "sqlite:///:memory:"])
async def test_memory_by_every_name(in_memory):
    """A store in memory is one store, whichever way its URL is written: what is written can be read."""
    assert database_path(in_memory) is None
    async with open_store(in_memory) as store:
        await store.write(lambda c: c.exec_driver_sql("INSERT INTO day_counts VALUES ('k', '2026-01-01', 1)"))
        assert await store.read(lambda c: c.exec_driver_sql("SELECT calls FROM day_counts").scalar()) == 1
