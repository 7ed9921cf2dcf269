"""A catalog of four personas beside the embedded service, with faults between the tool and the service."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import anyio
import sqlalchemy as sa

from personas.catalog.loader import parse_catalog
from personas.catalog.models import Catalog
from personas.concurrency import Cancel
from personas.embedded import schema as tables
from personas.embedded.app import make_app
from personas.embedded.service import Service as EmbeddedService
from personas.embedded.users import make_user
from personas.passwords import PasswordDeriver
from personas.reconcile.changes import Action, Change, Options, Outcome, Plan, Status
from personas.redact import Secret
from personas.services.http import RetryPolicy
from personas.services.mana import ManaService
from personas.services.sign_in import Credentials
from personas.spaces.apply import apply_spaces, release_spaces
from personas.spaces.client import SignInCache, fetch_spaces
from personas.spaces.plan import make_space_plan

ADA, BO, CY, DI = EMAILS = tuple(f"persona.{who}@mana.test" for who in ("ada", "bo", "cy", "di"))
HUMAN = "human@else.test"
PASSWORDS = PasswordDeriver(Secret("the seed secret of the tests"))
NOW = dt.datetime.now(dt.UTC)
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


class Run:
    """One run of `personas spaces`: its plan, its outcomes, and what it sent."""

    def __init__(self, plan: Plan, outcomes: tuple[Outcome, ...], requests: list[str]) -> None:
        self.plan, self.outcomes, self.requests = plan, outcomes, requests
        self.statuses = {change.key: str(change.status) for change in plan.changes}
        self.reasons = {change.key: change.reason for change in plan.changes}
        self.results = {outcome.key: str(outcome.result) for outcome in outcomes}
        self.messages = {outcome.key: outcome.message for outcome in outcomes}


class World:
    def __init__(self, embedded: EmbeddedService) -> None:
        self.embedded = embedded
        self.requests: list[str] = []
        self.seen: list[Outcome] = []  # what the last run reported
        self.faults: list[tuple[str, Fault, bool]] = []
        self.cancel = Cancel()
        self._app = make_app(embedded)
        self._saved: dict[str, dict[sa.Table, list[dict[str, Any]]]] = {}

    def save(self, name: str) -> None:
        """Keep what the database has."""
        self._saved[name] = {table: self.rows(table) for table in tables.metadata.sorted_tables}

    def restore(self, name: str) -> World:
        """Return to a saved database, without faults."""
        saved = self._saved[name]
        self.cancel = Cancel()
        self.faults.clear()
        self.embedded._sign_ins.clear()  # the rate limit
        with self.embedded.database.write() as connection:
            for table in reversed(saved):
                connection.execute(sa.delete(table))
            for table, rows in saved.items():
                if rows:
                    connection.execute(sa.insert(table), rows)
        return self

    def run(
        self,
        catalog: Catalog = SHARED,
        *,
        delete: bool = False,
        passwords: PasswordDeriver | None = PASSWORDS,
        concurrency: int = 4,
        between: Callable[[], object] = lambda: None,
        **options: Any,
    ) -> Run:
        """Plan, and then apply in another event loop, as the command does."""
        self.requests, self.seen = [], []
        sign_ins = SignInCache(passwords)
        chosen = Options(command="spaces", **options)

        async def preview(service: ManaService) -> Plan:
            state = await fetch_spaces(service, catalog, sign_ins, only=chosen.only)
            return make_space_plan(catalog, state, chosen, delete=delete)

        async def carry_out(service: ManaService) -> tuple[Outcome, ...]:
            return await apply_spaces(
                plan, service, sign_ins, cancel=self.cancel, on_outcome=self.seen.append
            )

        outcomes: tuple[Outcome, ...] = ()
        try:
            plan = self.call(preview, concurrency=concurrency)
            between()
            if plan.actions:
                outcomes = self.call(carry_out, concurrency=concurrency)
        finally:
            self.call(sign_ins.close)
        return Run(plan, outcomes, self.requests)

    def release(
        self,
        going: dict[str, Action],
        catalog: Catalog = SHARED,
        *,
        passwords: PasswordDeriver | None = PASSWORDS,
        force: bool = False,
    ) -> tuple[Plan, tuple[str, ...]]:
        """Release the spaces of these personas, and then delete those whose action is left."""
        changes = [Change(key=email, status=Status.EXTRA, action=action) for email, action in going.items()]
        before = Plan(changes=tuple(changes))
        self.requests = []
        plan, notes = self.call(
            lambda service: release_spaces(
                service, catalog, before, passwords, force=force, cancel=self.cancel
            )
        )
        released = self.requests.copy()
        assert self.rows(tables.sessions) == []
        for change in plan.actions:
            self.delete_user(change.key)
        self.requests = released
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

    def before(self, call: str, act: Callable[[], None]) -> None:
        """Do something before the next such call."""

        self.faults.append((SPACES + call, act, False))

    def seed(self, *emails: str) -> None:
        """Create personas of the catalog."""

        async def create(service: ManaService) -> None:
            for persona in make_catalog(people=emails).personas:
                await service.create(persona, PASSWORDS.derive(persona.email))

        self.call(create)

    def emails(self) -> set[str]:
        return {persona.email for persona in self.call(lambda service: service.list_personas())}

    def add_human(self, slug: str) -> None:
        """An account that is not a persona joins a space."""
        self.execute(sa.insert(tables.users).values(make_user(HUMAN, "Human", NOW)))
        self.add_member(slug, HUMAN)

    def add_member(self, slug: str, email: str, role: str = "member") -> None:
        place, user = self._id(tables.organizations.c.slug, slug), self._id(tables.users.c.email, email)
        about = {"id": f"{place[:9]}{user[:9]}", "role": role, "created_at": NOW}
        self.execute(sa.insert(tables.members).values(**about, organization_id=place, user_id=user))

    def delete_user(self, email: str) -> None:
        """Delete a persona as a tool does that knows nothing of spaces."""

        async def delete(service: ManaService) -> None:
            [live] = [persona for persona in await service.list_personas() if persona.email == email]
            await service.delete(live)

        self.call(delete)

    def change_password(self, email: str) -> None:
        """Give a persona another password: the one of another persona."""
        other = self._id(tables.users.c.email, next(e for e in EMAILS if e != email))
        taken = sa.select(tables.accounts.c.password).where(tables.accounts.c.user_id == other)
        mine = tables.accounts.c.user_id == self._id(tables.users.c.email, email)
        self.execute(sa.update(tables.accounts).where(mine).values(password=taken.scalar_subquery()))

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
