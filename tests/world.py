"""The embedded service in this process, and what else happens to it and on the way to it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from starlette.responses import JSONResponse

from personas import Catalog, Credentials, ManaService, Options, Outcome, Plan, apply, fetch, make_plan
from personas.embedded import schema, users
from personas.embedded.app import make_app
from personas.embedded.service import Service
from personas.services.http import RetryPolicy

from .making import NOON, PASSWORDS, email_of, who_has

PERSONAS = "/api/v1/admin/personas"
LOOK_UP = "GET /api/v1/admin/users"
SIGN_IN = "POST /api/auth/sign-in/email"
SIGN_OUT = "POST /api/auth/sign-out"


@dataclass
class Event:
    """What happens at requests that match: something is done, or another answer is given."""

    pattern: str
    answer: JSONResponse | None
    do: Callable[[], object] = lambda: None
    skip: int = 0
    times: int = 1_000
    served: bool = False  # the service acts, and its own answer is lost


@contextmanager
def open_service(folder: Path) -> Iterator[Service]:
    with closing(Service(folder / "auth.db", base_url="http://embedded.localhost", scrypt_n=2)) as opened:
        yield opened


class World:
    """A service with humans, half-created and other personas; an ASGI application around it."""

    def __init__(self, embedded: Service) -> None:
        self.seen: list[str] = []
        self.events: list[Event] = []
        self.database, self.hasher = embedded.database, embedded.hasher
        self.service = ManaService(
            "embedded",
            Credentials(token_factory=embedded.admin_token),
            app=self,
            concurrency=4,
            retry=RetryPolicy(attempts=2, first_wait=0),
        )
        self._app = make_app(embedded)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> Any:
        request = f"{scope['method']} {scope['path']}?{scope['query_string'].decode()}".rstrip("?")
        self.seen.append(request)
        for event in [event for event in self.events if re.search(event.pattern, request)]:
            if event.skip:
                event.skip -= 1
                continue
            event.times -= 1
            if not event.times:
                self.events.remove(event)
            event.do()
            if event.answer is not None:
                await (self._app(scope, receive, _lose) if event.served else receive())
                return await event.answer(scope, receive, send)
        return await self._app(scope, receive, send)

    def when(self, pattern: str, status: int | None = None, body: object = None, **event: Any) -> None:
        """Let something happen at matching requests (`GET /path?query`): an answer, or `do`."""
        answer = None if status is None else JSONResponse(body, status)
        self.events.append(Event(pattern, answer, **event))

    def count(self, pattern: str) -> int:
        return sum(re.search(pattern, request) is not None for request in self.seen)

    def add_human(self, who: str, password: str = "a-human-password", *, signed_in: bool = False) -> None:
        human = users.make_user(email_of(who), who.title(), NOON)
        with self.database.write() as connection:
            users.add_user(connection, human, self.hasher.hash(password))
            if signed_in:
                users.begin_session(connection, human["id"], NOON + timedelta(days=3_000), None, "browser")

    def add_half_created(self, who: str, *, signed_in: bool = False) -> None:
        self.add_human(who, PASSWORDS.derive(email_of(who)).reveal(), signed_in=signed_in)

    def change(self, who: str, table: sa.Table = schema.users, **values: Any) -> None:
        """Change a row of the user, in place."""
        column = table.c.id if table is schema.users else table.c.user_id
        user = sa.select(schema.users.c.id).where(schema.users.c.email == email_of(who)).scalar_subquery()
        self.write(sa.update(table).where(column == user).values(**values))

    def set_password(self, who: str) -> None:
        self.change(who, schema.accounts, password=self.hasher.hash("another-password"))

    def delete(self, who: str) -> None:
        """Delete a user; its spaces and memberships stay, as on the real service."""
        self.write(sa.delete(schema.users).where(schema.users.c.email == email_of(who)))

    def clear(self) -> None:
        self.write(sa.delete(schema.users).where(schema.users.c.role != "admin"))

    def write(self, statement: sa.Insert | sa.Update | sa.Delete) -> None:
        with self.database.write() as connection:
            connection.execute(statement)

    def rows(self, table: sa.Table) -> list[dict[str, Any]]:
        with self.database.read() as connection:
            return [dict(row) for row in connection.execute(sa.select(table)).mappings()]

    def users(self, kind: str = "persona") -> set[str]:
        """The `persona` or `human` users, without the admin."""
        return {who_has(row["email"]) for row in self.rows(schema.users) if row["kind"] == kind}

    async def plan(self, catalog: Catalog, *, prune: bool = False, **options: Any) -> Plan:
        """What `dry-run` shows."""
        state = await fetch(self.service, catalog, **{"passwords": PASSWORDS} | options)
        chosen = {name: options.get(name, False) for name in ("replace", "force")}
        return make_plan(catalog, state, Options(prune=prune, only=options.get("only", ()), **chosen))

    async def apply(self, plan: Plan) -> tuple[Outcome, ...]:
        return await apply(plan, self.service, PASSWORDS)

    async def seed(self, catalog: Catalog) -> None:
        """What `seed` does; a failure ends the test."""
        outcomes = await self.apply(await self.plan(catalog))
        assert {outcome.result for outcome in outcomes} <= {"done"}, outcomes


async def _lose(message: Any) -> None:
    """Take what the service answers, and send it nowhere."""
