"""Runs of the tool on shared spaces, in this process, and what the database has of them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import anyio
import sqlalchemy as sa
from making import make_catalog, make_space

from personas.catalog.models import Catalog
from personas.embedded import schema as tables
from personas.errors import ServiceError
from personas.reconcile.apply import apply
from personas.reconcile.outcome import Applied, Result
from personas.reconcile.owners import Passwords
from personas.reconcile.plan import Intent, Plan, plan
from personas.reconcile.survey import survey
from personas.secret import Secret
from personas.service.credentials import Credentials
from personas.service.endpoints import AuthService
from personas.service.transport import Patience

from .world import SECRET, Kept, World

QUICK = Patience(attempts=3, first_attempts=2, wait_initial=0.001, wait_max=0.002)
ADA, BO, CY = (f"persona.{who}@mana.test" for who in ("ada", "bo", "cy"))
SHARED = make_catalog(
    "ada", "bo", "cy", spaces=[make_space("flat", "ada", "bo"), make_space("desk", "cy", "bo")]
)
ALONE = make_catalog("ada", "bo", "cy")
SPACES = "/api/auth/organization"
HUMAN = "somebody@else.test"
SEED, PRUNE, RECREATE, CLEANUP = (
    Intent(),
    Intent(prune=True),
    Intent(recreate=True),
    Intent(purpose="cleanup"),
)


@dataclass
class Tool:
    """Runs of the tool in this process, on a service in this process; `lines` are the last run's requests."""

    world: World
    workers: int = 8
    after_each: Callable[[], object] = lambda: None
    lines: list[str] = field(default_factory=list)

    def have(self, catalog: Catalog = SHARED) -> None:
        """Let a catalog be live as a run of the tool leaves it, and be the one that commands are given."""
        self.world.write_spaces(catalog)
        text = self.world.catalog.read_text()
        if text in self.world.states:
            self.world.restore(self.world.states[text])
        else:
            assert_all_done(self.run(catalog))
            self.world.states[text] = self.world.keep()

    def run(self, catalog: Catalog, intent: Intent = SEED) -> Applied:
        async def work() -> Applied:
            async with self._service() as service, Passwords(service, Secret(SECRET)) as passwords:
                read = await self._read(service, catalog, intent, passwords)
                return await apply(read, service, Secret(SECRET), passwords=passwords, workers=self.workers)

        return anyio.run(work)

    def plan(self, catalog: Catalog, intent: Intent = SEED) -> Plan:
        async def work() -> Plan:
            async with self._service() as service, Passwords(service, Secret(SECRET)) as passwords:
                return await self._read(service, catalog, intent, passwords)

        return anyio.run(work)

    async def _read(
        self, service: AuthService, catalog: Catalog, intent: Intent, passwords: Passwords
    ) -> Plan:
        live = await survey(
            service,
            catalog,
            details=intent.purpose == "seed",
            owners=intent.purpose == "seed",
            everybodys_spaces=intent.prune or intent.recreate or intent.purpose == "cleanup",
            passwords=passwords,
            workers=self.workers,
        )
        return plan(catalog, live, intent)

    def _service(self) -> AuthService:
        self.lines.clear()

        def observe(method: str, path: str, told: int | ServiceError, _: float) -> None:
            assert told != 500 or "get-full-organization" in path, (method, path)
            self.lines.append(f"{method} {path}")
            self.after_each()

        return AuthService(
            "http://localhost:3001",
            Credentials(mint=self.world.embedded.admin_token),
            app=self.world.embedded.app,
            patience=QUICK,
            observe=observe,
        )

    def writes(self) -> list[str]:
        signing = ("POST /api/auth/sign-in/", "POST /api/auth/sign-out")
        return [line for line in self.lines if not line.startswith(("GET ", *signing))]


def shared(world: World) -> dict[str, Any]:
    """Every shared space as the database has it: name, type, and the role of each member."""
    emails = {row["id"]: row["email"] for row in world.rows(tables.users)}
    roles: dict[str, dict[str, str]] = {}
    for row in world.rows(tables.members):
        roles.setdefault(row["organization_id"], {})[emails[row["user_id"]]] = row["role"]
    return {
        row["slug"]: (row["name"], row["metadata"]["type"], roles.get(row["id"], {}))
        for row in world.rows(tables.organizations)
        if row["metadata"]["type"] != "personal"
    }


def wanted(catalog: Catalog) -> dict[str, Any]:
    return {
        space.slug: (
            space.name,
            str(space.type),
            {space.owner: "owner", **{member.email: str(member.role) for member in space.members}},
        )
        for space in catalog.spaces
    }


def assert_all_done(applied: Applied) -> None:
    assert applied.error is None
    assert {outcome.message for outcome in applied.outcomes if outcome.result is not Result.DONE} == set()


def cuts(world: World, catalog: Catalog, intent: Intent = SEED) -> list[Kept]:
    """What a run leaves behind that is cut after any of its requests that changed what is stored."""
    states = [world.keep()]

    def keep() -> None:
        if (now := world.keep()) != states[-1]:
            states.append(now)

    Tool(world, workers=1, after_each=keep).run(catalog, intent)
    return states[1:]


def add_human_to(real: World, slug: str, role: str = "member") -> None:
    """Somebody who is no persona shares a space; they joined it by a way of their own."""
    real.add_humans(HUMAN)
    space = next(row["id"] for row in real.rows(tables.organizations) if row["slug"] == slug)
    now = dt.datetime.now(dt.UTC)
    values = {"id": "m1", "organization_id": space, "user_id": real.user(HUMAN)["id"], "role": role}
    real.execute(sa.insert(tables.members).values(**values, created_at=now))
