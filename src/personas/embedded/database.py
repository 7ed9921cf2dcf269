"""Open the database and give out its two kinds of transactions."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import event, exc
from sqlalchemy.engine import Connection, Engine

from personas.embedded import schema

BUSY_SECONDS: Final = 30
CONNECTIONS: Final = {"pool_size": 8, "max_overflow": 40}  # more than there are worker threads
POSTGRESQL_SCHEMA: Final = "auth"
START_LOCK: Final = 7253016  # any number, the same for every start


class EmbeddedError(Exception):
    """The service cannot be opened or served: what happened, and a hint about what to do."""

    def __init__(self, message: str, *, hint: str) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class Database:
    """One SQLite file or one PostgreSQL database; its `name` never has a password."""

    def __init__(self, engine: Engine, name: str) -> None:
        self._engine = engine
        self.name = name
        self._is_sqlite = engine.dialect.name == "sqlite"
        # SQLite has one writer at a time; waiting for a lock is fairer and faster than its own polling.
        self._writer = threading.Lock() if self._is_sqlite else nullcontext()

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that sees one state of the database and changes nothing."""
        with self._engine.begin() as connection:
            if self._is_sqlite:
                connection.exec_driver_sql("BEGIN")
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that is committed as a whole, or not at all."""
        with self._writer, self._engine.begin() as connection:
            if self._is_sqlite:
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            yield connection

    @contextmanager
    def start(self, *, reset: bool = False) -> Iterator[Connection]:
        """A writing transaction with all tables, emptied if `reset`; a second start waits for the first."""
        try:
            with self.write() as connection:
                if not self._is_sqlite:
                    connection.execute(sa.select(sa.func.pg_advisory_xact_lock(START_LOCK)))
                    connection.execute(sa.schema.CreateSchema(POSTGRESQL_SCHEMA, if_not_exists=True))
                namespace = None if self._is_sqlite else POSTGRESQL_SCHEMA
                found = set(sa.inspect(connection).get_table_names(namespace))
                if found and found != {table.name for table in schema.metadata.sorted_tables}:
                    message = f"the tables in {self.name} are of another program or version"
                    raise EmbeddedError(message, hint="Use another database.")
                if reset:
                    schema.metadata.drop_all(connection)
                schema.metadata.create_all(connection)
                yield connection
        except (exc.DBAPIError, sqlite3.Error) as error:
            reason = str(getattr(error, "orig", error)).strip().partition("\n")[0]
            hint = "Use another database, or check that it can be reached and written to."
            raise EmbeddedError(f"cannot use the database {self.name}: {reason}", hint=hint) from None

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()


def open_database(place: str | Path) -> Database:
    """Open a file or a `postgresql://` URL; `Database.start` makes the tables."""
    text = str(place)
    if text.startswith(("postgresql:", "postgres:")):
        return _open_postgresql(text)
    if "://" in text:
        message = f"{text.split('://', 1)[0]}:// is not a kind of database that can be used"
        raise EmbeddedError(message, hint="Use a file or a postgresql:// URL.")
    return _open_sqlite(Path(place))


def _open_sqlite(path: Path) -> Database:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        if path.is_file():  # not a folder or a device, which cannot be opened below
            path.chmod(0o600)  # it holds keys and hashes; SQLite gives the same mode to the files beside it
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        hint = "Use a file in a folder that you can write to."
        raise EmbeddedError(f"cannot open the database {path}: {reason}", hint=hint) from None
    engine = sa.create_engine(
        sa.URL.create("sqlite", database=str(path.absolute())),
        connect_args={"isolation_level": None, "timeout": BUSY_SECONDS, "check_same_thread": False},
        poolclass=sa.QueuePool,
        hide_parameters=True,  # an error must not show hashes and keys
        **CONNECTIONS,
    )
    event.listen(engine, "connect", _prepare)
    return Database(engine, str(path))


def _prepare(connection: Any, _record: object) -> None:
    deadline = time.monotonic() + BUSY_SECONDS
    while connection.execute("PRAGMA journal_mode").fetchone() != ("wal",):
        # The first connection switches; SQLite does not wait for the lock here, so this does.
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA synchronous = NORMAL")  # with WAL, a killed program loses nothing
    # SQLite's own lower() knows ASCII only; a search must find "Özlem" as PostgreSQL does.
    connection.create_function("lower", 1, lambda text: text and text.lower(), deterministic=True)


def _open_postgresql(text: str) -> Database:
    url = None
    with suppress(exc.ArgumentError, ValueError):
        url = sa.make_url(text).set(drivername="postgresql+psycopg")
    # With a second @, a part of the password would be read as the name of the host, which is printed.
    if url is None or text.count("@") != (url.username is not None):
        hint = "Write postgresql://user:password@host:port/database, with %40 for an @ in the password."
        raise EmbeddedError("cannot read the postgresql:// URL", hint=hint)
    try:
        engine = sa.create_engine(
            url,
            connect_args={"connect_timeout": 10},
            execution_options={"schema_translate_map": {None: POSTGRESQL_SCHEMA}},
            hide_parameters=True,
            pool_pre_ping=True,
            **CONNECTIONS,
        )
    except ImportError:
        hint = "Install it with: pip install 'personas[postgres]'"
        raise EmbeddedError("PostgreSQL needs the package psycopg", hint=hint) from None
    # A password may also stand in the query.
    name = url.set(drivername="postgresql", query={}).render_as_string(hide_password=True)
    return Database(engine, name)
