from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
import sqlalchemy as sa

from personas.embedded import ServerThread

from .calls import PASSWORD, Calls, persona

SERVER = os.environ.get("PERSONAS_TEST_DATABASE", "")  # the URL of a PostgreSQL server
DATABASES = ("sqlite", "postgresql")


@contextmanager
def make_database(kind: str, folder: Path) -> Iterator[str]:
    """The place of a new, empty database."""
    if kind == "sqlite":
        yield str(folder / "auth.db")
        return
    if not SERVER:
        pytest.skip("PERSONAS_TEST_DATABASE does not name a PostgreSQL server")
    name = f"personas_test_{secrets.token_hex(6)}"
    with psycopg.connect(SERVER, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
        yield sa.make_url(SERVER).set(database=name).render_as_string(hide_password=False)
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


@pytest.fixture(params=DATABASES)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    with make_database(request.param, tmp_path) as place:
        yield place


class Client(httpx.Client):
    """A client of a running service; `admin` calls carry the admin's token."""

    def __init__(self, server: ServerThread, **options: Any) -> None:
        super().__init__(base_url=server.url, verify=False, **options)  # TLS takes 0.1 s to prepare
        self.server = server

    def admin(self, method: str, path: str, **options: Any) -> httpx.Response:
        headers = {"authorization": f"Bearer {self.server.admin_token()}"}
        return self.request(method, f"/api/v1/admin{path}", headers=headers, **options)

    def create(self, email: str, **fields: Any) -> httpx.Response:
        return self.admin("POST", "/personas", json=persona(email, **fields))

    def sign_in(self, email: str, password: str = PASSWORD, **headers: str) -> httpx.Response:
        credentials = {"email": email, "password": password}
        return self.post("/api/auth/sign-in/email", json=credentials, headers=headers)


@pytest.fixture(scope="module")
def server() -> Iterator[ServerThread]:
    """One service for all tests of a module."""
    with ServerThread(scrypt_n=2, service_key="key") as server:
        yield server


@pytest.fixture
def client(server: ServerThread) -> Iterator[Client]:
    with Client(server) as client:
        yield client


@pytest.fixture
def calls(tmp_path: Path) -> Iterator[Calls]:
    with Calls(tmp_path / "auth.db") as calls:
        yield calls
