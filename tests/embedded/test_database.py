from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import httpx
import pytest
import sqlalchemy as sa

from personas.embedded import EmbeddedError, ServerThread
from personas.embedded.database import open_database
from personas.embedded.schema import users
from personas.embedded.service import Service
from tests.cli.conftest import limited

from .conftest import Client, persona

# Serves until it is killed, with quick hashes.
SERVE = """
import sys, threading
from personas.embedded import ServerThread
with ServerThread(sys.argv[1], scrypt_n=2) as server:
    print(server.url, server.admin_token(), flush=True)
    threading.Event().wait(60)
"""


def _open(place: str | Path) -> Service:
    return Service(place, base_url="http://localhost", scrypt_n=2)


def test_a_killed_server_loses_no_answered_write(database: str) -> None:
    command = [sys.executable, "-c", SERVE, database]
    with limited(subprocess.Popen(command, stdout=subprocess.PIPE, text=True)) as process:
        assert process.stdout is not None
        url, token = process.stdout.readline().split()
        answered: list[str] = []

        def create(number: int) -> None:
            email = f"p{number}@mana.test"
            try:
                answer = client.post("/api/v1/admin/personas", json=persona(email))
            except httpx.HTTPError:
                return
            assert answer.status_code == 200
            answered.append(email)
            if len(answered) >= 12:
                process.kill()

        headers = {"authorization": f"Bearer {token}"}
        with (
            httpx.Client(base_url=url, headers=headers, verify=False) as client,
            ThreadPoolExecutor(4) as pool,
        ):
            list(pool.map(create, range(40)))
    with ServerThread(database, scrypt_n=2) as server, Client(server.service) as client:
        found = client.admin("GET", "/personas").json()["personas"]
    assert 12 <= len(answered) < 40
    assert set(answered) <= {each["email"] for each in found}


def test_first_starts_at_once_share_keys_and_admin(database: str) -> None:
    with ThreadPoolExecutor(6) as pool:
        services = list(pool.map(_open, [database] * 6))
    with services[0].database.read() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(users)) == 1
    assert len({service.signer.jwks()["keys"][0]["x"] for service in services}) == 1
    for service in services:
        service.close()


def test_the_database_is_kept_and_reset_empties_it(database: str) -> None:
    with ServerThread(database, scrypt_n=2) as server, Client(server.service) as client:
        client.create("ada@mana.test")
    with ServerThread(database, scrypt_n=2) as server, Client(server.service) as client:
        assert len(client.admin("GET", "/personas").json()["personas"]) == 1
        old_token = server.admin_token()
    Service(database, base_url="http://localhost", reset=True).close()
    with ServerThread(database, scrypt_n=2) as server, Client(server.service) as client:
        assert client.admin("GET", "/personas").json() == {"personas": []}
        headers = {"authorization": f"Bearer {old_token}"}
        assert client.get("/api/v1/admin/personas", headers=headers).status_code == 401


def test_reads_do_not_wait_for_another_program_that_writes(tmp_path: Path) -> None:
    file = tmp_path / "auth.db"
    with (
        ServerThread(file, scrypt_n=2) as server,
        Client(server.service) as client,
        closing(sqlite3.connect(file, isolation_level=None)) as other,
    ):
        user_id = client.create("ada@mana.test").json()["userId"]
        other.execute("BEGIN EXCLUSIVE")
        other.execute("DELETE FROM users")
        assert client.admin("GET", f"/personas/{user_id}").status_code == 200


@pytest.mark.skipif(os.name != "posix", reason="file modes are of POSIX")
def test_only_the_owner_can_read_the_files(tmp_path: Path) -> None:
    file = tmp_path / "new" / "auth.db"
    (tmp_path / "old.db").touch(mode=0o666)
    umask = os.umask(0)
    try:
        services = [_open(file), _open(tmp_path / "old.db")]
    finally:
        os.umask(umask)
    found = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.rglob("*") if path.is_file()}
    for service in services:
        service.close()
    assert {"auth.db", "auth.db-wal", "auth.db-shm", "old.db"} <= found.keys()
    assert set(found.values()) == {0o600}


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me:s3cret@127.0.0.1:1/db",
        "postgresql://127.0.0.1:1/db?user=me&password=s3cret",
        "postgresql://me:pass@s3cret@127.0.0.1:1/db",
        "postgresql://me:s3cret@127.0.0.1:port/db",
        "mysql://me:s3cret@127.0.0.1/db",
    ],
)
def test_errors_never_show_the_password_of_the_database(url: str) -> None:
    with pytest.raises(EmbeddedError) as caught:
        _open(url)
    assert caught.value.hint
    assert "s3cret" not in f"{caught.value} {caught.value.hint} {caught.value.__cause__!r}"


def test_the_name_of_a_database_has_no_password() -> None:
    database = open_database("postgresql://me:s3cret@127.0.0.1:1/db?password=s3cret")
    assert database.name == "postgresql://me:***@127.0.0.1:1/db"


def test_files_that_cannot_be_used_are_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    (tmp_path / "text.db").write_text("not a database " * 100)
    with sqlite3.connect(tmp_path / "other.db") as connection:
        connection.execute("CREATE TABLE notes (text TEXT)")
    connection.close()
    for name, reason in (
        ("text.db", "file is not a database"),
        ("other.db", "are of another program or version"),
        ("text.db/auth.db", "cannot open the database"),
        ("", "unable to open database file"),
    ):
        with pytest.raises(EmbeddedError, match=reason):
            _open(tmp_path / name)
    assert sqlite3.connect(tmp_path / "other.db").execute("SELECT * FROM sqlite_master").fetchall()
    assert tmp_path.stat().st_mode & 0o777 == 0o755
