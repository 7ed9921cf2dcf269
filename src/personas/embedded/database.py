"""Open the database and give out its two kinds of transactions."""

from __future__ import annotations

import sqlite3
import threading
import time
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa
from sqlalchemy import event, exc

from personas.embedded import schema
from personas.embedded.errors import EmbeddedError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.engine import Connection, Engine

BUSY_SECONDS: Final = 30
CONNECTIONS: Final = {"pool_size": 8, "max_overflow": 40}  # more than there are worker threads
POSTGRESQL: Final = ("postgresql:", "postgres:")
POSTGRESQL_SCHEMA: Final = "auth"
START_LOCK: Final = 7253016  # any number, the same for every start


class Database:
    """One SQLite file or one PostgreSQL database.

    Attributes:
        name: The file, or the URL without its password; can be printed.
    """

    def __init__(self, engine: Engine, name: str) -> None:
        self._engine = engine
        self.name = name
        self.is_sqlite = engine.dialect.name == "sqlite"
        # SQLite has one writer at a time; waiting for a lock is fairer and faster than its own polling.
        self._writer = threading.Lock() if self.is_sqlite else nullcontext()

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that sees one state of the database and changes nothing."""
        with self._engine.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that is committed as a whole, or not at all."""
        with self._writer, self._engine.connect() as plain:
            connection = plain.execution_options(writes=True)
            with connection.begin():
                yield connection

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()


def open_database(place: str | Path) -> Database:
    """Open a file or a `postgresql://` URL; make the tables that are missing.

    Raises:
        EmbeddedError: It cannot be reached, created or read, or another program made its tables.
    """
    text = str(place)
    if text.startswith(POSTGRESQL):
        database = _postgresql(text)
        hint = "Check that the server runs, and that the user may create a schema in the database."
    elif "://" in text:
        message = f"{text.split('://', 1)[0]}:// is not a kind of database that can be used"
        raise EmbeddedError(message, hint="Use a file or a postgresql:// URL.")
    else:
        database = _sqlite(Path(place))
        hint = "Use another file, or check the rights on this one and its folder."
    try:
        _make_tables(database)
    except (exc.DBAPIError, sqlite3.Error) as error:
        database.close()
        reason = str(getattr(error, "orig", error)).strip().partition("\n")[0]
        raise EmbeddedError(f"cannot use the database {database.name}: {reason}", hint=hint) from None
    except EmbeddedError:
        database.close()
        raise
    return database


def _make_tables(database: Database) -> None:
    if database.is_sqlite:
        _switch_to_wal(database)
    # In a write transaction: of two first starts, the second waits here and finds the tables.
    with database.write() as connection:
        if not database.is_sqlite:
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(START_LOCK)))
            connection.execute(sa.schema.CreateSchema(POSTGRESQL_SCHEMA, if_not_exists=True))
        found = _version(connection, None if database.is_sqlite else POSTGRESQL_SCHEMA)
        if found is None:
            schema.metadata.create_all(connection)
            connection.execute(sa.insert(schema.settings).values(name="version", value=schema.VERSION))
        elif found != schema.VERSION:
            message = f"cannot use the database {database.name}: another program or version made its tables"
            raise EmbeddedError(message, hint="Use another database.")


def _version(connection: Connection, schema_name: str | None) -> str | None:
    """The version of the tables, "" for tables of another program, None for an empty database."""
    tables = sa.inspect(connection).get_table_names(schema=schema_name)
    if schema.settings.name not in tables:
        return "" if tables else None
    query = sa.select(schema.settings.c.value).where(schema.settings.c.name == "version")
    return connection.scalar(query) or ""


# --- SQLite -------------------------------------------------------------------------------------------------


def _sqlite(path: Path) -> Database:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        path.chmod(0o600)  # it holds keys and hashes; SQLite gives the same mode to the files beside it
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        message = f"cannot open the database {path}: {reason}"
        raise EmbeddedError(message, hint="Use a file in a folder that you can write to.") from None
    engine = sa.create_engine(
        sa.URL.create("sqlite", database=str(path.absolute())),
        connect_args={"isolation_level": None, "timeout": BUSY_SECONDS, "check_same_thread": False},
        poolclass=sa.QueuePool,
        hide_parameters=True,  # an error must not show hashes and keys
        **CONNECTIONS,
    )
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return Database(engine, str(path))


def _prepare_sqlite(connection: Any, _record: object) -> None:
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA synchronous = NORMAL")  # with WAL, a killed program loses nothing
    # SQLite's own lower() knows ASCII only; a search must find "Özlem" as PostgreSQL does.
    connection.create_function("lower", 1, _lower, deterministic=True)


def _lower(text: str | None) -> str | None:
    return None if text is None else text.lower()


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _switch_to_wal(database: Database) -> None:
    """Switch once for the life of the file; SQLite does not wait for the lock here, so this does."""
    raw = database._engine.raw_connection()  # noqa: SLF001 - a transaction would prevent the switch
    deadline = time.monotonic() + BUSY_SECONDS
    try:
        while True:
            try:
                raw.cursor().execute("PRAGMA journal_mode = WAL")
            except sqlite3.OperationalError as error:
                if "locked" not in str(error) or time.monotonic() > deadline:
                    raise
                time.sleep(0.01)
            else:
                return
    finally:
        raw.close()


# --- PostgreSQL ---------------------------------------------------------------------------------------------


def _postgresql(text: str) -> Database:
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
