"""Differences that an update cannot change, and domains that are not for tests."""

from __future__ import annotations

import pytest

from .conftest import ANNA, BO, SECRET, World, results, statuses


@pytest.mark.parametrize("command", ["seed", "cleanup", "spaces"])
def test_force_does_not_allow_a_real_domain(world: World, command: str) -> None:
    world.catalog("anna@acme.com", scope="*@acme.com")
    done = world.run(command, "--force", *(("--yes",) if command != "seed" else ()))
    assert (done.code, world.proxy.requests) == (5, [])
    assert "contains a real domain: acme.com. Nothing was changed." in done.all
    assert '"allowRealDomain": true' in done.all


@pytest.mark.parametrize("field", ["name", "password"])
def test_name_or_password_that_drifts_changes_only_with_replace(world: World, field: str) -> None:
    world.seed("anna", secret=SECRET if field == "name" else "another seed secret")
    world.seed("bo")
    before = world.live()
    world.catalog("anna", "bo")
    if field == "name":
        world.edit('"Anna"', '"Anna Lind"')
    done = world.run("dry-run", "-o", "json")
    assert (done.code, statuses(done)) == (0, {ANNA: "replace", BO: "in-sync"})
    assert world.run("dry-run", "--fail-on-drift").code == 10
    done = world.run("seed")
    assert done.code == 0
    assert "--replace" in done.out
    assert "in sync (" not in done.out
    assert world.proxy.writes == []
    assert world.run("seed", "--replace").code == 5
    assert world.proxy.writes == []
    done = world.run("seed", "--replace", "--yes", "-o", "json")
    assert (done.code, results(done)) == (0, ["done"])
    after = world.live()
    assert (after[ANNA] != before[ANNA], after[BO]) == (True, before[BO])
    user = world.sign_in(ANNA).json()["user"]
    assert user["name"] == ("Anna Lind" if field == "name" else "Anna")
    assert world.run("dry-run", "--fail-on-drift").code == 0
