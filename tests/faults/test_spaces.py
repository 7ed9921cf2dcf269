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
