"""Opening, upgrading, sharing and refusing databases."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from typing import TYPE_CHECKING

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
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE invoices (id)")
    connection.close()
    assert "invoices" in _refusal(path).message
    connection = sqlite3.connect(path)
    assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("invoices",)]
    connection.close()


@pytest.mark.xdist_group("postgresql")
def test_an_auth_schema_of_another_program_is_refused(make_database: Callable[[str], str]) -> None:
    url = make_database("postgresql")
    engine = sa.create_engine(sa.make_url(url).set(drivername="postgresql+psycopg"))
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE SCHEMA auth"))
        connection.execute(sa.text("CREATE TABLE auth.users (id int)"))
    engine.dispose()
    assert "users" in _refusal(url).message


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("These are notes, and no database. " * 50)
    assert "is not an SQLite database" in _refusal(path).message


def test_a_damaged_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "auth.db"
    Embedded.open(path, scrypt_cost=2).close()
    path.write_bytes(path.read_bytes()[:5000])
    assert str(path) in _refusal(path).message


def test_a_folder_is_refused(tmp_path: Path) -> None:
    assert "Is a directory" in _refusal(tmp_path).message


def test_a_place_where_no_file_can_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert "cannot be opened" in _refusal(tmp_path / "file" / "auth.db").message
    assert "cannot be opened" in _refusal("a\x00b/auth.db").message


@pytest.mark.parametrize(
    "url", ["postgresql://user:geheim@127.0.0.1:1/personas", "postgres://user:geheim@127.0.0.1:1/personas"]
)
def test_an_unreachable_postgresql_is_told_without_its_password(url: str) -> None:
    refusal = _refusal(url)
    assert "127.0.0.1:1" in refusal.message
    assert "geheim" not in refusal.message + refusal.hint


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://user:ge/heim@127.0.0.1:1/personas",
        "postgresql://user:ge?heim@127.0.0.1:1/personas",
        "postgresql://user:ge#heim@127.0.0.1:1/personas",
        "postgresql://user:ge@heim@127.0.0.1:1/personas",
        "postgresql://user:ge/x@heim/y@127.0.0.1:1/personas",
        "postgresql://user/x:geheim@127.0.0.1:1/personas",
        "postgresql://127.0.0.1:1/personas?user=u&password=geheim",
    ],
)
def test_no_part_of_a_password_is_told_whatever_is_in_it(url: str) -> None:
    refusal = _refusal(url)
    assert "heim" not in refusal.message + refusal.hint


@pytest.mark.xdist_group("postgresql")
def test_a_databases_name_has_no_password(make_database: Callable[[str], str]) -> None:
    url = sa.make_url(make_database("postgresql"))
    secret = url.set(password="ge/he?i#m").render_as_string(hide_password=False)
    with Embedded.open(secret, scrypt_cost=2) as embedded:
        assert embedded.database_name == url.set(password="x", query={}).render_as_string(hide_password=True)


@pytest.mark.parametrize("url", ["postgresql://[", "postgresql://host:port/x", "mysql://u:geheim@host/x"])
def test_a_url_that_cannot_be_meant_so_is_refused_without_its_password(url: str) -> None:
    refusal = _refusal(url)
    assert "geheim" not in refusal.message + refusal.hint


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


@pytest.mark.xdist_group("postgresql")
def test_kind_is_an_enum_in_the_schema_auth_of_postgresql(make_database: Callable[[str], str]) -> None:
    url = make_database("postgresql")
    Embedded.open(url, scrypt_cost=2).close()
    engine = sa.create_engine(sa.make_url(url).set(drivername="postgresql+psycopg"))
    query = "SELECT udt_schema, udt_name FROM information_schema.columns WHERE table_schema = 'auth'"
    with engine.connect() as connection:
        found = connection.execute(
            sa.text(f"{query} AND table_name = 'users' AND column_name = 'kind'")
        ).one()
    engine.dispose()
    assert tuple(found) == ("auth", "user_kind")


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


# Becomes three programs before any of them has opened the database; tells how they ended.
WRITERS = """
import os, sys, anyio, httpx
from personas.embedded import Embedded

async def main(embedded, first):
    headers = {"authorization": f"Bearer {embedded.admin_token()}"}
    transport = httpx.ASGITransport(embedded.app)
    async with httpx.AsyncClient(transport=transport, base_url=embedded.base_url, headers=headers) as client:
        async def write(number):
            body = {"email": f"p{number}@mana.test", "name": "P", "password": "password", "archetype": "a",
                    "systemPrompt": "You are one of many.", "moduleMix": {"notes": 1}}
            for _ in range(2):
                answer = await client.post("/api/v1/admin/personas", json=body)
                assert answer.status_code == 200, answer.text
        async with anyio.create_task_group() as group:
            for number in range(first, first + 25):
                group.start_soon(write, number)

def begin(first):
    pid = os.fork()
    if pid == 0:
        with Embedded.open(sys.argv[1], scrypt_cost=2) as embedded:
            anyio.run(main, embedded, first)
        sys.exit()
    return pid

print([os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in [begin(0), begin(25), begin(50)]])
"""


def test_programs_that_share_a_fresh_database_lose_no_write_and_meet_no_lock(database: str) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", WRITERS, database],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("[0, 0, 0]\n", "")
    with Embedded.open(database, scrypt_cost=2) as embedded:
        assert len(Client(embedded).live()) == 75
        assert embedded.count().users == 76  # and one admin


def test_two_posts_of_one_email_at_once_make_one_persona(database: str) -> None:
    import anyio
    import httpx

    with Embedded.open(database, scrypt_cost=2) as embedded:
        headers = {"authorization": f"Bearer {embedded.admin_token()}"}

        async def run() -> list[httpx.Response]:
            transport = httpx.ASGITransport(embedded.app)
            base = embedded.base_url
            answers: list[httpx.Response] = []
            async with httpx.AsyncClient(transport=transport, base_url=base, headers=headers) as client:

                async def post() -> None:
                    answers.append(await client.post(PERSONAS, json=body()))

                async with anyio.create_task_group() as group:
                    for _ in range(12):
                        group.start_soon(post)
            return answers

        answers = anyio.run(run)
        assert {answer.status_code for answer in answers} == {200}
        assert len({answer.json()["userId"] for answer in answers}) == 1
        assert len(Client(embedded).live()) == 1
