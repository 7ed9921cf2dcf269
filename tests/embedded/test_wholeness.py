"""Nothing is done by halves: not by a call that fails in its middle, and not by a process that is killed."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import httpx
import pytest
from conftest import SERVICE_KEY
from sqlalchemy import event, exc

from personas.embedded import Embedded, schema, serving

from .client import ANNA, HUMAN, PASSWORD, PERSONAS, REGISTER, Client, body
from .flat import CLEO, Flat

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NEW = "new@mana.test"
KILLS = 20


@contextmanager
def failing_at(embedded: Embedded, number: int) -> Iterator[list[str]]:
    """Let the n-th change to the database fail, as a full disk or a lost connection would; the changes."""
    changes: list[str] = []

    def count(_1: Any, _2: Any, statement: str, *_rest: Any) -> None:
        if statement.startswith(("INSERT", "UPDATE", "DELETE")):
            changes.append(statement)
            if len(changes) == number:
                raise exc.OperationalError("a change", {}, RuntimeError("the disk is full"))

    engine = embedded._service.database._engine
    event.listen(engine, "before_cursor_execute", count)
    try:
        yield changes
    finally:
        event.remove(engine, "before_cursor_execute", count)


def _everything(client: Client) -> dict[str, list[Any]]:
    return {table.name: client.rows(table) for table in schema.metadata.sorted_tables}


def _register(flat: Flat) -> httpx.Response:
    return flat.client.call("POST", REGISTER, json={"email": NEW, "password": PASSWORD, "name": "A human"})


def _upsert(**changes: Any) -> Callable[[Flat], httpx.Response]:
    return lambda flat: flat.client.admin("POST", PERSONAS, json=body(**changes))


def _run(field: str, **row: Any) -> Callable[[Flat], httpx.Response]:
    def add(flat: Flat) -> httpx.Response:
        rows = [{"tickId": f"t{number}", **row} for number in range(5)]
        return flat.client.run(flat.client.user(ANNA)["id"], field, *rows)

    return add


def _accept(flat: Flat) -> httpx.Response:
    invitation = next(row["id"] for row in flat.client.rows(schema.invitations) if row["email"] == CLEO)
    return flat.call(CLEO, "accept-invitation", invitationId=invitation)


CLUB = {"name": "X", "slug": "x", "metadata": {"type": "club"}}
WORKS: dict[str, Callable[[Flat], httpx.Response]] = {
    "register": _register,
    "log in": lambda flat: flat.client.login(),
    "log in with a wrong password": lambda flat: flat.client.login(password="wrong"),
    "sign in": lambda flat: flat.client.sign_in(),
    "create a persona": _upsert(email=NEW),
    "change a persona": _upsert(archetype="solo-dev"),
    "heal a half-created one": _upsert(email=HUMAN),
    "delete a persona": lambda flat: flat.client.admin(
        "DELETE", f"{PERSONAS}/{flat.client.user(ANNA)['id']}"
    ),
    "make a space": lambda flat: flat.send(ANNA, "create", CLUB),
    "accept an invitation": _accept,
    "add actions": _run("actions", toolName="x", result="ok"),
    "add feedback": _run("feedback", module="m", rating=3),
}


def _fail_at_every_change(flat: Flat, work: Callable[[Flat], httpx.Response]) -> None:
    client = flat.client
    client.register(HUMAN, PASSWORD)
    client.login(password="wrong")
    flat.invite(CLEO)
    before = _everything(client)
    for number in range(1, 20):
        with failing_at(client.embedded, number) as changes:
            answer = work(flat)
        if len(changes) < number:
            break
        assert answer.status_code == 503
        assert _everything(client) == before
    assert number > 1
    assert answer.status_code in (200, 401)
    assert _everything(client) != before


@pytest.mark.parametrize("work", WORKS)
def test_what_fails_in_the_middle_leaves_nothing_half_done(small_flat: Flat, work: str) -> None:
    _fail_at_every_change(small_flat, WORKS[work])


@pytest.mark.parametrize("work", ["create a persona", "accept an invitation"])
def test_it_is_so_on_each_kind_of_database(flat: Flat, work: str) -> None:
    _fail_at_every_change(flat, WORKS[work])


def test_many_clients_that_write_at_once_lose_nothing(client: Client) -> None:
    with serving(client.embedded) as url:
        headers = {"authorization": f"Bearer {client.embedded.admin_token()}", "x-service-key": SERVICE_KEY}

        async def write(number: int) -> None:
            async with httpx.AsyncClient(base_url=url, headers=headers, timeout=60) as sender:
                for turn in range(3):
                    made = await sender.post(PERSONAS, json=body(f"c{number}t{turn}@mana.test"))
                    persona = made.json()["userId"]
                    rows = [{"tickId": persona, "toolName": "x", "result": "ok"}] * 5
                    path = f"/api/v1/internal/personas/{persona}/actions"
                    added = await sender.post(path, json={"actions": rows})
                    assert added.json() == {"ok": True, "written": 5}
                assert (await sender.delete(f"{PERSONAS}/{persona}")).status_code == 200

        async def run() -> None:
            async with anyio.create_task_group() as group:
                for number in range(16):
                    group.start_soon(write, number)

        anyio.run(run)
    kept = {f"c{number}t{turn}@mana.test" for number in range(16) for turn in range(2)}
    assert {(persona["email"], persona["actions7d"]) for persona in client.live()} == {
        (email, 5) for email in kept
    }


def _many(task: str, database: str, number: int) -> list[str]:
    """Let many write; whose writes were answered."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "embedded.writers", task, database, str(number)],
        cwd=Path(__file__).parent.parent,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


def test_processes_that_share_a_fresh_database_lose_no_write_and_meet_no_lock(database: str) -> None:
    _many("share", database, 3)
    with Embedded.open(database, scrypt_cost=2) as embedded:
        assert len(Client(embedded).live()) == 30
        assert embedded.count().users == 31  # and one admin


def test_a_seed_that_is_killed_in_twenty_places_loses_no_answered_write(tmp_path: Path) -> None:
    file = tmp_path / "auth.db"
    answered = _many("kill", str(file), KILLS)
    assert len(answered) >= KILLS
    with Embedded.open(file, scrypt_cost=2) as embedded:
        client = Client(embedded)
        assert set(answered) <= {persona["email"] for persona in client.live()}
        # What was not answered is there as a whole, or not at all.
        users = [user for user in client.rows(schema.users) if user["role"] != "admin"]
        whole = {user["id"] for user in users}
        assert {user["kind"] for user in users} == {"persona"}
        assert {row["user_id"] for row in client.rows(schema.personas)} == whole
        for table in (schema.accounts, schema.members):
            assert {row["user_id"] for row in client.rows(table)} >= whole
        assert client.login(answered[-1]).status_code == 200
        assert client.seed(ANNA)
    with closing(sqlite3.connect(file)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
