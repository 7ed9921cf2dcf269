"""Shared spaces on a service that fails."""

from __future__ import annotations

from datetime import UTC, datetime

import sqlalchemy as sa

from personas.embedded import schema

from .conftest import ANNA, BO, TEAM, World, results
from .proxy import Cut, every


def test_lost_answers_are_not_an_interruption(world: World) -> None:
    world.seed("anna", "bo", "kim", spaces=[TEAM])
    done = world.run("spaces", "-o", "json", script=every(Cut.RESET, path="/organization/create"))
    assert (done.code, results(done), done.json["interrupted"]) == (4, ["unknown"], False)
    assert world.run("spaces").code == 0
    fault = every(Cut.LOST, path="/organization/delete")
    done = world.run("cleanup", "--yes", script=fault)
    assert done.code == 6, done.all
    assert "Interrupted" not in done.all
    assert "connection" in done.all
    assert set(world.live()) == {ANNA, BO}


def test_space_with_a_human_is_kept_without_a_wrong_hint(world: World) -> None:
    world.seed("anna", "bo", spaces=[TEAM])
    assert world.run("spaces").code == 0
    user_id = world.sign_up("human@corp.example")
    with world.server.service.database.write() as connection:
        is_team = schema.organizations.c.slug == TEAM["slug"]
        space_id = sa.select(schema.organizations.c.id).where(is_team).scalar_subquery()
        values = {"id": "m1", "organization_id": space_id, "user_id": user_id, "role": "member"}
        connection.execute(schema.members.insert().values(**values, created_at=datetime.now(UTC)))
    done = world.run("spaces", "--delete", "--yes", "--force")
    assert "never deleted" in done.out
    assert "--prune" not in done.out
