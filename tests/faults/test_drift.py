"""Domains that are not for tests, and differences that an update cannot change."""

from __future__ import annotations

import pytest

from .conftest import ENDPOINT, World, results, statuses

ANNA, BO = "persona.anna@mana.test", "persona.bo@mana.test"
REAL = {"scope": "*@acme.com", "fields": {"email": "anna@acme.com"}}


@pytest.mark.parametrize("command", ["seed", "cleanup", "spaces"])
def test_real_domain_must_be_allowed_by_the_catalog(world: World, command: str) -> None:
    world.catalog("anna", **REAL)
    for force in ((), ("--force",)):
        done = world.run(command, *force, *(("--yes",) if command != "seed" else ()))
        assert done.code == 5
        assert "contains a real domain: acme.com. Nothing was changed." in done.all
        assert '"allowRealDomain": true' in done.all
        assert world.proxy.requests == []


def test_allowed_real_domain_is_used(world: World) -> None:
    world.catalog("anna", **REAL, allowRealDomain=True)
    assert world.run("seed").code == 0
    assert set(world.live()) == {"anna@acme.com"}
    assert world.run("cleanup", "--yes").code == 0
    assert world.live() == {}


def rename(world: World, old: str, new: str, *, prompt: bool = False) -> None:
    path = world.folder / "catalog.json"
    text = path.read_text().replace(f'"name": "{old}"', f'"name": "{new}"', 1)
    path.write_text(text.replace("keep short", "keep long", 1) if prompt else text)


def test_name_that_drifts_is_shown_and_changes_only_with_replace(world: World) -> None:
    world.catalog("anna", "bo")
    assert world.run("seed").code == 0
    before = world.live()
    rename(world, "Anna", "Anna Lind")
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
    assert world.admin("GET", f"{ENDPOINT}/{after[ANNA]}").json()["persona"]["name"] == "Anna Lind"
    assert world.run("dry-run", "--fail-on-drift").code == 0


def test_changed_email_is_recognised_by_the_name(world: World) -> None:
    world.catalog("anna", "bo")
    assert world.run("seed").code == 0
    path = world.folder / "catalog.json"
    path.write_text(path.read_text().replace(ANNA, "persona.lind@mana.test"))
    done = world.run("dry-run")
    assert done.code == 0
    assert f"changed email? {ANNA} has the same name" in done.all
    assert "changed email? persona.lind@mana.test has the same name" in done.all
    assert world.run("seed").code == 0
    assert set(world.live()) == {ANNA, BO, "persona.lind@mana.test"}
    assert world.run("seed", "--prune", "--yes").code == 0
    assert set(world.live()) == {BO, "persona.lind@mana.test"}
