from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
import typer.main
from typer.testing import CliRunner

from personas.cli.app import app
from personas.embedded import ServerThread
from personas.embedded.schema import metadata, users
from personas.embedded.service import ADMIN_EMAIL
from personas.passwords import derive_password

SECRET = "the-seed-secret-of-these-tests"
ADA, BO, CY = "persona.ada@mana.test", "persona.bo@mana.test", "persona.cy@mana.test"
ADMIN_PASSWORD = "the-password-of-the-admin"
_PREFIXES = ("MANA_", "PERSONA", "GITHUB_")
_NAMES = {"NO_COLOR", "FORCE_COLOR", "CI", "NODE_ENV", "COLUMNS", "LINES", "TERM", "TERMINAL_WIDTH"}


@dataclass(frozen=True)
class Result:
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def entry(local: str, **changes: Any) -> dict[str, Any]:
    """A persona of a catalog."""
    return {
        "name": local.title(),
        "email": f"persona.{local}@mana.test",
        "archetype": "researcher",
        "systemPrompt": f"You are {local.title()}, who tests things with great care.",
        "moduleMix": {"todo": 0.5, "notes": 1},
        "tickCadence": "daily",
        **changes,
    }


def write_catalog(*personas: dict[str, Any], file: str = "catalog.json", **root: Any) -> Path:
    path = Path(file)
    path.write_text(json.dumps({**root, "personas": personas}, indent=2), "utf-8")
    return path


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to run in, with a catalog of three, and no variables but the seed secret."""
    for name in list(os.environ):
        if name.startswith(_PREFIXES) or name in _NAMES or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("PERSONA_SEED_SECRET", SECRET)
    monkeypatch.chdir(tmp_path)
    write_catalog(entry("ada"), entry("bo"), entry("cy", archetype="solo-dev"))
    return tmp_path


@pytest.fixture(autouse=True, scope="session")
def _commands_are_built_once() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("typer.testing._get_command", cache(typer.main.get_command))
        # The embedded service in process: hashing would take most of the time.
        patch.setattr("personas.embedded.app.SCRYPT_N", 2)
        yield


def personas(*args: str, stdin: str = "", **env: str) -> Result:
    """Run a command in this process; it must not meet a bug."""
    result = run_unchecked(*args, stdin=stdin, **env)
    assert "a bug in personas" not in result.err, result.err
    return result


def run_unchecked(*args: str, stdin: str = "", **env: str) -> Result:
    result = CliRunner().invoke(app, list(args), input=stdin, env=env)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exc_info
    return Result(result.exit_code, result.stdout_bytes.decode(), result.stderr)


@dataclass
class Service:
    """The embedded service on a port, empty at the start of each test."""

    server: ServerThread
    at: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        self.at = ("--auth", self.server.url, "--jwt", self.server.admin_token())

    @property
    def url(self) -> str:
        return self.server.url

    def ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Call the service as its admin."""
        headers = {"authorization": f"Bearer {self.server.admin_token()}"}
        return httpx.request(method, f"{self.url}{path}", headers=headers, trust_env=False, **options)

    @property
    def emails(self) -> set[str]:
        """The emails of the live personas."""
        listed = self.ask("GET", "/api/v1/admin/personas").json()["personas"]
        return {persona["email"] for persona in listed}

    def create(self, local: str, secret: str = SECRET, **changes: Any) -> None:
        """Create a persona, or change it, as the service's API does."""
        body = entry(local, **changes)
        body["password"] = derive_password(body["email"], secret)
        assert self.ask("POST", "/api/v1/admin/personas", json=body).status_code == 200

    def sign_up(self, email: str, password: str = "a-human-password") -> None:
        """Create an account that is not a persona."""
        body = {"email": email, "password": password, "name": "A human"}
        assert self.ask("POST", "/api/v1/auth/register", json=body).is_success


@pytest.fixture(scope="session")
def _server() -> Iterator[ServerThread]:
    with ServerThread(scrypt_n=2, service_key="key") as server:
        yield server


@pytest.fixture
def service(_server: ServerThread) -> Service:
    with _server.service.database.write() as connection:
        for table in reversed(metadata.sorted_tables):
            if table.name == "users":
                connection.execute(sa.delete(users).where(users.c.email != ADMIN_EMAIL))
            elif table.name != "settings":
                connection.execute(sa.delete(table))
    return Service(_server)


@pytest.fixture
def seeded(service: Service) -> Service:
    """A service with the personas of the catalog."""
    assert personas("seed", *service.at).code == 0
    return service


@pytest.fixture
def unused_url() -> Iterator[str]:
    """An address where nothing listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"
