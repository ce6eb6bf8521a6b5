"""Opening the database: connections, pragmas, and the words for what is wrong with it."""

import sqlite3
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.pool import NullPool, StaticPool

from dialerd.model.errors import StoreError, StoreLost

MEMORY = "sqlite://"
"""URL of a store that lives and dies with its process."""


def connect(url: str, *, read_only: bool = False) -> Engine:
    """Return an engine whose connections are set up for durability.

    SQLite: WAL with `synchronous=FULL`, because a commit here decides whether a phone rings and must outlive a power
    cut (https://sqlite.org/pragma.html#pragma_synchronous: NORMAL may lose the last commits in WAL mode).

    Args:
        url: SQLAlchemy URL.
        read_only: connections that cannot write, for look-ups beside the writer.

    Raises:
        StoreError: the URL is not understood or its database is not supported.
    """
    check_url(url)
    parsed = make_url(url)
    memory = parsed.database in (None, "", ":memory:")
    engine = create_engine(
        parsed,
        poolclass=StaticPool if memory else NullPool,
        connect_args={"isolation_level": None, "check_same_thread": False, "timeout": 10.0, "cached_statements": 512},
    )
    begin = "BEGIN" if read_only else "BEGIN IMMEDIATE"

    @event.listens_for(engine, "connect")
    def set_up(dbapi: sqlite3.Connection, _record: Any) -> None:
        if not memory:
            dbapi.execute("PRAGMA journal_mode=WAL")
        dbapi.execute("PRAGMA synchronous=FULL")
        dbapi.execute("PRAGMA cache_size=-32768")  # 32 MiB: the hot indexes of a million recipients stay in memory
        dbapi.execute("PRAGMA temp_store=MEMORY")
        if read_only and not memory:
            dbapi.execute("PRAGMA query_only=ON")

    @event.listens_for(engine, "begin")
    def begin_explicitly(connection: Any) -> None:
        connection.exec_driver_sql(begin)

    return engine


def check_url(url: str) -> None:
    """Check that a database can be opened by `url`; it is not opened.

    Args:
        url: SQLAlchemy URL.

    Raises:
        StoreError: the URL is not understood or its database is not supported.
    """
    form = "write for example sqlite:////var/lib/dialerd/dialerd.db"
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError) as error:  # SQLAlchemy's own, and that of a port that is no number
        raise StoreError(f"store url is not understood: {error}; {form}") from None
    if parsed.drivername not in _DRIVERS:
        raise StoreError(f"store url names {parsed.drivername!r}; only sqlite is supported; {form}")
    if parsed.host or parsed.port or parsed.username or parsed.password:
        raise StoreError(f"store url names a host, which sqlite has none of: a path follows three slashes; {form}")


def url_of(path: Path) -> str:
    """Return the URL of the SQLite database in a file, whatever characters its name has."""
    return URL.create("sqlite", database=str(path)).render_as_string()


def database_path(url: str) -> Path | None:
    """Return the file of a SQLite URL, or None where it lives in memory."""
    name = make_url(url).database
    return None if name in (None, "", ":memory:") else Path(name)


def explain(error: DBAPIError | sqlite3.Error, where: Path | None = None) -> StoreError:
    """Return `error` as a `StoreError` that says what to do about it; `StoreLost` where the database is damaged.

    Args:
        error: what the driver raised.
        where: the database's file, to be named.
    """
    text = str(error.orig if isinstance(error, DBAPIError) else error)
    for sign, remedy in _DAMAGE:
        if sign in text:
            return StoreLost(_placed(text, where), remedy)
    for sign, remedy in _REMEDIES:
        if sign in text:
            return StoreError(_placed(text, where), remedy)
    return StoreError(text)


def _placed(text: str, where: Path | None) -> str:
    return text if where is None else f"{text} ({where})"


_DRIVERS = ("sqlite", "sqlite+pysqlite")  # the latter is the former's full name

_DAMAGE = (
    (
        "malformed",
        "the database is damaged: stop dialerd, keep the file, and restore a backup or run sqlite3's .recover; "
        "a backup does not know who was called since it was made",
    ),
    (
        "not a database",
        "the file is no SQLite database: restore a backup, or move it away to begin anew",
    ),
)

_REMEDIES = (
    ("disk is full", "free space on the disk of the database; dialerd goes on by itself"),
    (
        "disk I/O error",
        "look at the kernel log for the disk of the database: it may fail, be mounted read-only, or be full by quota; "
        "dialerd goes on by itself once it can be written",
    ),
    ("readonly", "make the state directory writable for the user that dialerd runs as"),
    ("unable to open", "make the state directory exist and be writable for the user that dialerd runs as"),
    (
        "locked",
        "another process holds the database: find it with fuser; open it with no other tool while dialerd runs",
    ),
)
