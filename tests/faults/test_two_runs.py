"""Two runs at the same time on one service."""

from __future__ import annotations

import json
import threading

import pytest

from personas import derive_password
from tests.commands import Done, start

from .conftest import ENDPOINT, SECRET, World, results
from .proxy import Fault, Hold, Request, Script

ANNA, BO = "persona.anna@mana.test", "persona.bo@mana.test"
NAMES = ("anna", "bo", "kim", "ada", "eve", "max")


def run_both(world: World, one: tuple[str, ...], other: tuple[str, ...], script: Script) -> list[Done]:
    """Run two commands at once, each with a token of its own."""
    world.proxy.script = script
    env = {name: value for name, value in world.env.items() if value}
    process = start(*one, folder=world.folder, env=env)
    done = world.run(*other, script=script, MANA_ADMIN_JWT=world.server.admin_token())
    out, err = process.communicate(timeout=30)
    return [Done(process.returncode, out, err), done]


def meet(*methods: str) -> Script:
    """Return a script that holds these calls until both runs have sent one."""
    tokens: set[str] = set()
    both = threading.Event()

    def script(request: Request) -> Fault | None:
        if request.method not in methods or not request.path.startswith(ENDPOINT):
            return None
        tokens.add(request.headers["authorization"])
        if len(tokens) == 2:
            both.set()
        return Hold(both)

    return script


def test_two_seeds_at_once_create_each_persona_once(world: World) -> None:
    world.catalog(*NAMES)
    for done in run_both(world, ("seed",), ("seed",), meet("POST")):
        assert done.code == 0, done.all
        assert "6 created" in done.out
    assert len(world.live()) == 6
    assert world.run("dry-run", "--fail-on-drift").code == 0


def test_two_cleanups_at_once_both_succeed(world: World) -> None:
    world.catalog(*NAMES)
    assert world.run("seed").code == 0
    command = ("cleanup", "--yes")
    for done in run_both(world, command, command, meet("DELETE")):
        assert done.code == 0, done.all
        assert "6 deleted" in done.out
    assert world.live() == {}


def test_seed_beside_cleanup_ends_and_can_be_repeated(world: World) -> None:
    path = world.catalog(*NAMES)
    assert world.run("seed").code == 0
    path.write_text(path.read_text().replace("solo-dev", "artist"))
    for done in run_both(world, ("cleanup", "--yes"), ("seed",), meet("POST", "DELETE")):
        assert done.code in {0, 6}, done.all
        assert "Traceback" not in done.err
    assert world.run("seed").code == 0
    assert world.run("dry-run", "--fail-on-drift").code == 0
    assert len(world.live()) == 6


@pytest.mark.parametrize("when", ["after the list", "before the update"])
def test_persona_that_is_deleted_meanwhile_is_created_again(world: World, when: str) -> None:
    path = world.catalog("anna", "bo")
    assert world.run("seed").code == 0
    path.write_text(path.read_text().replace("solo-dev", "artist"))
    anna = f"{ENDPOINT}/{world.live()[ANNA]}"

    def delete(request: Request) -> None:
        due = request.path == anna if when == "after the list" else request.method == "POST"
        if due and ANNA in world.live():
            world.admin("DELETE", anna)

    done = world.run("seed", "-o", "json", script=delete)
    assert done.code == 0, done.all
    assert results(done) == ["done", "done"]
    assert set(world.live()) == {ANNA, BO}
    assert world.run("dry-run", "--fail-on-drift").code == 0


def test_account_that_signs_up_before_the_look_up_is_a_conflict(world: World) -> None:
    world.catalog("anna")

    def sign_up(request: Request) -> None:
        if request.path == ENDPOINT and request.method == "GET":
            world.sign_up(ANNA)

    assert world.run("seed", script=sign_up).code == 5
    assert world.live() == {}


def test_persona_that_another_seed_created_after_the_list_is_not_a_conflict(world: World) -> None:
    path = world.catalog("anna")
    created = False

    def create(request: Request) -> None:
        # The derived password decides: it is a persona of this catalog.
        nonlocal created
        if request.path == "/api/v1/admin/users" and not created:
            created = True
            persona = json.loads(path.read_text())["personas"][0]
            world.admin("POST", ENDPOINT, json={**persona, "password": derive_password(ANNA, SECRET)})

    assert world.run("seed", script=create).code == 0
    assert world.run("dry-run", "--fail-on-drift").code == 0
