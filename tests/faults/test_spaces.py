"""Shared spaces: a run that was cut anywhere is completed by the next, and nobody else's space is touched."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import anyio
import pytest
from making import make_catalog, make_persona, make_space

from personas.catalog.models import Catalog, Member, Role, SpaceType
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

from .world import SECRET, World, both_worlds

QUICK = Patience(attempts=3, first_attempts=2, wait_initial=0.001, wait_max=0.002)
ADA, BO, CY = (f"persona.{who}@mana.test" for who in ("ada", "bo", "cy"))
SHARED = make_catalog(
    "ada", "bo", "cy", spaces=[make_space("flat", "ada", "bo"), make_space("desk", "cy", "bo")]
)
EDITED = make_catalog(
    "ada",
    "bo",
    "cy",
    spaces=[
        make_space("flat", "bo", Member(email=CY, role=Role.ADMIN), name="Another", type=SpaceType.CLUB),
        make_space("desk", "cy", Member(email=BO, role=Role.ADMIN), "ada"),
    ],
)
RENAMED = make_catalog(
    make_persona("ada", name="Ada II"), make_persona("bo", name="Bo II"), "cy", spaces=SHARED.spaces
)


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


def cuts(tool: Tool, catalog: Catalog, intent: Intent | None = None) -> Iterator[int]:
    """Cut a run after its first request, its second, …, until it comes to its end; tell after which."""
    number = 0
    while True:
        number += 1
        tool.cut_after = number
        try:
            tool.run(catalog, intent)
        except Killed:
            tool.cut_after = None
            yield number
        else:
            tool.cut_after = None
            return


@both_worlds
def test_spaces_are_made_with_their_people_and_a_second_run_writes_nothing(real: World) -> None:
    tool = Tool(real)
    assert_all_done(tool.run(SHARED))
    assert shared(real) == wanted(SHARED)
    assert tool.lines.count("POST /api/auth/sign-in/email") == 3
    assert tool.lines.count("POST /api/auth/sign-out") == 3
    assert real.rows(tables.sessions) == []
    again = tool.run(SHARED)
    assert again.outcomes == ()
    assert tool.writes() == []
    # The owners alone are asked, once each, the check of the secret included.
    assert tool.lines.count("POST /api/auth/sign-in/email") == 2
    assert real.rows(tables.sessions) == []
    assert tool.plan(SHARED).in_sync


@both_worlds
def test_a_first_seed_that_was_cut_after_any_request_is_completed_by_the_next(real: World) -> None:
    tool = Tool(real, workers=1)
    number = 0
    for number in cuts(tool, SHARED):
        assert_all_done(tool.run(SHARED))
        assert shared(real) == wanted(SHARED), number
        real.start_anew()
    assert number >= 20


@both_worlds
@pytest.mark.parametrize(
    ("catalog", "intent"),
    [(EDITED, Intent(prune=True)), (RENAMED, Intent(recreate=True))],
    ids=["edited", "created-again"],
)
def test_a_change_that_was_cut_after_any_request_is_completed_by_the_next(
    real: World, catalog: Catalog, intent: Intent
) -> None:
    tool = Tool(real, workers=1)
    tool.run(SHARED)
    number = 0
    for number in cuts(tool, catalog, intent):
        assert_all_done(tool.run(catalog, intent))
        assert shared(real) == wanted(catalog), number
        assert tool.plan(catalog, intent).in_sync, number
        real.start_anew()
        tool.run(SHARED)
    assert number >= 20
    assert shared(real) == wanted(catalog)


@both_worlds
def test_a_cleanup_that_was_cut_after_any_request_is_completed_by_the_next(real: World) -> None:
    tool = Tool(real, workers=1)
    tool.run(SHARED)
    number = 0
    for number in cuts(tool, SHARED, Intent(purpose="cleanup")):
        assert_all_done(tool.run(SHARED, Intent(purpose="cleanup")))
        assert shared(real) == {}, number
        assert real.personas == set(), number
        tool.run(SHARED)
    assert number >= 15
    assert shared(real) == {}
