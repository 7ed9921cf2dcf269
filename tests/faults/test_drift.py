"""Domains that are not for tests, and differences that an update cannot change."""

from __future__ import annotations

import pytest

from .conftest import ENDPOINT, SECRET, World, results, statuses

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


@pytest.mark.parametrize(
    "domain", ["acme.test", "acme.example", "acme.invalid", "app.localhost", "example.org"]
)
def test_reserved_domains_need_no_permission(world: World, domain: str) -> None:
    world.catalog("anna", scope=f"*@{domain}", fields={"email": f"anna@{domain}"})
    assert world.run("seed").code == 0
    assert set(world.live()) == {f"anna@{domain}"}


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


def test_other_fields_of_a_renamed_persona_are_updated(world: World) -> None:
    world.catalog("anna", "bo")
    assert world.run("seed").code == 0
    rename(world, "Anna", "Anna Lind", prompt=True)
    done = world.run("seed", "-o", "json")
    assert (done.code, results(done)) == (0, ["done"])
    (outcome,) = done.json["outcomes"]
    assert outcome["action"] == "update"
    assert "name still differs" in outcome["message"]
    live = world.admin("GET", f"{ENDPOINT}/{world.live()[ANNA]}").json()["persona"]
    assert (live["name"], "keep long" in live["systemPrompt"]) == ("Anna", True)
    assert statuses(world.run("dry-run", "-o", "json"))[ANNA] == "replace"


@pytest.mark.parametrize("command", [("dry-run",), ("seed", "--dry-run", "--check-passwords")])
def test_password_that_drifts_is_shown_without_values(world: World, command: tuple[str, ...]) -> None:
    world.catalog("anna", "bo")
    assert world.run("seed", "--only", "anna", PERSONA_SEED_SECRET="another seed secret").code == 0
    world.catalog("bo", file="bo.json")
    assert world.run("seed", "-c", "bo.json").code == 0
    done = world.run(*command)
    assert done.code == 0, done.all
    assert "password" in done.out
    assert "does not match the seed secret" in done.out
    assert SECRET not in done.all
    (field,) = world.run(*command, "-o", "json").json["plan"]["changes"][0]["fields"]
    assert (field["field"], field["old"], field["new"], field["updatable"]) == ("password", None, None, False)


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


def test_unverified_persona_is_an_update(world: World) -> None:
    """The service died after the sign-up of a persona, and another program stamped the account."""
    world.catalog("anna")
    assert world.run("seed").code == 0
    world.verify(ANNA)
    assert world.run("dry-run", "--fail-on-drift").code == 0
