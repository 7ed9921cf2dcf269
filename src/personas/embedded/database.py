"""Opening the database, and its two kinds of transactions.

SQLite: WAL, so that readers never wait; `BEGIN IMMEDIATE` for writes, so that two programs that share a file
wait for each other instead of failing half-way; inside one program a lock queues the writers, which is fairer
and quicker than SQLite's own waiting.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

import sqlalchemy as sa
from sqlalchemy import event, exc

from personas.embedded import schema
from personas.embedded.errors import DatabaseError
from personas.embedded.files import keep_private, make_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy.engine import Connection, Engine

    Result = TypeVar("Result")

BUSY_SECONDS: Final = 30
# Two sign-ups of one email at the same moment: the second sees the first one's row when it tries again.
RETRIES: Final = 5
RETRIED_STATES: Final = frozenset({"23505", "40001", "40P01"})  # unique violation, serialization, deadlock


class _Cursor(Protocol):
    def execute(self, statement: str) -> object: ...
    def close(self) -> object: ...


class Database:
    """One SQLite file or one PostgreSQL database, its schema made and upgraded.

    Attributes:
        name: The file, or the URL without its password; fit to be shown.
    """

    def __init__(self, engine: Engine, name: str) -> None:
        self._engine = engine
        self.name = name
        self.is_sqlite = engine.dialect.name == "sqlite"
        self._turn = threading.Lock() if self.is_sqlite else nullcontext()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction that sees one state of the database and changes nothing."""
        with self._engine.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction that writes: committed as a whole, or not at all."""
        with self._turn, self._engine.connect() as plain:
            connection = plain.execution_options(writes=True)
            with connection.begin():
                yield connection

    def read(self, work: Callable[[Connection], Result]) -> Result:
        """Run `work` in a reading transaction."""
        with self.reading() as connection:
            return work(connection)

    def write(self, work: Callable[[Connection], Result]) -> Result:
        """Run `work` in a writing transaction, again when another writer was in its way.

        `work` may run more than once, each time from a clean state.
        """
        for attempt in range(RETRIES + 1):
            try:
                with self.writing() as connection:
                    return work(connection)
            except exc.DBAPIError as error:
                if attempt == RETRIES or getattr(error.orig, "sqlstate", None) not in RETRIED_STATES:
                    raise
        raise AssertionError  # the loop returns or raises

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()


def open_database(place: str | Path) -> Database:
    """Open a file or a `postgresql://` URL, make what is missing, upgrade what is old.

    Raises:
        DatabaseError: It cannot be reached, created, read, or belongs to something else.
    """
    text = str(place)
    if text.startswith(("postgresql:", "postgres:")):
        return _open_postgresql(text)
    if "://" in text:
        message = f"cannot use the database {text.split('://', 1)[0]}://…"
        raise DatabaseError(message, hint="Name a file, or a postgresql:// URL.")
    return _open_sqlite(Path(place))


# --- SQLite -------------------------------------------------------------------------------------------------


def _open_sqlite(path: Path) -> Database:
    make_file(path)
    engine = sa.create_engine(
        sa.URL.create("sqlite", database=str(path.absolute())),
        connect_args={"isolation_level": None, "timeout": BUSY_SECONDS, "check_same_thread": False},
        poolclass=sa.QueuePool,
        hide_parameters=True,  # an error must not show hashes and keys
        pool_size=8,
        max_overflow=64,
    )
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    database = Database(engine, str(path))
    try:
        _switch_to_wal(engine)
        _upgrade(database)
        keep_private(path)
    except (exc.DBAPIError, sqlite3.Error) as error:
        database.close()
        reason = str(getattr(error, "orig", error))
        if "not a database" in reason or "malformed" in reason:
            message = f"{path} is not an SQLite database, or is damaged"
            raise DatabaseError(message, hint="Name another file, or move this one away.") from None
        message = f"the database {path} cannot be used: {reason}"
        raise DatabaseError(
            message, hint="Check the disk and the rights on the file and its folder."
        ) from None
    except DatabaseError:
        database.close()
        raise
    return database


def _prepare_sqlite(connection: Any, _record: object) -> None:
    cursor: _Cursor = connection.cursor()
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.execute("PRAGMA synchronous = NORMAL")  # in WAL mode a crash of this program loses nothing
    cursor.close()
    # SQLite's own lower() knows ASCII only; a search is meant to find "Özlem" as PostgreSQL does.
    connection.create_function("lower", 1, _lower, deterministic=True)


def _lower(text: str | None) -> str | None:
    return None if text is None else text.lower()


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _switch_to_wal(engine: Engine) -> None:
    """Switch once for the life of the file; SQLite does not wait for a lock here, so we do."""
    raw = engine.raw_connection()
    try:
        deadline = time.monotonic() + BUSY_SECONDS
        while True:
            try:
                raw.cursor().execute("PRAGMA journal_mode = WAL")
            except sqlite3.OperationalError as error:
                if "locked" not in str(error) or time.monotonic() > deadline:
                    raise
                time.sleep(0.01)  # until the deadline: nothing tells when the lock is free
            else:
                return
    finally:
        raw.close()


# --- PostgreSQL ---------------------------------------------------------------------------------------------


def _open_postgresql(text: str) -> Database:
    try:
        url = _read_url(text)
        engine = sa.create_engine(
            url,
            connect_args={"connect_timeout": 10},
            hide_parameters=True,
            pool_size=8,
            max_overflow=24,
            pool_pre_ping=True,
        )
    except ImportError:
        message = "PostgreSQL needs the package psycopg"
        raise DatabaseError(message, hint="Install it with: pip install 'personas[postgres]'") from None
    except (exc.ArgumentError, ValueError):
        message = "the postgresql:// URL cannot be read"
        hint = "Write postgresql://user:password@host:port/database, and an @ in one of them as %40."
        raise DatabaseError(message, hint=hint) from None
    event.listen(engine, "connect", _prepare_postgresql)
    # A password may also stand in the query.
    name = url.set(drivername="postgresql", query={}).render_as_string(hide_password=True)
    database = Database(engine, name)
    try:
        _upgrade(database)
    except exc.DBAPIError as error:
        database.close()
        reason = (str(error.orig).strip().splitlines() or ["no reason given"])[0]
        message = f"the PostgreSQL database {name} cannot be used: {reason}"
        hint = "Check that the server runs, the database exists and the user may create a schema in it."
        raise DatabaseError(message, hint=hint) from None
    except DatabaseError:
        database.close()
        raise
    return database


def _read_url(text: str) -> sa.URL:
    """Read the URL; a second @ would make a part of the password the host's name, which is shown.

    Raises:
        ValueError: It cannot be read without doubt; SQLAlchemy's ArgumentError for all else.
    """
    url = sa.make_url(text)
    if text.count("@") != (url.username is not None):
        raise ValueError
    return url.set(drivername="postgresql+psycopg")


def _prepare_postgresql(connection: Any, _record: object) -> None:
    cursor: _Cursor = connection.cursor()
    cursor.execute("SET search_path TO auth")
    cursor.execute("SET timezone TO 'UTC'")
    cursor.close()
    connection.commit()


# --- both ---------------------------------------------------------------------------------------------------


def _upgrade(database: Database) -> None:
    def work(connection: Connection) -> None:
        if not database.is_sqlite:
            # Two programs that start on an empty database: the second waits here and finds it made.
            connection.exec_driver_sql("SELECT pg_advisory_xact_lock(7253016)")
            connection.exec_driver_sql("CREATE SCHEMA IF NOT EXISTS auth")
        schema.upgrade(connection)

    try:
        database.write(work)
    except schema.SchemaError as error:
        message = f"the database {database.name} cannot be used: {error}"
        hint = "Use a newer version of personas, or name another database."
        raise DatabaseError(message, hint=hint) from None
