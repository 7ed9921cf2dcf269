from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from personas import derive_password
from personas.embedded import ServerThread, schema
from personas.services import http
from tests.commands import Done, run, start

from .proxy import NO_TLS, Answer, Proxy, Script, open_proxy

ENDPOINT = "/api/v1/admin/personas"
SIGN_IN = "/api/auth/sign-in/email"
ANNA, BO, KIM = (f"persona.{name}@mana.test" for name in ("anna", "bo", "kim"))
# With characters that JSON and URLs escape.
SECRET = 'the "seed secret" of\\the tests, 100 % ü'
ADMIN_PASSWORD = 'the "password" of\\the admin/ü+1'
# Sign in as the admin instead of using a token.
BY_PASSWORD: dict[str, Any] = {
    "MANA_ADMIN_JWT": None,
    "MANA_ADMIN_EMAIL": "admin@embedded.localhost",
    "MANA_ADMIN_PASSWORD": ADMIN_PASSWORD,
}
# A shared space for catalogs that have Anna and Bo.
TEAM = {"slug": "two-friends", "name": "Two Friends", "type": "team", "owner": ANNA, "members": [BO]}


class World:
    """The embedded service on a port behind a proxy with faults, and a folder to run commands in.

    Attributes:
        release: What scripts wait for; set at the end, so that no thread is left.
    """

    def __init__(self, server: ServerThread, proxy: Proxy, folder: Path) -> None:
        self.server = server
        self.proxy = proxy
        self.folder = folder
        self.release = threading.Event()
        self.http = httpx.Client(base_url=server.url, trust_env=False, verify=NO_TLS)
        self.env: dict[str, str | None] = {
            "MANA_AUTH_URL": proxy.url,
            "MANA_ADMIN_JWT": server.admin_token(),
            "PERSONA_SEED_SECRET": SECRET,
        }

    def catalog(self, *names: str, file: str = "catalog.json", **more: Any) -> None:
        """Write a catalog of these names or emails; `more` goes into its root, `fields` into each persona."""
        fields = more.pop("fields", {})
        personas = [
            {
                "name": name.partition("@")[0].title(),
                "email": name if "@" in name else f"persona.{name}@mana.test",
                "archetype": "solo-dev",
                "systemPrompt": f"You are {name.title()}, and you keep short notes of everything.",
                "moduleMix": {"notes": 0.7, "todo": 0.3},
                **fields,
            }
            for name in names
        ]
        path = self.folder / file
        path.write_text(json.dumps({"personas": personas, **more}, indent=2), encoding="utf-8")

    def edit(self, old: str, new: str, file: str = "catalog.json") -> None:
        """Replace the first place of a text in a catalog."""
        path = self.folder / file
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new, 1), encoding="utf-8")

    def seed(self, *names: str, secret: str = SECRET, **more: Any) -> None:
        """Write a catalog of these names or emails, and seed them."""
        self.catalog(*names, **more)
        done = self.run("seed", PERSONA_SEED_SECRET=secret)
        assert done.code == 0, done.all

    def run(self, *arguments: str, script: Script | None = None, **env: str | None) -> Done:
        """Run a command through the proxy; only its requests are kept."""
        self.proxy.requests.clear()
        self.proxy.script = script or (lambda _: None)
        return run(*arguments, env={**self.env, **env})

    def start(self, *arguments: str, **options: Any) -> subprocess.Popen[str]:
        """Start a command as a program; the caller waits for it."""
        environ = {name: value for name, value in self.env.items() if value}
        process = start(*arguments, folder=self.folder, env=environ, **options)
        # No test waits longer for a program that hangs.
        timer = threading.Timer(60, process.kill)
        timer.daemon = True
        timer.start()
        return process

    def admin(self, method: str, path: str, **options: object) -> httpx.Response:
        """Call the service as its admin, past the proxy."""
        headers = {"authorization": f"Bearer {self.server.admin_token()}"}
        return self.http.request(method, path, headers=headers, **options)  # type: ignore[arg-type]  # options of httpx

    def live(self) -> dict[str, str]:
        """Return the ids of all live personas by email."""
        listed = self.admin("GET", "/api/v1/admin/personas").json()["personas"]
        return {persona["email"]: persona["userId"] for persona in listed}

    def sign_up(self, email: str, *, password: str = "a password of their own", name: str = "A Human") -> str:
        """Let a person sign up; return the user id."""
        body = {"email": email, "password": password, "name": name}
        response = self._post("sign-up/email", body)
        return str(response.raise_for_status().json()["user"]["id"])

    def verify(self, email: str) -> None:
        """Confirm the email of an account, as its owner does with a link."""
        with self.server.service.database.write() as connection:
            users = schema.users
            connection.execute(users.update().where(users.c.email == email).values(email_verified=True))

    def count_sessions(self) -> int:
        """Return how many sessions are open."""
        with self.server.service.database.read() as connection:
            return connection.scalar(sa.select(sa.func.count()).select_from(schema.sessions)) or 0

    def sign_in(self, email: str, password: str | None = None) -> httpx.Response:
        """Sign in past the proxy, with the derived password by default."""
        body = {"email": email, "password": password or derive_password(email, SECRET)}
        return self._post("sign-in/email", body)

    def _post(self, path: str, body: object) -> httpx.Response:
        self.http.cookies.clear()
        return self.http.post(f"/api/auth/{path}", json=body)


@pytest.fixture(autouse=True)
def _quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waiting between attempts is tested with the HTTP client; here it would only take time."""
    monkeypatch.setattr(http.RetryPolicy, "wait", lambda *_: 0.001)


@pytest.fixture(scope="session")
def server() -> Iterator[ServerThread]:
    with ServerThread(scrypt_n=16, admin_password=ADMIN_PASSWORD) as server:
        yield server


@pytest.fixture
def world(server: ServerThread, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """A world in which the service has its admin only."""
    monkeypatch.chdir(tmp_path)
    # One server for all tests: starting and stopping it takes longer than most of them.
    with server.service.database.write() as connection:
        admin = schema.users.c.role == "admin"
        kept = {
            schema.users: admin,
            schema.accounts: schema.accounts.c.user_id.in_(sa.select(schema.users.c.id).where(admin)),
        }
        for table in reversed(schema.metadata.sorted_tables):
            if table is not schema.settings:
                connection.execute(table.delete().where(~kept.get(table, sa.false())))
    with open_proxy(server.url) as proxy:
        world = World(server, proxy, tmp_path)
        with world.http:
            yield world
        world.release.set()


def statuses(report: Done) -> dict[str, str]:
    """Return status by email of a JSON report."""
    return {change["key"]: change["status"] for change in report.json["plan"]["changes"]}


def results(report: Done) -> Sequence[str]:
    """Return the results of a JSON report, in order."""
    return [outcome["result"] for outcome in report.json["outcomes"]]


def rewrite(text: str) -> Callable[[httpx.Response], Answer]:
    """Return a change of the service's answers: this text stands in all texts of personas but the email."""

    def change(response: httpx.Response) -> Answer:
        body = response.json()
        for persona in body.get("personas", [body.get("persona", {})]):
            persona["name"] = persona["archetype"] = persona["tickCadence"] = persona["systemPrompt"] = text
            persona["moduleMix"] = {text: 1}
            persona["createdAt"] = "0001-01-01T00:00:00"  # before all time zones
        if "persona" in body:
            body["recentActions"] = [{"toolName": text, "result": text, "errorMessage": text}]
            body["feedbackByModule"] = [{"module": text, "avgRating": 1}]
        return Answer(response.status_code, body)

    return change
