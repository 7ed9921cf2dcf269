"""Two runs at the same time on one service."""

from __future__ import annotations

import threading

import pytest

from .conftest import ANNA, BO, ENDPOINT, World, results
from .proxy import Fault, Request


def test_two_seeds_at_once_create_each_persona_once(world: World) -> None:
    world.catalog("anna", "bo", "kim", "ada", "eve", "max")
    tokens: set[str] = set()
    both = threading.Event()

    def meet(request: Request) -> Fault | None:
        """Hold creations until both runs have sent one."""
        if request.method != "POST" or request.path != ENDPOINT:
            return None
        tokens.add(request.headers["authorization"])
        if len(tokens) == 2:
            both.set()
        return both

    world.proxy.script = meet
    process = world.start("seed")
    done = world.run("seed", script=meet, MANA_ADMIN_JWT=world.server.admin_token())
    out, err = process.communicate(timeout=30)
    assert (process.returncode, done.code) == (0, 0), (err, done.all)
    assert "6 created" in out
    assert "6 created" in done.out
    assert len(world.live()) == 6
    assert world.run("dry-run", "--fail-on-drift").code == 0


@pytest.mark.parametrize(
    ("command", "method", "remaining"),
    [
        (("seed",), "GET", {ANNA, BO}),  # deleted after the list
        (("seed",), "POST", {ANNA, BO}),
        (("cleanup", "--yes"), "DELETE", set()),
    ],
)
def test_persona_that_is_deleted_meanwhile_is_no_failure(
    world: World, command: tuple[str, ...], method: str, remaining: set[str]
) -> None:
    world.seed("anna", "bo")
    world.edit("solo-dev", "artist")
    world.edit("solo-dev", "artist")
    anna = f"{ENDPOINT}/{world.live()[ANNA]}"

    def delete(request: Request) -> None:
        due = request.path == anna if method != "POST" else request.method == "POST"
        if due and ANNA in world.live():
            world.admin("DELETE", anna)

    done = world.run(*command, "-o", "json", script=delete)
    assert done.code == 0, done.all
    assert results(done) == ["done", "done"]
    assert set(world.live()) == remaining
    if remaining:
        assert world.run("dry-run", "--fail-on-drift").code == 0
