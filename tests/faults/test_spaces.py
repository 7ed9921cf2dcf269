"""Shared spaces on a service that fails."""

from __future__ import annotations

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


def test_several_owners_create_spaces_through_another_address(world: World) -> None:
    # The service accepts only its own base URL as Origin.
    names = ("anna", "bo", "kim", "eve")
    spaces = [
        {**TEAM, "slug": f"of-{name}", "owner": f"persona.{name}@mana.test", "members": []} for name in names
    ]
    world.seed(*names, spaces=spaces)
    assert "4 created" in world.run("spaces").all
    assert "4 spaces in sync" in world.run("spaces", "--dry-run").all
