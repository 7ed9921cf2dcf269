"""Runs of the tool on shared spaces, in this process, and what the database has of them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import sqlalchemy as sa
from making import catalog_json, make_catalog, make_space

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

from .world import SECRET, Ended, World

QUICK = Patience(attempts=3, first_attempts=2, wait_initial=0.001, wait_max=0.002)
ADA, BO, CY = (f"persona.{who}@mana.test" for who in ("ada", "bo", "cy"))
SHARED = make_catalog(
    "ada", "bo", "cy", spaces=[make_space("flat", "ada", "bo"), make_space("desk", "cy", "bo")]
)
SPACES = "/api/auth/organization"
HUMAN = "somebody@else.test"


class Killed(Exception):
    """The process is gone."""


@dataclass
class Tool:
    """Runs of the tool in this process, on a service in this process."""

    world: World
    workers: int = 8
    cut_after: int | None = None
    lines: list[str] = field(default_factory=list)

    def run(self, catalog: Catalog, intent: Intent | None = None, *, secret: str | None = SECRET) -> Applied:
        made: list[Applied] = []

        async def work() -> None:
            async with self.service() as service:
                given = Secret(secret) if secret else None
                async with Passwords(service, given) as passwords:
                    read = await self.read(service, catalog, intent, passwords)
                    made.append(
                        await apply(
                            read, service, given or Secret(""), passwords=passwords, workers=self.workers
                        )
                    )

        anyio.run(work)
        return made[0]

    def plan(self, catalog: Catalog, intent: Intent | None = None) -> Plan:
        async def work() -> Plan:
            async with self.service() as service, Passwords(service, Secret(SECRET)) as passwords:
                return await self.read(service, catalog, intent, passwords)

        return anyio.run(work)

    async def read(
        self, service: AuthService, catalog: Catalog, intent: Intent | None, passwords: Passwords
    ) -> Plan:
        intent = intent or Intent()
        everybody = intent.prune or intent.recreate or intent.purpose == "cleanup"
        live = await survey(
            service,
            catalog,
            details=intent.purpose == "seed",
            owners=intent.purpose == "seed",
            everybodys_spaces=everybody,
            passwords=passwords,
            workers=self.workers,
        )
        return plan(catalog, live, intent)

    def service(self) -> AuthService:
        self.lines.clear()

        def observe(method: str, path: str, told: int | ServiceError, seconds: float) -> None:
            del seconds
            assert told != 500 or "get-full-organization" in path, (method, path)
            self.lines.append(f"{method} {path}")
            if self.cut_after is not None and len(self.lines) >= self.cut_after:
                raise Killed

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


def cuts(tool: Tool, catalog: Catalog, intent: Intent | None = None, *, every: int = 1) -> Iterator[int]:
    """Cut a run after its first request, its second, …, or fewer, until it ends; tell after which."""
    number = 1 - every
    while True:
        number += every
        tool.cut_after = number
        try:
            tool.run(catalog, intent)
        except Killed:
            tool.cut_after = None
            yield number
        else:
            tool.cut_after = None
            return


def write(folder: Path, catalog: Catalog, name: str = "catalog.json") -> Path:
    path = folder / name
    path.write_text(catalog_json(catalog.personas, catalog.spaces), encoding="utf-8")
    return path


def add_human_to(real: World, slug: str, role: str = "member") -> None:
    """Somebody who is no persona shares a space; they joined it by a way of their own."""
    real.add_users([HUMAN])
    human = next(row["id"] for row in real.rows(tables.users) if row["email"] == HUMAN)
    space = next(row["id"] for row in real.rows(tables.organizations) if row["slug"] == slug)
    now = dt.datetime.now(dt.UTC)
    values = {"id": "m1", "organization_id": space, "user_id": human, "role": role, "created_at": now}
    real.write(lambda c: c.execute(sa.insert(tables.members).values(**values)))


def states_of(ended: Ended) -> dict[str, str]:
    """The state of each space in the plan that a command has told."""
    return {change["slug"]: change["state"] for change in ended.document()["plan"]["spaceChanges"]}


def told_of(ended: Ended) -> dict[str, tuple[str, str]]:
    """Result and message of each step that a command has told, by email or slug."""
    document = ended.document()
    return {
        outcome.get("email") or outcome["slug"]: (outcome["result"], outcome["message"])
        for outcome in (*document["outcomes"], *document["spaceOutcomes"])
    }
