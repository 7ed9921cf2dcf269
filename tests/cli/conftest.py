from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import scrypt
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from personas.embedded import ServerThread
from personas.embedded.schema import metadata, users
from personas.embedded.service import ADMIN_EMAIL
from personas.passwords import derive_password
from tests.commands import Done, run

# Calls have `verify=False`: TLS, which plain http does not need, takes longer to prepare than a call.
SECRET = "the-seed-secret-of-these-tests"
ADA, BO, CY = "persona.ada@mana.test", "persona.bo@mana.test", "persona.cy@mana.test"


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


@contextmanager
def limited(process: subprocess.Popen[str], seconds: float = 30) -> Iterator[subprocess.Popen[str]]:
    """Kill a program after this time, and when a test leaves it: no reading or waiting lasts longer."""
    timer = threading.Timer(seconds, process.kill)
    timer.daemon = True
    timer.start()
    with process:
        try:
            yield process
        finally:
            timer.cancel()
            process.kill()


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to run in, with a catalog of three and a seed secret."""
    monkeypatch.setenv("PERSONA_SEED_SECRET", SECRET)
    # The embedded service in process: hashing would take most of the time.
    monkeypatch.setattr("hashlib.scrypt", lambda *args, **options: scrypt(*args, **{**options, "n": 2}))
    monkeypatch.chdir(tmp_path)
    write_catalog(entry("ada"), entry("bo"), entry("cy", archetype="solo-dev"))
    return tmp_path


def personas(*args: str, stdin: str = "", **env: str) -> Done:
    """Run a command in this process; it must not meet a bug."""
    result = run(*args, stdin=stdin, env=env)
    assert "a bug in personas" not in result.err, result.err
    return result


@dataclass
class Service:
    """The embedded service on a port, empty at the start of each test."""

    server: ServerThread
    at: tuple[str, ...]  # the options that name it

    @property
    def url(self) -> str:
        return self.server.url

    def ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Call the service as its admin."""
        headers = {"authorization": f"Bearer {self.server.admin_token()}"}
        return httpx.request(method, f"{self.url}{path}", headers=headers, verify=False, **options)

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
    return Service(_server, ("--auth", _server.url, "--jwt", _server.admin_token()))


@pytest.fixture
def seeded(service: Service) -> Service:
    """A service with the personas of the catalog."""
    for local, changes in (("ada", {}), ("bo", {}), ("cy", {"archetype": "solo-dev"})):
        service.create(local, **changes)
    return service
