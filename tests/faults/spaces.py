"""Catalogs with shared spaces, the commands that are run with them, and what the database has of them."""

from __future__ import annotations

import datetime as dt
from typing import Any

import sqlalchemy as sa
from making import make_catalog, make_space

from personas.catalog.models import Catalog
from personas.embedded import schema as tables

from .faultserver import Seen
from .world import Kept, World

ADA, BO, CY = (f"persona.{who}@mana.test" for who in ("ada", "bo", "cy"))
SHARED = make_catalog(
    "ada", "bo", "cy", spaces=[make_space("flat", "ada", "bo"), make_space("desk", "cy", "bo")]
)
ALONE = make_catalog("ada", "bo", "cy")
SPACES = "/api/auth/organization"
HUMAN = "somebody@else.test"

SEED, PRUNE, RECREATE, CLEANUP = (
    ("seed",),
    ("seed", "--prune", "--yes"),
    ("seed", "--recreate", "--yes"),
    ("cleanup", "--yes"),
)


def have(real: World, catalog: Catalog = SHARED) -> None:
    """Let a catalog be live as a seed leaves it, and be the one that commands are given."""
    real.write_spaces(catalog)
    text = real.catalog.read_text()
    if text in real.states:
        real.restore(real.states[text])
    else:
        real.run("seed")
        real.states[text] = real.keep()


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


def cuts(real: World, *command: str) -> list[Kept]:
    """What a run leaves behind that is cut after any of its requests that changed what is stored."""
    states: list[Kept] = []

    def keep(_: Seen) -> None:
        if (now := real.keep()) not in states[-1:]:
            states.append(now)

    real.run(*command, "--concurrency", "1", through=keep)
    return states[1:]


def add_human_to(real: World, slug: str, role: str = "member") -> None:
    """Somebody who is no persona shares a space; they joined it by a way of their own."""
    real.add_humans(HUMAN)
    space = next(row["id"] for row in real.rows(tables.organizations) if row["slug"] == slug)
    now = dt.datetime.now(dt.UTC)
    values = {"id": "m1", "organization_id": space, "user_id": real.user(HUMAN)["id"], "role": role}
    real.execute(sa.insert(tables.members).values(**values, created_at=now))
