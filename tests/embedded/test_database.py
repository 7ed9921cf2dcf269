"""Opening, upgrading, sharing and refusing databases."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import psycopg
import pytest
import sqlalchemy as sa
from sqlalchemy import exc

from personas.embedded import DatabaseError, Embedded, schema
from personas.embedded.database import open_database

from .client import PERSONAS, Client, body

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sqlalchemy.engine import Connection

    from personas.embedded.database import Database


INSERT = sa.insert(schema.secrets)
VALUES = sa.select(schema.secrets.c.value)


def _refusal(place: str | Path) -> DatabaseError:
    with pytest.raises(DatabaseError) as caught:
        Embedded.open(place, scrypt_cost=2)
    assert caught.value.message
    assert caught.value.hint
    return caught.value


@pytest.fixture
def opened(database: str) -> Iterator[Database]:
    """A new database of each kind."""
    opened = open_database(database)
    yield opened
    opened.close()


def test_a_newer_database_is_refused_and_left_as_it_is(database: str, opened: Database) -> None:
    newer = sa.update(schema.schema_version).values(version=99)
    opened.write(lambda connection: connection.execute(newer))
    refusal = _refusal(database)
    assert "version 99, newer than" in refusal.message
    assert "newer version of personas" in refusal.hint


def test_tables_of_another_program_are_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE invoices (id)")
    assert "invoices" in _refusal(path).message
    with closing(sqlite3.connect(path)) as connection:
        names = connection.execute("SELECT name FROM sqlite_master").fetchall()
    assert names == [("invoices",)]


def test_an_auth_schema_of_another_program_in_postgresql_is_refused(postgresql_database: str) -> None:
    with psycopg.connect(postgresql_database, autocommit=True) as connection:
        connection.execute("CREATE SCHEMA auth")
        connection.execute("CREATE TABLE auth.users (id int)")
    assert "users" in _refusal(postgresql_database).message


def test_what_is_no_database_or_no_file_is_refused(tmp_path: Path) -> None:
    notes, damaged = tmp_path / "notes.txt", tmp_path / "auth.db"
    notes.write_text("These are notes, and no database. " * 50)
    Embedded.open(damaged, scrypt_cost=2).close()
    damaged.write_bytes(damaged.read_bytes()[:5000])
    for place, told in (
        (notes, "is not an SQLite database"),
        (damaged, str(damaged)),
        (tmp_path, "Is a directory"),
        (notes / "auth.db", "cannot be opened"),
        ("a\x00b/auth.db", "cannot be opened"),
    ):
        assert told in _refusal(place).message


@pytest.mark.parametrize(
    ("told", "urls"),
    [
        (
            "127.0.0.1:1",
            [
                "postgresql://user:geheim@127.0.0.1:1/personas",
                "postgres://user:geheim@127.0.0.1:1/personas",
                "postgresql://user:ge/heim@127.0.0.1:1/personas",
                "postgresql://user:ge?heim@127.0.0.1:1/personas",
                "postgresql://user:ge#heim@127.0.0.1:1/personas",
                "postgresql://127.0.0.1:1/personas?user=u&password=geheim",
            ],
        ),
        (
            "cannot be read",
            [
                "postgresql://user:ge@heim@127.0.0.1:1/personas",
                "postgresql://user:ge/x@heim/y@127.0.0.1:1/personas",
                "postgresql://user/x:geheim@127.0.0.1:1/personas",
                "postgresql://host:port/x",
            ],
        ),
        ("postgresql://[ cannot be used", ["postgresql://["]),
        ("mysql://…", ["mysql://u:geheim@host/x"]),
    ],
)
def test_an_unreachable_database_is_told_without_any_part_of_its_password(told: str, urls: list[str]) -> None:
    for url in urls:
        refusal = _refusal(url)
        assert told in refusal.message
        assert "heim" not in refusal.message + refusal.hint


def test_the_name_of_a_postgresql_database_has_no_password(postgresql_database: str) -> None:
    url = sa.make_url(postgresql_database)
    secret = url.set(password="ge/he?i#m").render_as_string(hide_password=False)
    with Embedded.open(secret, scrypt_cost=2) as embedded:
        assert embedded.database_name == url.set(password="x", query={}).render_as_string(hide_password=True)


def add_nickname(connection: Connection) -> None:
    connection.execute(sa.text("ALTER TABLE users ADD COLUMN nickname TEXT"))


def fail(connection: Connection) -> None:
    connection.execute(sa.text("ALTER TABLE nowhere ADD COLUMN x TEXT"))


def columns(connection: Connection) -> set[str]:
    return {column["name"] for column in sa.inspect(connection).get_columns("users")}


def test_an_older_database_is_upgraded_in_place_and_keeps_what_it_holds(opened: Database) -> None:
    opened.write(lambda connection: connection.execute(INSERT.values(name="a", value="kept")))
    opened.write(lambda connection: schema.upgrade(connection, [*schema.STEPS, add_nickname]))
    version = sa.select(schema.schema_version.c.version)
    assert opened.read(lambda connection: connection.scalar(version)) == len(schema.STEPS) + 1
    assert opened.read(lambda connection: connection.scalars(VALUES).all()) == ["kept"]
    assert "nickname" in opened.read(columns)


def test_an_upgrade_that_fails_changes_nothing(database: str, opened: Database) -> None:
    with pytest.raises(exc.DBAPIError):
        opened.write(lambda connection: schema.upgrade(connection, [*schema.STEPS, add_nickname, fail]))
    assert "nickname" not in opened.read(columns)
    Embedded.open(database, scrypt_cost=2).close()


@pytest.mark.parametrize(
    ("table", "change"),
    [
        ("users", "kind = 'robot'"),
        ("personas", "tick_cadence = 'yearly'"),
        ("persona_feedback", "rating = 6"),
        ("persona_feedback", "rating = 0"),
        ("persona_actions", "result = 'perhaps'"),
        ("persona_actions", "persona_id = 'nobody'"),
    ],
)
def test_the_database_itself_refuses_what_must_not_be(client: Client, table: str, change: str) -> None:
    user_id = client.seed()
    client.run(user_id, "feedback", {"tickId": "t", "module": "notes", "rating": 3})
    client.run(user_id, "actions", {"tickId": "t", "toolName": "t", "result": "ok"})
    # Past SQLAlchemy's own check of the enum, which would hide the database's.
    with pytest.raises((exc.IntegrityError, exc.DataError)):
        client.write(sa.text(f"UPDATE {table} SET {change}"))


def test_kind_is_an_enum_in_the_schema_auth_of_postgresql(standing_postgresql: Embedded) -> None:
    query = sa.text(
        "SELECT udt_schema, udt_name FROM information_schema.columns "
        "WHERE table_schema = 'auth' AND table_name = 'users' AND column_name = 'kind'"
    )
    database = standing_postgresql._service.database
    assert database.read(lambda connection: tuple(connection.execute(query).one())) == ("auth", "user_kind")


def test_a_write_that_fails_leaves_no_transaction_open(opened: Database) -> None:
    def fail(connection: Connection) -> None:
        connection.execute(INSERT.values(name="a", value="half"))
        raise ZeroDivisionError

    for _ in range(20):
        with pytest.raises(ZeroDivisionError):
            opened.write(fail)
    opened.write(lambda connection: connection.execute(INSERT.values(name="a", value="whole")))
    assert opened.read(lambda connection: connection.scalars(VALUES).all()) == ["whole"]


def test_posts_of_one_email_at_once_make_one_persona(client: Client) -> None:
    headers = {"authorization": f"Bearer {client.embedded.admin_token()}"}
    answers = client.at_once("POST", PERSONAS, *[{"json": body(), "headers": headers}] * 12)
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["userId"] for answer in answers}) == 1
    assert len(client.live()) == 1
