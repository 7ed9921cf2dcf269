"""Calls on a service, in this process or on a port: as the admin, as the runner, and as users."""

from __future__ import annotations

import datetime as dt
import os
import secrets
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
import sqlalchemy as sa
from anyio.from_thread import BlockingPortal, start_blocking_portal

from personas.embedded.app import make_app
from personas.embedded.service import Service

SERVER = os.environ.get("PERSONAS_TEST_DATABASE", "")  # the URL of a PostgreSQL server
DATABASES = ("sqlite", "postgresql")
BASE_URL = "http://localhost:3001"
KEY = "runner-key"
PASSWORD = "correct-horse-battery"
ANNA, BO, CLEO, KIM = (f"{name}@mana.test" for name in ("anna", "bo", "cleo", "kim"))
MONDAY = dt.datetime(2026, 11, 23, 9, tzinfo=dt.UTC)


@contextmanager
def make_database(kind: str, folder: Path) -> Iterator[str]:
    """The place of a new, empty database."""
    if kind == "sqlite":
        yield str(folder / "auth.db")
        return
    if not SERVER:
        pytest.skip("PERSONAS_TEST_DATABASE does not name a PostgreSQL server")
    name = f"personas_test_{secrets.token_hex(6)}"
    limits: dict[str, Any] = {"connect_timeout": 10, "options": "-c statement_timeout=30s"}
    with psycopg.connect(SERVER, autocommit=True, **limits) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
        yield sa.make_url(SERVER).set(database=name).render_as_string(hide_password=False)
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


@pytest.fixture(params=DATABASES)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    with make_database(request.param, tmp_path) as place:
        yield place


def persona(email: str, **fields: Any) -> dict[str, Any]:
    """The body that creates a persona."""
    return {
        "email": email,
        "password": PASSWORD,
        "archetype": "illustrator",
        "systemPrompt": "You draw for children's books.",
        "moduleMix": {"photos": 0.6, "notes": 0.2},
        **fields,
    }


class Client(httpx.Client):
    """A client of a service; `admin` calls carry the admin's token."""

    def __init__(self, service: Service, **options: Any) -> None:
        super().__init__(
            verify=False, **{"base_url": service.base_url, **options}
        )  # preparing TLS takes 0.1 s
        self.service = service

    def admin(self, method: str, path: str, **options: Any) -> httpx.Response:
        headers = {"authorization": f"Bearer {self.service.admin_token()}"}
        return self.request(method, f"/api/v1/admin{path}", headers=headers, **options)

    def create(self, email: str, **fields: Any) -> httpx.Response:
        return self.admin("POST", "/personas", json=persona(email, **fields))

    def sign_in(self, email: str, password: str = PASSWORD, **headers: str) -> httpx.Response:
        credentials = {"email": email, "password": password}
        return self.post("/api/auth/sign-in/email", json=credentials, headers=headers)


class InProcess(httpx.BaseTransport):
    """Calls a service in the event loop of a portal."""

    def __init__(self, service: Service, portal: BlockingPortal) -> None:
        self._transport = httpx.ASGITransport(make_app(service), raise_app_exceptions=False)
        self._portal = portal

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        return self._portal.call(self._answer, request)

    async def _answer(self, request: httpx.Request) -> httpx.Response:
        answer = await self._transport.handle_async_request(request)
        return httpx.Response(answer.status_code, headers=answer.headers, content=await answer.aread())


class Calls(Client):
    """A service in this process with the personas Anna, Bo and Cleo; `now` stands still on a Monday."""

    def __init__(self, place: str | Path, portal: BlockingPortal) -> None:
        self.now = MONDAY
        self.ids: dict[str, str] = {}
        self._sessions: dict[str, str] = {}
        service = Service(place, base_url=BASE_URL, service_key=KEY, scrypt_n=2, clock=lambda: self.now)
        super().__init__(service, transport=InProcess(service, portal))

    def create(self, email: str, **fields: Any) -> httpx.Response:
        created = super().create(email, **{"name": email.partition("@")[0].title(), **fields})
        self.ids[email] = created.json().get("userId")
        self._sessions.pop(email, None)
        return created

    def remove(self, email: str) -> None:
        """Delete a persona."""
        assert self.admin("DELETE", f"/personas/{self.ids[email]}").status_code == 200

    def runner(self, method: str, path: str, body: object = None) -> httpx.Response:
        """Make a call of the runner."""
        url = f"/api/v1/internal/personas/{path}"
        return self.request(method, url, json=body, headers={"x-service-key": KEY})

    def read(self, user: str, action: str, /, **query: str) -> httpx.Response:
        """Read something about spaces as a user."""
        headers = {"cookie": self._session(user)}
        return self.get(f"/api/auth/organization/{action}", params=query, headers=headers)

    def write(self, user: str, action: str, /, **body: Any) -> httpx.Response:
        """Change something about spaces as a user; without a session if the email is empty."""
        headers = {"cookie": self._session(user), "origin": BASE_URL} if user else {}
        return self.post(f"/api/auth/organization/{action}", json=body, headers=headers)

    def make_space(self, owner: str, *members: str) -> str:
        """Make the space `flat`; return its id."""
        space = {"name": "Flat", "slug": "flat", "metadata": {"type": "family"}}
        space_id: str = self.write(owner, "create", **space).json()["id"]
        for email in members:
            self.write(owner, "invite-member", email=email, role="member", organizationId=space_id)
            invitation = self.read(email, "list-user-invitations").json()[-1]
            self.write(email, "accept-invitation", invitationId=invitation["id"])
        return space_id

    def member_id(self, email: str, slug: str = "flat") -> str:
        """The id of a membership, as Anna sees it."""
        members = self.read(ANNA, "get-full-organization", organizationSlug=slug).json()["members"]
        ids = {each["user"]["email"]: str(each["id"]) for each in members}
        return ids[email]

    def _session(self, user: str) -> str:
        if user not in self._sessions:
            self._sessions[user] = self.sign_in(user).headers["set-cookie"].partition(";")[0]
            self.cookies.clear()
        return self._sessions[user]


@contextmanager
def open_calls(place: str | Path) -> Iterator[Calls]:
    """Open a service in this process."""
    with start_blocking_portal() as portal, Calls(place, portal) as calls, closing(calls.service):
        for email in (ANNA, BO, CLEO):
            calls.create(email)
        yield calls


@pytest.fixture
def calls(tmp_path: Path) -> Iterator[Calls]:
    with open_calls(tmp_path / "auth.db") as calls:
        yield calls
