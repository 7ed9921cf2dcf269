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

from .client import ANNA, PERSONAS, Client, body

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from sqlalchemy.engine import Connection


def _refusal(place: str | Path) -> DatabaseError:
    with pytest.raises(DatabaseError) as caught:
        Embedded.open(place, scrypt_cost=2)
    assert caught.value.message
    assert caught.value.hint
    return caught.value


def test_a_newer_database_is_refused_and_left_as_it_is(database: str) -> None:
    opened = open_database(database)
    newer = sa.update(schema.schema_version).values(version=99)
    opened.write(lambda connection: connection.execute(newer))
    opened.close()
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


def test_an_auth_schema_of_another_program_in_postgresql_is_refused(
    make_database: Callable[[str], str],
) -> None:
    url = make_database("postgresql")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE SCHEMA auth")
        connection.execute("CREATE TABLE auth.users (id int)")
    assert "users" in _refusal(url).message


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


@pytest.mark.parametrize("scheme", ["postgresql", "postgres"])
def test_an_unreachable_postgresql_is_told_by_its_address(scheme: str) -> None:
    assert "127.0.0.1:1" in _refusal(f"{scheme}://user:geheim@127.0.0.1:1/personas").message


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://user:geheim@127.0.0.1:1/personas",
        "postgresql://user:ge/heim@127.0.0.1:1/personas",
        "postgresql://user:ge?heim@127.0.0.1:1/personas",
        "postgresql://user:ge#heim@127.0.0.1:1/personas",
        "postgresql://user:ge@heim@127.0.0.1:1/personas",
        "postgresql://user:ge/x@heim/y@127.0.0.1:1/personas",
        "postgresql://user/x:geheim@127.0.0.1:1/personas",
        "postgresql://127.0.0.1:1/personas?user=u&password=geheim",
        "postgresql://[",
        "postgresql://host:port/x",
        "mysql://u:geheim@host/x",
    ],
)
def test_no_part_of_a_password_is_told_whatever_is_in_the_url(url: str) -> None:
    refusal = _refusal(url)
    assert "heim" not in refusal.message + refusal.hint


def test_the_name_of_a_postgresql_database_has_no_password(make_database: Callable[[str], str]) -> None:
    url = sa.make_url(make_database("postgresql"))
    secret = url.set(password="ge/he?i#m").render_as_string(hide_password=False)
    with Embedded.open(secret, scrypt_cost=2) as embedded:
        assert embedded.database_name == url.set(password="x", query={}).render_as_string(hide_password=True)


def test_an_older_database_is_upgraded_in_place_and_keeps_what_it_holds(database: str) -> None:
    with Embedded.open(database, scrypt_cost=2) as embedded:
        Client(embedded).seed()

    def add_nickname(connection: Connection) -> None:
        connection.execute(sa.text("ALTER TABLE users ADD COLUMN nickname TEXT"))

    opened = open_database(database)
    opened.write(lambda connection: schema.upgrade(connection, [*schema.STEPS, add_nickname]))
    query = sa.text("SELECT email, nickname FROM users WHERE kind = 'persona'")
    version = sa.select(schema.schema_version.c.version)
    assert opened.read(lambda connection: connection.execute(query).all()) == [(ANNA, None)]
    assert opened.read(lambda connection: connection.scalar(version)) == len(schema.STEPS) + 1
    opened.close()


def test_an_upgrade_that_fails_changes_nothing(database: str) -> None:
    opened = open_database(database)

    def half_done(connection: Connection) -> None:
        connection.execute(sa.text("ALTER TABLE users ADD COLUMN nickname TEXT"))
        connection.execute(sa.text("ALTER TABLE nowhere ADD COLUMN x TEXT"))

    with pytest.raises(exc.DBAPIError):
        opened.write(lambda connection: schema.upgrade(connection, [*schema.STEPS, half_done]))
    columns = opened.read(lambda connection: [c["name"] for c in sa.inspect(connection).get_columns("users")])
    assert "nickname" not in columns
    opened.close()
    Embedded.open(database, scrypt_cost=2).close()


@pytest.mark.parametrize(
    ("table", "change"),
    [
        ("users", {"kind": "robot"}),
        ("personas", {"tick_cadence": "yearly"}),
        ("persona_feedback", {"rating": 6}),
        ("persona_feedback", {"rating": 0}),
        ("persona_actions", {"result": "perhaps"}),
        ("persona_actions", {"persona_id": "nobody"}),
    ],
)
def test_the_database_itself_refuses_what_must_not_be(
    client: Client, table: str, change: dict[str, object]
) -> None:
    user_id = client.seed()
    ids = {"id": "x", "persona_id": user_id, "tick_id": "t", "created_at": client.embedded._service.now()}
    client.write(
        sa.insert(schema.persona_feedback).values(**ids, module="notes", rating=3),
        sa.insert(schema.persona_actions).values(**ids, tool_name="t", result="ok"),
    )
    # Past SQLAlchemy's own check of the enum, which would hide the database's.
    column, value = next(iter(change.items()))
    assert isinstance(value, str | int)
    with pytest.raises((exc.IntegrityError, exc.DataError)):
        client.write(sa.text(f"UPDATE {table} SET {column} = {value!r}"))


def test_kind_is_an_enum_in_the_schema_auth_of_postgresql(standing_postgresql: Embedded) -> None:
    query = sa.text(
        "SELECT udt_schema, udt_name FROM information_schema.columns "
        "WHERE table_schema = 'auth' AND table_name = 'users' AND column_name = 'kind'"
    )
    database = standing_postgresql._service.database
    assert database.read(lambda connection: tuple(connection.execute(query).one())) == ("auth", "user_kind")


def test_a_write_that_fails_leaves_no_transaction_open(database: str) -> None:
    opened = open_database(database)
    insert = sa.insert(schema.secrets)

    def fail(connection: Connection) -> None:
        connection.execute(insert.values(name="a", value="half"))
        raise ZeroDivisionError

    for _ in range(20):
        with pytest.raises(ZeroDivisionError):
            opened.write(fail)
    opened.write(lambda connection: connection.execute(insert.values(name="a", value="whole")))
    value = sa.select(schema.secrets.c.value)
    assert opened.read(lambda connection: connection.scalars(value).all()) == ["whole"]
    opened.close()


def test_posts_of_one_email_at_once_make_one_persona(client: Client) -> None:
    headers = {"authorization": f"Bearer {client.embedded.admin_token()}"}
    answers = client.at_once("POST", PERSONAS, *[{"json": body(), "headers": headers}] * 12)
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["userId"] for answer in answers}) == 1
    assert len(client.live()) == 1
