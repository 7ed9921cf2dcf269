"""Calls to an embedded service in process, and a clock that tests set."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import anyio
import httpx
import sqlalchemy as sa
from anyio.from_thread import BlockingPortalProvider

from personas.embedded import schema

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from starlette.types import ASGIApp, Message

    from personas.embedded import Embedded

PERSONAS = "/api/v1/admin/personas"
PASSWORD = "1FJ7w8KbjK5CWVa8NqfobexAFNuQKxiA"
ANNA = "persona.anna@mana.test"
BO = "persona.bo@mana.test"
HUMAN = "human@mana.test"
LOGIN, REGISTER = "/api/v1/auth/login", "/api/v1/auth/register"
SIGN_IN, SIGN_UP = "/api/auth/sign-in/email", "/api/auth/sign-up/email"
EVENT_LOOP = BlockingPortalProvider()  # one for all calls: to start it takes longer than a call does


@dataclass
class Clock:
    """A clock that stands still until a test moves it."""

    moment: dt.datetime = field(default_factory=lambda: dt.datetime(2026, 11, 23, 12, 0, tzinfo=dt.UTC))

    def __call__(self) -> dt.datetime:
        return self.moment

    def advance(self, **span: float) -> None:
        self.moment += dt.timedelta(**span)


def body(email: str = ANNA, **changes: Any) -> dict[str, Any]:
    """A right body for POST, with changes."""
    return {
        "email": email,
        "name": "Anna",
        "password": PASSWORD,
        "archetype": "researcher",
        "systemPrompt": "You are Anna, 36, and you keep careful notes.",
        "moduleMix": {"notes": 0.6, "todo": 0.4},
        "tickCadence": "daily",
        **changes,
    }


def call_raw(app: ASGIApp, messages: Iterable[Message], **changes: Any) -> list[Message]:
    """Call an application as a server would, with what no client would send; what it answers."""
    scope = {
        "type": "http",
        "method": "POST",
        "path": LOGIN,
        "query_string": b"",
        "headers": [],
        "client": ("127.0.0.1", 1),
        **changes,
    }
    waiting = iter(messages)
    sent: list[Message] = []

    async def receive() -> Message:
        return next(waiting, {"type": "http.disconnect"})

    async def send(message: Message) -> None:
        sent.append(message)

    with EVENT_LOOP as portal:
        portal.call(app, scope, receive, send)
    return sent


class Client:
    """Calls one service from an address; every call has a connection of its own."""

    def __init__(self, embedded: Embedded, *, address: str = "127.0.0.1") -> None:
        self.embedded = embedded
        self._address = (address, 50000)

    def call(self, method: str, path: str, **options: Any) -> httpx.Response:
        (answer,) = self.at_once(method, path, options)
        return answer

    def at_once(self, method: str, path: str, *calls: Mapping[str, Any]) -> list[httpx.Response]:
        """Calls at the same moment, each with its own options; the answers in the order they come."""
        answers: list[httpx.Response] = []

        async def send(client: httpx.AsyncClient, options: Mapping[str, Any]) -> None:
            answers.append(await client.request(method, path, **options))

        async def run() -> None:
            transport = httpx.ASGITransport(self.embedded.app, client=self._address)
            async with (
                httpx.AsyncClient(transport=transport, base_url=self.embedded.base_url) as client,
                anyio.create_task_group() as group,
            ):
                for options in calls:
                    group.start_soon(send, client, options)

        with EVENT_LOOP as portal:
            portal.call(run)
        return answers

    def admin(self, method: str, path: str, **options: Any) -> httpx.Response:
        headers = {"authorization": f"Bearer {self.embedded.admin_token()}", **options.pop("headers", {})}
        return self.call(method, path, headers=headers, **options)

    def seed(self, email: str = ANNA, **changes: Any) -> str:
        """Make a persona; its id."""
        answer = self.admin("POST", PERSONAS, json=body(email, **changes))
        assert answer.status_code == 200, answer.text
        user_id: str = answer.json()["userId"]
        return user_id

    def register(self, email: str, password: str = PASSWORD, name: str = "A human") -> str:
        person = {"email": email, "password": password, "name": name}
        answer = self.call("POST", REGISTER, json=person)
        assert answer.status_code == 200, answer.text
        user_id: str = answer.json()["user"]["id"]
        return user_id

    def login(self, email: str = ANNA, password: str = PASSWORD, **options: Any) -> httpx.Response:
        return self.call("POST", LOGIN, json={"email": email, "password": password}, **options)

    def sign_in(self, email: str = ANNA, password: str = PASSWORD, **options: Any) -> httpx.Response:
        credentials = {"email": email, "password": password}
        return self.call("POST", SIGN_IN, json=credentials, **options)

    def cookie(self, email: str = ANNA, password: str = PASSWORD) -> str:
        """The Cookie header of somebody who has just signed in."""
        return self.sign_in(email, password).headers["set-cookie"].partition(";")[0]

    def as_user(self, cookie: str, method: str, path: str, **options: Any) -> httpx.Response:
        headers = {"cookie": cookie, "origin": self.embedded.base_url, **options.pop("headers", {})}
        return self.call(method, path, headers=headers, **options)

    def run(self, user_id: str, field: str, *rows: object) -> httpx.Response:
        """A batch of the runner's: `actions` or `feedback`."""
        path = f"/api/v1/internal/personas/{user_id}/{field}"
        key = {"x-service-key": self.embedded._service.service_key or ""}
        return self.call("POST", path, json={field: rows}, headers=key)

    def live(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.admin("GET", PERSONAS).json()["personas"]
        return found

    def rows(self, table: sa.Table) -> list[dict[str, Any]]:
        """A table as it is stored."""
        return self.embedded._service.database.read(
            lambda connection: [dict(row) for row in connection.execute(sa.select(table)).mappings()]
        )

    def user(self, email: str) -> dict[str, Any]:
        return next(row for row in self.rows(schema.users) if row["email"] == email)

    def write(self, *statements: sa.Executable) -> None:
        def work(connection: sa.Connection) -> None:
            for statement in statements:
                connection.execute(statement)

        self.embedded._service.database.write(work)

    def add_crowd(self, personas: Iterable[Mapping[str, Any]]) -> list[str]:
        """Write personas past the calls, each a second older than the one before it; their ids."""
        now = self.embedded._service.now()
        people, descriptors = [], []
        for number, given in enumerate(personas):
            moment = now - dt.timedelta(seconds=number)
            same = {"created_at": moment, "updated_at": moment}
            name, email = f"Persona {number}", f"p{number}@mana.test"
            people.append({**same, "id": f"{number:032}", "name": name, "email": email, "kind": "persona"})
            descriptor = {"archetype": "researcher", "system_prompt": "One of many.", "module_mix": {}}
            cadence = {"tick_cadence": "daily", **given}
            descriptors.append({**same, "user_id": f"{number:032}", **descriptor, **cadence})

        def work(connection: sa.Connection) -> None:
            connection.execute(sa.insert(schema.users), people)
            connection.execute(sa.insert(schema.personas), descriptors)

        self.embedded._service.database.write(work)
        return [str(person["id"]) for person in people]
