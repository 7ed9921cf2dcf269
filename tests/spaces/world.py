"""A catalog of four personas beside the embedded service, with faults between the tool and the service."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import anyio
import sqlalchemy as sa

from personas.catalog.loader import parse_catalog
from personas.catalog.models import Catalog
from personas.concurrency import Cancel
from personas.embedded import schema as tables
from personas.embedded.app import make_app
from personas.embedded.service import Service as EmbeddedService, open_service
from personas.passwords import PasswordDeriver
from personas.reconcile.changes import Action, Change, Options, Outcome, Plan, Status
from personas.redact import Secret
from personas.services.http import RetryPolicy
from personas.services.mana import ManaService
from personas.services.models import LivePersona
from personas.services.sign_in import Credentials
from personas.spaces.apply import apply_spaces, release_spaces
from personas.spaces.client import SignInCache, fetch_spaces
from personas.spaces.plan import make_space_plan

ADA, BO, CY, DI = EMAILS = tuple(f"persona.{who}@mana.test" for who in ("ada", "bo", "cy", "di"))
HUMAN = "human@else.test"
PASSWORDS = PasswordDeriver(Secret("the seed secret of the tests"))
BASE_URL = "http://embedded.localhost"
SPACES = "/api/auth/organization/"

Result = TypeVar("Result")
# Returns what is answered instead: status and body; None lets the service answer.
Fault = Callable[[], tuple[int, Any] | None]


def make_catalog(*spaces: dict[str, Any], people: tuple[str, ...] = EMAILS, **root: Any) -> Catalog:
    """The personas with these emails, and these spaces."""
    personas = [
        {
            "name": email.split(".")[1].split("@")[0].title(),
            "email": email,
            "archetype": "solo-dev",
            "systemPrompt": "You are a persona who writes short notes.",
            "moduleMix": {"todo": 1},
        }
        for email in people
    ]
    return parse_catalog(
        json.dumps({"personas": personas, "spaces": spaces} | root, indent=1), file="catalog.json"
    )


def space(slug: str, owner: str, *members: str | dict[str, str], **changes: str) -> dict[str, Any]:
    whole = {"slug": slug, "name": slug.title(), "type": "team", "owner": owner, "members": list(members)}
    return whole | changes


FLAT = space("flat", ADA, BO, {"email": CY, "role": "admin"})
DESK = space("desk", CY, BO)
SHARED = make_catalog(FLAT, DESK)
FLAT_LIVE = ("Flat", "team", {ADA: "owner", BO: "member", CY: "admin"})
DESK_LIVE = ("Desk", "team", {CY: "owner", BO: "member"})
BOTH_LIVE = {"flat": FLAT_LIVE, "desk": DESK_LIVE}


@dataclass
class Run:
    """One run of `personas spaces`: its plan, its outcomes, and what it sent."""

    plan: Plan
    outcomes: tuple[Outcome, ...] = ()
    requests: list[str] = field(default_factory=list)

    @property
    def statuses(self) -> dict[str, Status]:
        return {change.key: change.status for change in self.plan.changes}

    @property
    def reasons(self) -> dict[str, str]:
        return {change.key: change.reason for change in self.plan.changes}

    @property
    def results(self) -> dict[str, str]:
        return {outcome.key: str(outcome.result) for outcome in self.outcomes}

    @property
    def messages(self) -> dict[str, str]:
        return {outcome.key: outcome.message for outcome in self.outcomes}


class World:
    def __init__(self, embedded: EmbeddedService) -> None:
        self.embedded = embedded
        self.requests: list[str] = []
        self.seen: list[Outcome] = []  # what the last run reported
        self.faults: list[tuple[str, Fault, bool]] = []
        self._app = make_app(embedded)

    def run(
        self,
        catalog: Catalog = SHARED,
        *,
        delete: bool = False,
        passwords: PasswordDeriver | None = PASSWORDS,
        cancel: Cancel | None = None,
        concurrency: int = 4,
        between: Callable[[], object] = lambda: None,
        **options: Any,
    ) -> Run:
        """Plan, and then apply in another event loop, as the command does."""
        self.requests.clear()
        sign_ins = SignInCache(passwords)
        chosen = Options(command="spaces", **options)
        self.seen.clear()

        async def preview(service: ManaService) -> Plan:
            state = await fetch_spaces(service, catalog, sign_ins, only=chosen.only)
            return make_space_plan(catalog, state, chosen, delete=delete)

        async def carry_out(service: ManaService) -> tuple[Outcome, ...]:
            return await apply_spaces(plan, service, sign_ins, cancel=cancel, on_outcome=self.seen.append)

        outcomes: tuple[Outcome, ...] = ()
        try:
            plan = self.call(preview, concurrency=concurrency)
            between()
            if plan.actions:
                outcomes = self.call(carry_out, concurrency=concurrency)
        finally:
            self.call(sign_ins.close)
        return Run(plan, outcomes, list(self.requests))

    def release(
        self,
        going: dict[str, Action],
        catalog: Catalog = SHARED,
        *,
        passwords: PasswordDeriver | None = PASSWORDS,
        force: bool = False,
        cancel: Cancel | None = None,
    ) -> tuple[Plan, tuple[str, ...]]:
        """Release the spaces of these personas, and then delete those whose action is left."""
        changes = [Change(key=email, status=Status.EXTRA, action=action) for email, action in going.items()]

        def work(service: ManaService) -> Awaitable[tuple[Plan, tuple[str, ...]]]:
            plan = Plan(changes=tuple(changes))
            return release_spaces(service, catalog, plan, passwords, force=force, cancel=cancel)

        self.requests.clear()
        plan, notes = self.call(work)
        requests = list(self.requests)
        assert self.rows(tables.sessions) == []
        for change in plan.actions:
            self.delete_user(change.key)
        self.requests = requests
        return plan, notes

    def call(self, work: Callable[[ManaService], Awaitable[Result]], *, concurrency: int = 4) -> Result:
        """Do something with the service in an event loop of its own."""

        async def main() -> Result:
            service = ManaService(
                "embedded",
                Credentials(token_factory=self.embedded.admin_token),
                concurrency=concurrency,
                app=self._answer,
                observe=lambda method, path, *_: self.requests.append(f"{method} {path}"),
                retry=RetryPolicy(attempts=3, first_wait=0, total=5),
            )
            async with service:
                with anyio.CancelScope() as self.scope:
                    return await work(service)
            raise TimeoutError("cancelled")

        return anyio.run(main)

    async def _answer(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer as the service, or with the first fault whose text is in the path."""
        for number, (text, fault, served) in enumerate(self.faults):
            if text in scope["path"]:
                del self.faults[number]
                if served:
                    await self._app(scope, receive, _swallow)
                wrong = fault()
                if wrong is None:
                    break
                status, body = wrong
                content = [(b"content-type", b"application/json")]
                await send({"type": "http.response.start", "status": status, "headers": content})
                await send({"type": "http.response.body", "body": json.dumps(body).encode()})
                return
        await self._app(scope, receive, send)

    def lose_answer(self, call: str) -> None:
        """Let the service carry out the next such call, and lose its answer."""
        self.faults.append((SPACES + call, lambda: (502, None), True))

    def refuse(self, path: str, status: int, body: Any = None, *, times: int = 99) -> None:
        """Answer such calls without asking the service."""
        self.faults += [(path, lambda: (status, body), False)] * times

    def abort(self) -> None:
        """Cancel what runs, as a second Ctrl-C does."""
        self.scope.cancel()

    def before(self, call: str, act: Callable[[], object]) -> None:
        """Do something before the next such call."""

        def fault() -> None:
            act()

        self.faults.append((SPACES + call, fault, False))

    def seed(self, *emails: str, passwords: PasswordDeriver = PASSWORDS) -> None:
        """Create personas of the catalog."""
        catalog = make_catalog(people=emails)
        for persona in catalog.personas:
            self.call(
                lambda service, one=persona: service.create(one, passwords.derive(one.email))  # type: ignore[misc]
            )

    def personas(self) -> tuple[LivePersona, ...]:
        return self.call(lambda service: service.list_personas())

    def emails(self) -> set[str]:
        return {persona.email for persona in self.personas()}

    def add_human(self, slug: str, role: str = "member") -> None:
        """Someone who is not a persona joins a space."""
        now = dt.datetime.now(dt.UTC)
        with self.embedded.database.write() as connection:
            human = {"id": "human", "name": "Human", "email": HUMAN, "kind": "human"}
            connection.execute(sa.insert(tables.users).values(**human, created_at=now, updated_at=now))
        self.add_member(slug, HUMAN, role)

    def add_member(self, slug: str, email: str, role: str = "member") -> None:
        values = {
            "id": f"{slug} {email.partition('@')[0]}",
            "organization_id": self._id(tables.organizations.c.slug, slug),
        }
        values |= {"user_id": self._id(tables.users.c.email, email), "role": role}
        with self.embedded.database.write() as connection:
            now = dt.datetime.now(dt.UTC)
            connection.execute(sa.insert(tables.members).values(**values, created_at=now))

    def delete_user(self, email: str) -> None:
        """Delete a persona as a tool does that knows nothing of spaces."""
        live = {persona.email: persona for persona in self.personas()}
        self.call(lambda service: service.delete(live[email]))

    def change_password(self, email: str) -> None:
        """Give a persona another password: the one of another persona."""
        other = next(persona.user_id for persona in self.personas() if persona.email != email)
        taken = sa.select(tables.accounts.c.password).where(tables.accounts.c.user_id == other)
        row = sa.update(tables.accounts).where(
            tables.accounts.c.user_id == self._id(tables.users.c.email, email)
        )
        self.execute(row.values(password=taken.scalar_subquery()))

    def execute(self, statement: sa.Update | sa.Insert | sa.Delete) -> None:
        with self.embedded.database.write() as connection:
            connection.execute(statement)

    def rows(self, table: sa.Table) -> list[dict[str, Any]]:
        with self.embedded.database.read() as connection:
            return [dict(row) for row in connection.execute(sa.select(table)).mappings()]

    def shared(self) -> dict[str, Any]:
        """The shared spaces as the database has them: name, type, and the role of each member."""
        emails = {row["id"]: row["email"] for row in self.rows(tables.users)}
        roles: dict[str, dict[str, str]] = {}
        for row in self.rows(tables.members):
            roles.setdefault(row["organization_id"], {})[emails.get(row["user_id"], "gone")] = row["role"]
        return {
            row["slug"]: (row["name"], row["metadata"]["type"], roles.get(row["id"], {}))
            for row in self.rows(tables.organizations)
            if row["metadata"]["type"] != "personal"
        }

    def _id(self, column: sa.Column[Any], value: str) -> str:
        with self.embedded.database.read() as connection:
            return str(connection.scalar(sa.select(column.table.c.id).where(column == value)))


async def _swallow(message: Any) -> None:
    """Take what the service answers, and send it nowhere."""


@contextmanager
def open_world(place: Path) -> Iterator[World]:
    embedded = open_service(place, base_url=BASE_URL, scrypt_n=2)
    try:
        yield World(embedded)
    finally:
        embedded.close()
