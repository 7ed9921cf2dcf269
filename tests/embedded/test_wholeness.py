"""Nothing is done by halves: not by a call that fails in its middle, and not by a process that is killed."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa
from conftest import SERVICE_KEY

from personas.embedded import Embedded, schema

from .client import ANNA, BO, PASSWORD, PERSONAS, Client, body

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

KILLS = 50


def _everything(client: Client) -> dict[str, list[dict[str, Any]]]:
    return {table.name: client.rows(table) for table in schema.metadata.sorted_tables}


def _create(client: Client, _ids: dict[str, str]) -> int:
    return client.admin("POST", PERSONAS, json=body(BO)).status_code


def _change(client: Client, _ids: dict[str, str]) -> int:
    return client.admin("POST", PERSONAS, json=body(archetype="somebody else")).status_code


def _delete(client: Client, ids: dict[str, str]) -> int:
    return client.admin("DELETE", f"{PERSONAS}/{ids['user']}").status_code


def _register(client: Client, _ids: dict[str, str]) -> int:
    person = {"email": "human@example.com", "password": PASSWORD, "name": "A human"}
    return client.call("POST", "/api/v1/auth/register", json=person).status_code


def _make_space(client: Client, ids: dict[str, str]) -> int:
    space = {"name": "X", "slug": "x", "metadata": {"type": "club"}}
    return client.as_user(ids["cookie"], "POST", "/api/auth/organization/create", json=space).status_code


def _run(field: str, row: dict[str, Any]) -> Callable[[Client, dict[str, str]], int]:
    def add(client: Client, ids: dict[str, str]) -> int:
        rows = [{"tickId": f"t{number}", **row} for number in range(5)]
        path = f"/api/v1/internal/personas/{ids['user']}/{field}"
        return client.call(
            "POST", path, json={field: rows}, headers={"x-service-key": SERVICE_KEY}
        ).status_code

    return add


@pytest.mark.parametrize(
    ("call", "breaks"),
    [
        (_create, "BEFORE INSERT ON personas"),
        (_create, "BEFORE INSERT ON members"),
        (_change, "BEFORE UPDATE ON personas"),
        (_delete, "BEFORE DELETE ON users"),
        (_register, "BEFORE INSERT ON accounts"),
        (_register, "BEFORE INSERT ON members"),
        (_make_space, "BEFORE INSERT ON members"),
        (_run("actions", {"toolName": "x", "result": "ok"}), "BEFORE UPDATE ON personas"),
        (
            _run("actions", {"toolName": "x", "result": "ok"}),
            "BEFORE INSERT ON persona_actions WHEN NEW.tick_id = 't3'",
        ),
        (
            _run("feedback", {"module": "m", "rating": 3}),
            "BEFORE INSERT ON persona_feedback WHEN NEW.tick_id = 't3'",
        ),
    ],
)
def test_a_call_that_fails_in_its_middle_leaves_everything_as_it_was_and_works_later(
    small: Client, call: Callable[[Client, dict[str, str]], int], breaks: str
) -> None:
    ids = {"user": small.seed(), "cookie": small.cookie()}
    before = _everything(small)
    small.write(sa.text(f"CREATE TRIGGER breaks {breaks} BEGIN SELECT RAISE(ABORT, 'broken'); END"))
    try:
        assert call(small, ids) in {409, 500, 503}
        assert _everything(small) == before
    finally:
        small.write(sa.text("DROP TRIGGER breaks"))
    assert call(small, ids) == 200
    assert _everything(small) != before


# Forks a process that seeds, hears from it of each write that was answered, and kills it at some moment;
# again and again, on one database. A process of its own does it: forking wants one without threads.
SEEDER = """
import json, os, select, signal, sys
import anyio, httpx
from personas.embedded import Embedded, serving

def seed(file, turn, pipe):
    with Embedded.open(file, scrypt_cost=2) as embedded:
        headers = {"authorization": f"Bearer {embedded.admin_token()}"}
        transport = httpx.ASGITransport(embedded.app)

        async def run():
            async with httpx.AsyncClient(
                transport=transport, base_url=embedded.base_url, headers=headers
            ) as client, anyio.create_task_group() as group:
                async def write(worker):
                    for number in range(1000):
                        email = f"k{turn}w{worker}n{number}@mana.test"
                        sent = {"email": email, "name": "K", "password": "password", "archetype": "a",
                                "systemPrompt": "You are one who is written while the light goes out.",
                                "moduleMix": {"notes": 1}}
                        answer = await client.post("/api/v1/admin/personas", json=sent)
                        assert answer.status_code == 200, answer.text
                        os.write(pipe, (email + "\\n").encode())
                for worker in range(4):
                    group.start_soon(write, worker)
        anyio.run(run)

file, kills = sys.argv[1], int(sys.argv[2])
Embedded.open(file, scrypt_cost=2).close()
answered = []
for turn in range(kills):
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.close(reading)
        seed(file, turn, writing)
        os._exit(9)
    os.close(writing)
    text = b""
    while text.count(b"\\n") < turn % 7:  # so many answers, and then in the middle of the next ones
        text += os.read(reading, 4096) or sys.exit("the seeding process has ended")
    select.select([reading], [], [], turn % 5 / 1000)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    while chunk := os.read(reading, 4096):
        text += chunk
    os.close(reading)
    answered += text.decode().splitlines()
print(json.dumps(answered))
"""


def test_a_seed_that_is_killed_in_fifty_places_loses_no_answered_write(tmp_path: Path) -> None:
    file = tmp_path / "auth.db"
    done = subprocess.run(
        [sys.executable, "-c", SEEDER, str(file), str(KILLS)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    answered = json.loads(done.stdout)
    assert len(answered) >= KILLS
    with Embedded.open(file, scrypt_cost=2) as embedded:
        client = Client(embedded)
        live = {persona["email"] for persona in client.live()}
        assert set(answered) <= live
        # What was not answered is there as a whole, or not at all.
        users = [user for user in client.rows(schema.users) if user["role"] != "admin"]
        whole = {user["id"] for user in users}
        assert {user["kind"] for user in users} == {"persona"}
        assert {row["user_id"] for row in client.rows(schema.personas)} == whole
        assert {row["user_id"] for row in client.rows(schema.accounts)} >= whole
        assert {row["user_id"] for row in client.rows(schema.members)} >= whole
        assert client.login(answered[-1], "password").status_code == 200
        assert client.seed(ANNA)
    with sqlite3.connect(file) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    connection.close()
